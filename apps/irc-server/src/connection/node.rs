use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::FutureExt as _;

use crate::connection::cluster::Cluster;
use crate::connection::directory::Directory;
use crate::connection::registration_limit::RegistrationLimit;
use crate::server::request::Record;
use crate::server::{ClientId, Effect, Server, Timestamp};
use crate::settings::{Settings, SettingsError};
use crate::store::{Pending, Store};

/// What all threads of the program share.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    shared: Mutex<Shared>,
    settings: RwLock<Arc<Settings>>,
    read_settings: Box<dyn Fn() -> Result<Settings, SettingsError> + Send + Sync>,
    store: Store,
    directory: Directory,
    registrations: Mutex<RegistrationLimit>,
    lines_received: AtomicU64,
    /// When a connection has come from the process before, in milliseconds.
    last_arrival: AtomicU64,
}

/// The server, and the way to each thread. A thread sends to others while it has the lock, so that what they are sent is in
/// the server's order.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: Server,
    pub(super) cluster: Option<Cluster>,
    /// Connections go over to the next process.
    pub(super) goes_over: bool,
    threads: Vec<Option<UnboundedSender<Effect>>>,
    lines_sent: u64,
}

/// What is to be carried out by a thread.
pub(super) enum Wanted {
    Effect(Effect),
    /// A client waits until its line is kept.
    Kept(ClientId, Pending<()>),
}

/// What there is now, and what there was since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Connections to this node.
    pub clients: usize,
    /// Users of the network that this node knows.
    pub users: usize,
    /// Channels.
    pub channels: usize,
    /// Lines that clients have sent.
    pub lines_received: u64,
    /// Lines that clients were sent.
    pub lines_sent: u64,
    /// What waits for the store.
    pub store_waiting: usize,
}

impl Node {
    /// A node that has no connection, and no thread yet. `read_settings` reads the settings when somebody wants them read
    /// again; it may block.
    #[must_use]
    pub fn new(
        settings: Arc<Settings>,
        store: Store,
        read_settings: impl Fn() -> Result<Settings, SettingsError> + Send + Sync + 'static,
        now: Timestamp,
    ) -> Self {
        let server = Server::new(Arc::clone(&settings), now);
        let directory = Directory::new(store.clone(), settings.cluster.bus.is_some());
        Self(Arc::new(Inner {
            shared: Mutex::new(Shared { server, cluster: None, goes_over: false, threads: Vec::new(), lines_sent: 0 }),
            settings: RwLock::new(settings),
            read_settings: Box::new(read_settings),
            store,
            directory,
            registrations: Mutex::default(),
            lines_received: AtomicU64::default(),
            last_arrival: AtomicU64::default(),
        }))
    }

    /// Accounts, bans and history.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Where accounts and bans are changed.
    pub(super) fn directory(&self) -> &Directory {
        &self.0.directory
    }

    /// The settings as they are now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How much there is.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        let Shared { server, lines_sent, .. } = &*self.lock();
        Numbers {
            clients: server.clients(),
            users: server.users(),
            channels: server.channels(),
            lines_received: self.0.lines_received.load(Ordering::Relaxed),
            lines_sent: *lines_sent,
            store_waiting: self.0.store.waiting(),
        }
    }

    pub(super) fn count_line(&self) {
        self.0.lines_received.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_arrival(&self, now: Timestamp) {
        self.0.last_arrival.fetch_max(now.0, Ordering::Relaxed);
    }

    pub(super) fn last_arrival(&self) -> Timestamp {
        Timestamp(self.0.last_arrival.load(Ordering::Relaxed))
    }

    pub(super) fn read_settings(&self) -> Result<Settings, SettingsError> {
        (self.0.read_settings)()
    }

    /// Goes by these settings from now on.
    pub(super) fn set_settings(&self, settings: Settings) {
        let settings = Arc::new(settings);
        self.0.store.set_history(settings.history.clone());
        self.lock().server.set_settings(Arc::clone(&settings));
        *self.0.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub(super) fn registrations(&self) -> MutexGuard<'_, RegistrationLimit> {
        self.0.registrations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server, for as long as nobody else asks it anything. A panic while somebody did leaves it as it was then: one
    /// command is half done, and everybody else goes on.
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread of this number takes part. What others cause for its clients comes here.
    pub(super) fn join(&self, thread: usize) -> UnboundedReceiver<Effect> {
        let (sender, receiver) = unbounded();
        let threads = &mut self.lock().threads;
        if threads.len() <= thread {
            threads.resize_with(thread + 1, || None);
        }
        threads[thread] = Some(sender);
        receiver
    }
}

impl Shared {
    /// Sends what the server wants done for clients of other threads to these; the rest is this thread's. Lines go to the
    /// store at once, so that those who ask the server after this find them in the history.
    pub(super) fn share_out(&mut self, store: &Store, thread: u16, own: &mut Vec<Wanted>) {
        for effect in self.server.effects() {
            self.lines_sent += u64::from(matches!(effect, Effect::Send(..)));
            let other = effect.client().map(|client| client.thread).filter(|other| *other != thread);
            match (other, effect) {
                (Some(other), effect) => {
                    // A thread that has ended has no clients.
                    if let Some(Some(sender)) = self.threads.get(usize::from(other)) {
                        let _ = sender.unbounded_send(effect);
                    }
                }
                (None, Effect::Keep(records, waits)) => {
                    let kept = keep(store, self.cluster.as_ref(), records);
                    own.extend(waits.map(|id| Wanted::Kept(id, kept)));
                }
                (None, Effect::Publish(event)) => {
                    if let Some(cluster) = &mut self.cluster {
                        cluster.publish(&event);
                    }
                }
                (None, effect) => own.push(Wanted::Effect(effect)),
            }
        }
        if let Some(cluster) = &mut self.cluster {
            cluster.send();
        }
    }
}

/// Keeps lines here and, in a cluster, where all nodes find them.
fn keep(store: &Store, cluster: Option<&Cluster>, records: Vec<Record>) -> Pending<()> {
    let Some(cluster) = cluster else { return store.append(records, None) };
    let logged: Vec<_> = records.iter().cloned().map(|record| cluster.log.append(record)).collect();
    let committed = store.append(records, None);
    async move {
        committed.await?;
        for logged in logged {
            logged.await?;
        }
        Ok(())
    }
    .boxed()
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("settings", &self.settings()).finish_non_exhaustive()
    }
}
