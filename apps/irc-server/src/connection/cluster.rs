//! The node's part in a cluster, as a service of its first thread.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::{AbortHandle, abortable};
use reactor::service::{Service, ServiceError, TimerService};

use crate::cluster::bus::{BusEvent, Nats};
use crate::cluster::{Bucket, Bus as _, Log, LogLimits, Membership, NodeName, Options};
use crate::connection::directory::follow;
use crate::connection::hub::Hub;
use crate::connection::shared_log::{LogWriter, read};
use crate::server::{Event, Server, Timestamp};

/// How often it looks for nodes that are silent: more often than nodes say that they are not.
const TICK: Duration = Duration::from_millis(500);
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
    fn heard(&mut self, now: Instant, time: Timestamp, event: BusEvent, server: &mut Server) {
        let was_replaced = self.membership.is_replaced();
        self.membership.heard(now, time, event, server);
        if self.membership.is_replaced() && !was_replaced {
            tracing::error!("another process is this node of the cluster now; what happens here is told to nobody");
        }
    }

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
}

impl ClusterService {
    /// That of the node of this hub.
    #[must_use]
    pub fn new(hub: &Hub) -> Rc<Self> {
        let ticking = hub.clone();
        let tick =
            move |_tick| ticking.with_cluster(|cluster, server, now, time| cluster.membership.tick(now, time, server));
        let ticks = TimerService::new(hub.reactor(), "silent nodes", TICK, tick);
        Rc::new(Self { hub: hub.clone(), ticks, tasks: RefCell::default() })
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
        let membership = Membership::new(Options::new(name, epoch), reactor.now());
        self.spawn(writing);
        self.spawn(read(log, node.store().clone()));
        self.spawn(follow(hub.clone(), Bucket::new(&bus, replicas)));
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

/// Takes what comes from the bus.
async fn listen(hub: Hub, bus: Arc<Nats>) {
    loop {
        let event = poll_fn(|context| bus.poll_event(context)).await;
        hub.with_cluster(|cluster, server, now, time| cluster.heard(now, time, event, server));
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
        self.ticks.failed().await
    }
}
