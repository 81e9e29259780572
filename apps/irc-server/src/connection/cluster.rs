//! The node's part in a cluster, as a service of its first thread.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{AbortHandle, Either, abortable, select};
use reactor::service::{Service, ServiceError, TimerService};
use tokio::sync::Notify;

use crate::cluster::bus::Nats;
use crate::cluster::{Bucket, Bus as _, Log, LogLimits, Membership, NodeName, Options};
use crate::connection::directory::follow;
use crate::connection::hub::Hub;
use crate::connection::shared_log::{LogWriter, read};
use crate::server::{Event, Timestamp};

/// How often it looks for nodes that are silent: more often than nodes say that they are not.
const TICK: Duration = Duration::from_millis(500);
/// How long a start waits until accounts and bans are those of the network: what has changed while the node was down holds for
/// the first client, too. Without NATS it goes on with what it has.
const CATCH_UP: Duration = Duration::from_secs(5);
/// Longer than both are there while one hands over to the other.
const MOST_TOGETHER: Duration = Duration::from_secs(30);
/// How long the end may take to tell others of it.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the server has of the cluster, while it is part of one.
#[derive(Debug)]
pub(super) struct Cluster {
    membership: Membership,
    bus: Arc<Nats>,
    pub(super) log: LogWriter,
}

impl Cluster {
    /// Tells other nodes what has happened on this one.
    pub(super) fn publish(&mut self, event: &Event) {
        if let Err(error) = self.membership.publish(event) {
            tracing::error!("{error}");
        }
    }

    /// Sends what is to be sent.
    pub(super) fn send(&mut self) {
        for (topic, message) in self.membership.messages() {
            self.bus.publish(&topic, message);
        }
    }
}

/// Has the node take part in the cluster that its settings name, if they name one. Everything before it goes on without one: the
/// bus is connected to when that is possible.
#[derive(Debug)]
pub struct ClusterService {
    hub: Hub,
    ticks: TimerService,
    tasks: RefCell<Vec<AbortHandle>>,
    /// Another process has the node's name, and stays.
    is_doubled: Rc<Notify>,
}

impl ClusterService {
    /// That of the node of this hub.
    #[must_use]
    pub fn new(hub: &Hub) -> Rc<Self> {
        let is_doubled = Rc::new(Notify::new());
        let (ticking, doubled) = (hub.clone(), Rc::clone(&is_doubled));
        let tick = move |_tick| {
            let (mut vacant, mut is_doubled) = (None, false);
            ticking.with_cluster(|Cluster { membership, .. }, server, now, time| {
                membership.tick(now, time, server);
                vacant = membership.vacant(now);
                is_doubled = membership.replaced_for(now).is_some_and(|time| time >= MOST_TOGETHER);
            });
            if let Some(epoch) = vacant {
                ticking.come_back(epoch);
            } else if is_doubled {
                doubled.notify_one();
            }
        };
        let ticks = TimerService::new(hub.reactor(), "silent nodes", TICK, tick);
        Rc::new(Self { hub: hub.clone(), ticks, tasks: RefCell::default(), is_doubled })
    }

    async fn join(&self, urls: &str) -> Result<(), ServiceError> {
        let (hub, reactor) = (&self.hub, self.hub.reactor());
        let (node, settings) = (hub.node(), hub.node().settings());
        let name = NodeName::new(&settings.server_name)
            .map_err(|error| format!("the server \"{}\" needs another name: {error}", settings.server_name))?;
        let epoch = node.store().next_epoch(hub.now()).await?;
        let bus = Arc::new(Nats::connect(reactor, urls, &settings.network, name.clone()).await?);
        let (bytes, replicas) = (settings.cluster.log_bytes, settings.cluster.replicas);
        let log = Log::new(&bus, LogLimits { age: settings.history.age, bytes, replicas });
        let (writer, writing) = LogWriter::new(log.clone());
        self.spawn(writing);
        self.spawn(read(log, node.store().clone()));
        self.spawn(follow(hub.clone(), Bucket::new(&bus, replicas)));
        if reactor.time_out(CATCH_UP, node.directory().followed()).await.is_err() {
            tracing::warn!("accounts and bans may be those of an earlier day: NATS has not said what they are now");
        }
        // Only now: the process that this one takes over from is silent from here on.
        let membership = Membership::new(Options::new(name, epoch), reactor.now());
        self.spawn(listen(hub.clone(), Arc::clone(&bus)));
        hub.node().lock().cluster = Some(Cluster { membership, bus, log: writer });
        Ok(())
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let (task, handle) = abortable(task);
        self.tasks.borrow_mut().push(handle);
        self.hub.reactor().spawn(async move {
            // Aborted when the service stops.
            let _ = task.await;
        });
    }
}

impl Hub {
    /// The process that was this node for a while, with this epoch, has gone.
    fn come_back(&self, epoch: u64) {
        let hub = self.clone();
        self.reactor().spawn(async move {
            let later = Timestamp(hub.now().0.max(epoch + 1));
            match hub.node().store().next_epoch(later).await {
                Ok(epoch) => hub.with_cluster(|cluster, _, now, _| {
                    if cluster.membership.vacant(now).is_some_and(|other| other < epoch) {
                        tracing::warn!("the other process has gone: this one is the node again");
                        cluster.membership.come_back(epoch, now);
                    }
                }),
                Err(error) => tracing::error!(%error, "the node cannot take part in the cluster again"),
            }
        });
    }
}

/// Takes what comes from the bus.
async fn listen(hub: Hub, bus: Arc<Nats>) {
    loop {
        let event = poll_fn(|context| bus.poll_event(context)).await;
        hub.with_cluster(|cluster, server, now, time| cluster.membership.heard(now, time, event, server));
    }
}

#[async_trait(?Send)]
impl Service for ClusterService {
    fn name(&self) -> &str {
        "cluster"
    }

    async fn start(&self) -> Result<(), ServiceError> {
        if let Some(urls) = &self.hub.node().settings().cluster.bus {
            self.join(urls).await?;
            self.ticks.start().await?;
        }
        Ok(())
    }

    async fn stop(&self) {
        self.ticks.stop().await;
        let cluster = self.hub.node().lock().cluster.take();
        if let Some(mut cluster) = cluster {
            cluster.membership.leave();
            cluster.send();
            // If there is no connection, others notice by the silence.
            let _ = self.hub.reactor().time_out(FAREWELL, cluster.bus.flush()).await;
        }
        for task in self.tasks.take() {
            task.abort();
        }
    }

    async fn failed(&self) -> ServiceError {
        match select(self.ticks.failed(), pin!(self.is_doubled.notified())).await {
            Either::Left((error, _)) => error,
            Either::Right(_) => {
                let name = &self.hub.node().settings().server_name;
                format!("another process is the node {name}, too: give each its own `name` in [server]").into()
            }
        }
    }
}
