use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::ThreadId;
use std::{fmt, thread};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use crate::reactor::Reactor;
use crate::time::calls::unchecked_call;
use crate::transport::Transport;
use crate::util::panics::log_panic;

/// A reactor's handle for other threads, from [`Reactor::remote`](crate::Reactor::remote): `Send`, `Sync` and cheap
/// to clone. It does not keep the reactor alive, and is harmless when that is gone.
///
/// ```
/// use reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let remote = reactor.remote();
/// std::thread::spawn(move || remote.call_from_thread(|reactor| reactor.stop()));
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RemoteReactor(Arc<Shared>);

impl RemoteReactor {
    /// Has `call` called on the reactor's thread, in one of its next turns, before timed calls that are due then.
    /// Calls are made in the order in which they were asked for. False if the reactor has ended: then `call` is
    /// dropped. Twisted's `callFromThread`.
    ///
    /// A panic in it is logged.
    pub fn call_from_thread(&self, call: impl FnOnce(&Reactor) + Send + 'static) -> bool {
        let call: Job = Box::new(call);
        {
            let mut queue = self.0.lock();
            if queue.closed {
                return false;
            }
            queue.jobs.push_back(call);
        }
        self.0.waker.wake();
        true
    }

    /// That of a reactor that is gone.
    fn closed() -> Self {
        Inbox::new().remote()
    }

    /// Whether this is the reactor's thread.
    pub(crate) fn is_on_this_thread(&self) -> bool {
        self.0.thread == thread::current().id()
    }

    /// Asks the reactor to stop in order: see [`Reactor::stop`].
    pub fn stop(&self) {
        self.call_from_thread(Reactor::stop);
    }
}

/// A connection's handle for other threads and other reactors, from [`Transport::remote`]: `Send`, `Sync` and cheap to
/// clone. It is harmless when the connection has ended.
#[derive(Clone)]
pub struct RemoteTransport {
    reactor: RemoteReactor,
    id: u64,
}

impl RemoteTransport {
    /// As [`Transport::write_bytes`], in one of the reactor's next turns.
    pub fn write(&self, data: Bytes) {
        self.with(|transport| transport.write_bytes(data));
    }

    /// As [`Transport::lose_connection`], behind what was written by this handle before.
    pub fn lose_connection(&self) {
        self.with(Transport::lose_connection);
    }

    /// As [`Transport::abort_connection`].
    pub fn abort_connection(&self) {
        self.with(Transport::abort_connection);
    }

    /// Has `call` called with the protocol, or with the handler directly inside it, as
    /// [`Transport::call_later`] does. A wrong type ends the connection with a panic's reason.
    #[track_caller]
    pub fn call<P: 'static>(&self, call: impl FnOnce(&mut P) + Send + 'static) {
        let caller = Location::caller();
        self.with(move |transport| transport.0.call_now(unchecked_call(call, caller)));
    }

    /// The handle of the connection's reactor.
    pub fn reactor(&self) -> &RemoteReactor {
        &self.reactor
    }

    fn with(&self, f: impl FnOnce(&Transport) + Send + 'static) {
        let id = self.id;
        self.reactor.call_from_thread(move |reactor| {
            if let Some(transport) = reactor.0.hub.remote_transport(id) {
                f(&transport);
            }
        });
    }
}

impl Transport {
    /// A handle of this connection for other threads and other reactors. A connection of which none is ever asked for
    /// pays nothing for the possibility. Where the reactor is gone, the handle is one of a connection that has ended.
    pub fn remote(&self) -> RemoteTransport {
        self.0.hub.add_remote(self);
        let reactor = self.try_reactor().map_or_else(RemoteReactor::closed, |reactor| reactor.remote());
        RemoteTransport { reactor, id: self.0.id }
    }
}

/// What other threads ask of a reactor.
pub(crate) struct Inbox(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    waker: AtomicWaker,
    /// The reactor's.
    thread: ThreadId,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

type Job = Box<dyn FnOnce(&Reactor) + Send>;

impl Inbox {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared { queue: Mutex::default(), waker: AtomicWaker::new(), thread: thread::current().id() }))
    }

    pub(crate) fn remote(&self) -> RemoteReactor {
        RemoteReactor(Arc::clone(&self.0))
    }

    /// Makes the calls that are there now; true if more have come meanwhile. `waker` is woken when one comes later.
    pub(crate) fn run(&self, reactor: &Reactor, waker: &Waker) -> bool {
        self.0.waker.register(waker);
        let jobs = std::mem::take(&mut self.0.lock().jobs);
        for job in jobs {
            log_panic("call from another thread", || job(reactor));
        }
        !self.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().jobs.is_empty()
    }

    /// Takes no more calls and drops those that wait.
    pub(crate) fn close(&self) {
        let jobs = {
            let mut queue = self.0.lock();
            queue.closed = true;
            std::mem::take(&mut queue.jobs)
        };
        log_panic("drop of a call from another thread", || drop(jobs));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// No user code runs while it is locked, so a poisoned queue is whole.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RemoteReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteReactor").field("closed", &self.0.lock().closed).finish()
    }
}

impl PartialEq for RemoteTransport {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.reactor.0, &other.reactor.0)
    }
}

impl Eq for RemoteTransport {}

impl Hash for RemoteTransport {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for RemoteTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteTransport").field("id", &self.id).finish_non_exhaustive()
    }
}
