use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use crate::address::Address;

/// A port that listens, for connections or for datagrams: what [`Reactor::listen_tcp`](crate::Reactor::listen_tcp),
/// [`listen_udp`](crate::Reactor::listen_udp) and their kin return. Twisted's `IListeningPort`.
///
/// It is a handle: cloning it is cheap, and dropping it changes nothing.
#[derive(Clone)]
pub struct Port(Rc<PortState>);

/// What the handles of a port share with the task that listens.
struct PortState {
    host: Address,
    /// Its connections that are alive.
    alive: Cell<usize>,
    refused: Cell<u64>,
    stopping: Cell<bool>,
    closed: Cell<bool>,
    /// Of the task that listens.
    listening: RefCell<Option<Waker>>,
    /// Of those who wait for it to close.
    waiting: RefCell<Vec<Waker>>,
}

impl Port {
    /// The address it listens on; where port 0 was asked for, with the port the system chose. Twisted's `getHost`.
    pub fn host(&self) -> Address {
        self.0.host.clone()
    }

    /// Stops accepting, at once; the socket is closed in the reactor's next turn. Connections that were accepted go
    /// on. A port for datagrams receives and sends nothing more, and calls
    /// [`stop_protocol`](crate::DatagramProtocol::stop_protocol) when it is closed. Twisted's `stopListening`.
    ///
    /// What it returns can be awaited: then the port is closed, and can be bound again. It need not be.
    pub fn stop_listening(&self) -> PortClosed {
        self.0.stopping.set(true);
        self.wake();
        PortClosed(Rc::clone(&self.0))
    }

    /// How many of the connections it has accepted are alive; a port for datagrams has none.
    pub fn connections(&self) -> usize {
        self.0.alive.get()
    }

    /// How many clients were closed as soon as they were accepted, because the process had no descriptor left or the
    /// port as many connections as [`ListenOptions::max_connections`](crate::ListenOptions::max_connections) allows.
    pub fn refused(&self) -> u64 {
        self.0.refused.get()
    }

    pub(crate) fn new(host: Address) -> Self {
        Self(Rc::new(PortState {
            host,
            alive: Cell::new(0),
            refused: Cell::new(0),
            stopping: Cell::new(false),
            closed: Cell::new(false),
            listening: RefCell::new(None),
            waiting: RefCell::default(),
        }))
    }

    /// Whether it was asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.get()
    }

    /// Whom to wake when the port is asked to stop, from here on.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut listening = self.0.listening.borrow_mut();
        if !listening.as_ref().is_some_and(|old| old.will_wake(waker)) {
            *listening = Some(waker.clone());
        }
    }

    /// Wakes the task that listens.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.0.listening.borrow() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn add_connection(&self) {
        self.0.alive.set(self.0.alive.get() + 1);
    }

    pub(crate) fn remove_connection(&self) {
        self.0.alive.set(self.0.alive.get() - 1);
    }

    pub(crate) fn add_refused(&self, clients: usize) {
        self.0.refused.set(self.0.refused.get() + clients as u64);
    }

    /// The socket is closed: whoever waits for that is told.
    pub(crate) fn set_closed(&self) {
        self.0.stopping.set(true);
        self.0.closed.set(true);
        let task = self.0.listening.take();
        drop(task);
        let wakers = self.0.waiting.take();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn has_closed(&self) -> bool {
        self.0.closed.get()
    }
}

/// Resolves when a port has closed, from [`Port::stop_listening`]. Dropping it changes nothing.
#[derive(Clone)]
pub struct PortClosed(Rc<PortState>);

impl Future for PortClosed {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.closed.get() {
            return Poll::Ready(());
        }
        let mut waiting = self.0.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("host", &self.0.host)
            .field("connections", &self.0.alive.get())
            .field("closed", &self.0.closed.get())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PortClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortClosed").field("closed", &self.0.closed.get()).finish()
    }
}
