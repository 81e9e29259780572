use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

use crate::server::{Effect, Server, Timestamp};
use crate::settings::Settings;

/// What all threads of the program share.
#[derive(Clone, Debug)]
pub struct Node(Arc<Mutex<Shared>>);

/// The server, and the way to each thread. A thread sends to others while it has the lock, so that what they are sent is in
/// the server's order.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) server: Server,
    threads: Vec<Option<UnboundedSender<Effect>>>,
}

impl Node {
    /// A node that has no connection, and no thread yet.
    #[must_use]
    pub fn new(settings: Arc<Settings>, now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Shared { server: Server::new(settings, now), threads: Vec::new() })))
    }

    /// The server, for as long as nobody else asks it anything. A panic while somebody did leaves it as it was then: one
    /// command is half done, and everybody else goes on.
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Sends what the server wants done for clients of other threads to these; the rest is this thread's.
    pub(super) fn share_out(&mut self, thread: u16, own: &mut Vec<Effect>) {
        for effect in self.server.effects() {
            match effect.client().map(|client| client.thread) {
                Some(other) if other != thread => {
                    // A thread that has ended has no clients.
                    if let Some(Some(sender)) = self.threads.get(usize::from(other)) {
                        let _ = sender.unbounded_send(effect);
                    }
                }
                _ => own.push(effect),
            }
        }
    }
}
