use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use futures_channel::oneshot;

use crate::reactor::Reactor;
use crate::reactor::core::Core;
use crate::reactor::inbox::{Inbox, Queue, RemoteError, Room};
use crate::time::call::unchecked_call;
use crate::transport::Transport;

/// A reactor's handle for other threads, from [`Reactor::remote`](crate::Reactor::remote): `Send`, `Sync` and cheap to
/// clone. It does not keep the reactor alive, and is harmless when the reactor is gone.
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
pub struct RemoteReactor(Arc<Queue<Rc<Core>>>);

impl RemoteReactor {
    /// Calls `call` on the reactor's thread, in one of its next turns, before timed calls that are due then. Calls are
    /// made in the order in which they were requested. Twisted's `callFromThread`.
    ///
    /// A panic in it is logged.
    ///
    /// # Errors
    ///
    /// If the reactor has ended, or if it does not keep up: up to 65,536 calls of other threads may wait. `call` is
    /// then dropped. This never waits for room, because two reactors that call each other would wait forever; a thread
    /// that may wait can use [`blocking_call`](Self::blocking_call).
    pub fn call_from_thread(&self, call: impl FnOnce(&Reactor) + Send + 'static) -> Result<(), RemoteError> {
        self.queue(call, 0, Room::Limited)
    }

    /// Calls `call` on the reactor's thread, in one of its next turns, and resolves with its result: for code of another
    /// reactor, or of the same. `None` if the reactor ends before that, or if the call panics, which is logged.
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// let ports = reactor.run_until(async move { remote.ask(|reactor| reactor.ports().len()).await })?;
    /// assert_eq!(ports, Some(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn ask<T: Send + 'static>(&self, call: impl FnOnce(&Reactor) -> T + Send + 'static) -> Option<T> {
        let (tell, told) = oneshot::channel();
        let call = move |reactor: &Reactor| {
            // The caller may have given up.
            let _ = tell.send(call(reactor));
        };
        self.queue(call, 0, Room::Whatever).ok()?;
        told.await.ok()
    }

    /// Queues a call with its number of bytes, if there is room or `room` does not require any.
    pub(super) fn queue(
        &self,
        call: impl FnOnce(&Reactor) + Send + 'static,
        bytes: usize,
        room: Room,
    ) -> Result<(), RemoteError> {
        self.0.push(Box::new(move |core: &Rc<Core>| call(&Reactor(Rc::clone(core)))), bytes, room)
    }

    /// The handle of a reactor that is gone.
    fn closed() -> Self {
        Self(Inbox::new().queue())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_closed()
    }

    /// Whether this is the reactor's thread.
    pub(crate) fn is_on_this_thread(&self) -> bool {
        self.0.is_on_this_thread()
    }

    /// Asks the reactor to stop in order: see [`Reactor::stop`].
    pub fn stop(&self) {
        // If it has ended, there is nothing to stop.
        let _ = self.queue(Reactor::stop, 0, Room::Whatever);
    }
}

/// A connection's handle for other threads and other reactors, from [`Transport::remote`]: `Send`, `Sync` and cheap to
/// clone. It is harmless when the connection has ended.
#[derive(Clone)]
pub struct RemoteTransport {
    reactor: RemoteReactor,
    id: u64,
    /// How many connections it is inside of.
    depth: usize,
}

impl RemoteTransport {
    /// As [`Transport::write_bytes`], in one of the reactor's next turns.
    ///
    /// # Errors
    ///
    /// As [`RemoteReactor::call_from_thread`], and if the bytes that other threads have written and the reactor has not
    /// processed would exceed 64 MiB. Then none of `data` is sent.
    pub fn write(&self, data: Bytes) -> Result<(), RemoteError> {
        let bytes = data.len();
        self.with(|transport| transport.write_bytes(data), bytes, Room::Limited)
    }

    /// As [`Transport::lose_connection`], after everything this handle has written.
    pub fn lose_connection(&self) {
        let _ = self.with(Transport::lose_connection, 0, Room::Whatever);
    }

    /// As [`Transport::abort_connection`].
    pub fn abort_connection(&self) {
        let _ = self.with(Transport::abort_connection, 0, Room::Whatever);
    }

    /// Calls `call` with the protocol, or with the handler directly inside it, as [`Transport::call_later`] does. A
    /// wrong type ends the connection as a panic does.
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
        let (id, depth) = (self.id, self.depth);
        let call = move |reactor: &Reactor| {
            if let Some(transport) = reactor.0.roster.remote(id, depth) {
                f(&transport);
            }
        };
        self.reactor.queue(call, bytes, room)
    }
}

impl Reactor {
    /// A handle for other threads.
    pub fn remote(&self) -> RemoteReactor {
        RemoteReactor(self.0.inbox.queue())
    }
}

impl Transport {
    /// A handle of this connection for other threads and other reactors. A connection without such a handle pays
    /// nothing for the possibility. If the reactor is gone, the handle is that of an ended connection.
    pub fn remote(&self) -> RemoteTransport {
        let (id, depth) = (self.0.id, self.0.depth());
        let Some(reactor) = self.try_reactor() else {
            return RemoteTransport { reactor: RemoteReactor::closed(), id, depth };
        };
        reactor.0.roster.add_remote(self);
        RemoteTransport { reactor: reactor.remote(), id, depth }
    }
}

impl fmt::Debug for RemoteReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteReactor").field("closed", &self.0.is_closed()).finish()
    }
}

impl PartialEq for RemoteTransport {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.depth) == (other.id, other.depth) && Arc::ptr_eq(&self.reactor.0, &other.reactor.0)
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
