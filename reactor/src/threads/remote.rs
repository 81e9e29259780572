use std::collections::VecDeque;
use std::error::Error;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::ThreadId;
use std::{fmt, thread};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use crate::reactor::Reactor;
use crate::time::call::unchecked_call;
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
/// std::thread::spawn(move || remote.call_from_thread(Reactor::stop));
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct RemoteReactor(Arc<Shared>);

impl RemoteReactor {
    /// Has `call` called on the reactor's thread, in one of its next turns, before timed calls that are due then.
    /// Calls are made in the order in which they were asked for. Twisted's `callFromThread`.
    ///
    /// A panic in it is logged.
    ///
    /// # Errors
    ///
    /// If the reactor has ended, or does not keep up: as many as 65,536 calls of other threads may wait. Then `call` is
    /// dropped. It never waits for room, because two reactors that call each other would wait for ever; a thread that may
    /// wait uses [`blocking_call`](Self::blocking_call).
    pub fn call_from_thread(&self, call: impl FnOnce(&Reactor) + Send + 'static) -> Result<(), RemoteError> {
        self.queue(Box::new(call), 0, Room::Limited)
    }

    /// Queues a call that comes with as many bytes, if there is room for it, or in any case.
    pub(super) fn queue(&self, call: Job, bytes: usize, room: Room) -> Result<(), RemoteError> {
        {
            // Declared after `call`: that is dropped, where it is refused, with the lock given back.
            let mut queue = self.0.lock();
            if queue.closed {
                return Err(RemoteError::Stopped);
            }
            let is_full = queue.jobs.len() >= MOST_CALLS || (queue.bytes > 0 && queue.bytes + bytes > MOST_BYTES);
            if room == Room::Limited && is_full {
                return Err(RemoteError::Full);
            }
            queue.jobs.push_back(call);
            queue.bytes += bytes;
        }
        self.0.waker.wake();
        Ok(())
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
        // If it has ended, all is well.
        let _ = self.queue(Box::new(Reactor::stop), 0, Room::Whatever);
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
    ///
    /// # Errors
    ///
    /// As [`RemoteReactor::call_from_thread`], and if what other threads have written and the reactor has not come to yet
    /// would be more than 64 MiB. Then nothing of `data` is sent.
    pub fn write(&self, data: Bytes) -> Result<(), RemoteError> {
        let bytes = data.len();
        self.with(|transport| transport.write_bytes(data), bytes, Room::Limited)
    }

    /// As [`Transport::lose_connection`], behind what was written by this handle before.
    pub fn lose_connection(&self) {
        let _ = self.with(Transport::lose_connection, 0, Room::Whatever);
    }

    /// As [`Transport::abort_connection`].
    pub fn abort_connection(&self) {
        let _ = self.with(Transport::abort_connection, 0, Room::Whatever);
    }

    /// Has `call` called with the protocol, or with the handler directly inside it, as
    /// [`Transport::call_later`] does. A wrong type ends the connection with a panic's reason.
    ///
    /// # Errors
    ///
    /// As [`RemoteReactor::call_from_thread`].
    #[track_caller]
    pub fn call<P: 'static>(&self, call: impl FnOnce(&mut P) + Send + 'static) -> Result<(), RemoteError> {
        let caller = Location::caller();
        self.with(move |transport| transport.0.call_now(unchecked_call(call, caller)), 0, Room::Limited)
    }

    /// The handle of the connection's reactor.
    pub fn reactor(&self) -> &RemoteReactor {
        &self.reactor
    }

    fn with(&self, f: impl FnOnce(&Transport) + Send + 'static, bytes: usize, room: Room) -> Result<(), RemoteError> {
        let id = self.id;
        let call = move |reactor: &Reactor| {
            if let Some(transport) = reactor.0.roster.remote(id) {
                f(&transport);
            }
        };
        self.reactor.queue(Box::new(call), bytes, room)
    }
}

/// Why a reactor does not do what another thread asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteError {
    /// It has ended.
    Stopped,
    /// It does not keep up: as much as may wait is waiting.
    Full,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "the reactor has ended",
            Self::Full => "the reactor does not keep up with other threads: try again later",
        })
    }
}

impl Error for RemoteError {}

/// Whether a call is refused where as many wait as may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Limited,
    /// For the end of something, and for what its thread waits for.
    Whatever,
}

const MOST_CALLS: usize = 65_536;

const MOST_BYTES: usize = 64 << 20;

impl Transport {
    /// A handle of this connection for other threads and other reactors. A connection of which none is ever asked for
    /// pays nothing for the possibility. Where the reactor is gone, the handle is one of a connection that has ended.
    pub fn remote(&self) -> RemoteTransport {
        let Some(reactor) = self.try_reactor() else {
            return RemoteTransport { reactor: RemoteReactor::closed(), id: self.0.id };
        };
        reactor.0.roster.add_remote(self);
        RemoteTransport { reactor: reactor.remote(), id: self.0.id }
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
    /// That they are to write.
    bytes: usize,
    closed: bool,
}

impl Queue {
    fn take(&mut self) -> VecDeque<Job> {
        self.bytes = 0;
        std::mem::take(&mut self.jobs)
    }
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
        let jobs = self.0.lock().take();
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
            queue.take()
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
