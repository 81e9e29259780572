use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, io};

use crate::address::datagram::DatagramAddress;
use crate::datagram::socket::{DatagramSocket, Route};
use crate::hub::Hub;
use crate::port::{Port, PortClosed};
use crate::time::call::{Call, Notify, Whose};
use crate::time::calls::{Calls, Owner};
use crate::time::deferred_call::DeferredCall;
use crate::time::delayed_call::DelayedCall;
use crate::time::panic_log::report_panic;
use crate::transport::moving::pump::Pump;
use crate::util::panics::catch_panic_async;

/// A handle of one datagram port: how a protocol sends, stops and times. For a UNIX socket it is
/// `DatagramTransport<UnixAddress>`.
///
/// It is cheap to clone, and may be used from any callback of any connection or port of the same reactor. Its methods
/// **never call user code**. A handle that outlives its port is harmless: writing fails with an error, and requested
/// calls are dropped. Twisted's `IUDPTransport`.
///
/// Only [`reactor`](Self::reactor) panics on a stale handle, if the reactor itself is gone.
///
/// ```
/// use std::net::SocketAddr;
/// use std::time::Duration;
/// use reactor::datagram::{DatagramProtocol, DatagramTransport};
///
/// /// Asks a server for the time until it answers.
/// struct Client { transport: DatagramTransport, server: SocketAddr }
///
/// impl Client {
///     fn ask(&mut self) {
///         let _ = self.transport.write_to_peer("what time is it?");
///         self.transport.call_later(Duration::from_secs(1), Self::ask);
///     }
/// }
///
/// impl DatagramProtocol for Client {
///     fn start_protocol(&mut self) {
///         match self.transport.connect(self.server) {
///             Ok(()) => self.ask(),
///             Err(error) => eprintln!("{error}"),
///         }
///     }
///     fn datagram_received(&mut self, data: &[u8], _peer: SocketAddr) {
///         println!("{}", String::from_utf8_lossy(data));
///         self.transport.stop_listening();
///     }
///     fn connection_refused(&mut self) {
///         eprintln!("nobody listens on {}", self.server);
///     }
/// }
/// ```
#[derive(Clone)]
pub struct DatagramTransport<A: DatagramAddress = SocketAddr>(pub(crate) Rc<DatagramState<A>>);

/// Shared by a datagram port and its handles.
pub(crate) struct DatagramState<A> {
    pub(crate) hub: Rc<Hub>,
    pub(crate) id: u64,
    pub(crate) port: Port,
    pub(crate) calls: Calls,
    host: RefCell<A>,
    peer: RefCell<Option<A>>,
    /// `None` once the port is closed.
    socket: RefCell<Option<Rc<dyn DatagramSocket<A>>>>,
    pump: OnceCell<Weak<dyn Pump>>,
    /// Whether a write was refused and the protocol has yet to hear of it.
    refused: Cell<bool>,
    sent: Cell<u64>,
    /// Whether a datagram is being delivered.
    pub(super) is_delivering: Cell<bool>,
    /// Its sender and, if the port has several addresses, the one that it was sent to.
    pub(super) asked: RefCell<Option<(A, A)>>,
    /// Whether callbacks of the port are running.
    in_turn: Cell<bool>,
    run: RefCell<Run<A>>,
}

/// Datagrams of one length to one peer that wait for the end of the turn in which they were written. The first one does
/// not wait: it was sent at once, to find out whether the system accepts it.
struct Run<A> {
    route: Route<A>,
    len: usize,
    data: Vec<u8>,
}

impl<A: DatagramAddress> DatagramTransport<A> {
    /// Sends one datagram to `peer`; it may be empty. The network may lose it.
    ///
    /// It is sent at once, unless it follows others of the same length that callbacks of the same turn sent to the same
    /// peer: these leave together when the callbacks have returned, or when something else is written, up to 64 of
    /// them, of up to 1,452 bytes each. They arrive, and may be lost, one by one. If the system then has no room,
    /// although it accepted the first, they wait for it. If it refuses them, that is logged.
    ///
    /// On a port that listens on all addresses, the system's routes choose the address that the datagram leaves from.
    /// An answer to a datagram that is being [delivered](crate::datagram::DatagramProtocol::datagram_received) leaves
    /// from the address that the peer sent to, because the peer would not accept it otherwise (RFC 1122, section
    /// 4.1.3.5). To answer later, or to choose another address, see [`write_from`](Self::write_from).
    ///
    /// If the system reports a refusal instead of sending, the refusal belongs to an earlier datagram:
    /// [`connection_refused`](crate::datagram::DatagramProtocol::connection_refused) is called later, and this datagram
    /// is still sent.
    ///
    /// # Errors
    ///
    /// - [`WouldBlock`](io::ErrorKind::WouldBlock): the system holds as many unsent bytes as it may, or, on a UNIX
    ///   socket, the peer as many unread datagrams; the datagram is dropped.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): it is too long (the maximum over IPv4 is 65,507 bytes), `peer`
    ///   is of another family than the port, or the port is [connected](Self::connect) to another peer.
    /// - [`NotConnected`](io::ErrorKind::NotConnected): the port was stopped.
    /// - [`PermissionDenied`](io::ErrorKind::PermissionDenied): a broadcast address needs a port that was [opened for
    ///   it](crate::datagram::DatagramOptions::broadcast).
    /// - Any other error of the system: on a UNIX socket that there is no such file, or that nothing listens there
    ///   ([`ConnectionRefused`](io::ErrorKind::ConnectionRefused)).
    pub fn write(&self, data: impl AsRef<[u8]>, peer: A) -> io::Result<()> {
        let to = self.reached(peer)?;
        let Some(asked) = self.0.asked_by(&to) else { return self.0.send(data.as_ref(), Route { to, from: None }) };
        match self.0.send(data.as_ref(), Route { to: to.clone(), from: Some(asked) }) {
            // A group's or broadcast address, or one that is gone: the system may choose another.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                self.0.send(data.as_ref(), Route { to, from: None })
            }
            sent => sent,
        }
    }

    /// Sends one datagram to the peer that the port is [connected](Self::connect) to.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); [`NotConnected`](io::ErrorKind::NotConnected) also if the port is connected to no
    /// peer.
    pub fn write_to_peer(&self, data: impl AsRef<[u8]>) -> io::Result<()> {
        if self.peer().is_none() && !self.0.port.is_stopping() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the port is not connected to a peer"));
        }
        self.0.send(data.as_ref(), Route { to: None, from: None })
    }

    /// The address to give the system for this peer: `None` if the port is connected to it.
    pub(super) fn reached(&self, peer: A) -> io::Result<Option<A>> {
        match self.peer() {
            None => Ok(Some(peer)),
            Some(only) if only.is_same(&peer) => Ok(None),
            Some(only) => Err(invalid(format!("cannot send to {peer}: the port is connected to {only}"))),
        }
    }

    /// Makes `peer` the only one that the port sends to and receives from, permanently. From here on
    /// [`connection_refused`](crate::datagram::DatagramProtocol::connection_refused) is called if nothing listens
    /// there. Sends nothing, so success does not mean that the peer exists.
    ///
    /// # Errors
    ///
    /// If `peer` is of another family than the port, or if the port was stopped or is already connected; otherwise any
    /// error of the system.
    pub fn connect(&self, peer: A) -> io::Result<()> {
        let socket = self.0.socket()?;
        if let Some(peer) = self.peer() {
            return Err(invalid(format!("the port is already connected to {peer}")));
        }
        let ends = socket.connect(peer)?;
        if ends.host.is_same(&ends.peer) {
            // It would take what it sends for answers. The system's connection cannot be undone, but is not used.
            let message = format!("the port would be connected to itself, {}", ends.peer);
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, message));
        }
        self.0.host.replace(ends.host);
        self.0.peer.replace(Some(ends.peer));
        self.0.wake();
        Ok(())
    }

    /// The address the port is bound to; if port 0 was requested, with the port number the system chose. On a port that
    /// listens on all interfaces, [`connect`](Self::connect) changes it to the one that reaches the peer. Twisted's
    /// `getHost`.
    pub fn host(&self) -> A {
        self.0.host.borrow().clone()
    }

    /// The peer that the port is [connected](Self::connect) to, if it is.
    pub fn peer(&self) -> Option<A> {
        self.0.peer.borrow().clone()
    }

    /// Delivers nothing after the running callback, until [`resume_reading`](Self::resume_reading): what comes waits
    /// in the system's buffer, and is dropped by the system when that is full. As [`Port::pause`](crate::Port::pause).
    pub fn pause_reading(&self) {
        self.0.port.pause();
    }

    /// Delivers again, beginning with what has waited.
    pub fn resume_reading(&self) {
        self.0.port.resume();
    }

    /// Stops the port: nothing more is received or sent.
    /// [`stop_protocol`](crate::datagram::DatagramProtocol::stop_protocol) follows after the running callback, in the
    /// reactor's next turn.
    ///
    /// Await the result, if needed, to know that the port is closed and can be bound again. Twisted's `stopListening`.
    pub fn stop_listening(&self) -> PortClosed {
        self.0.port.stop_listening()
    }

    /// Calls `call`, `delay` from now, with the protocol of this port, or with the handler directly inside it. Calls
    /// due at one instant are made in the order they were requested. All calls of a port are dropped before its
    /// `stop_protocol`. A panic in one is logged.
    ///
    /// # Panics
    ///
    /// If neither the protocol nor the handler in it is a `P`. While the protocol is being built, the panic comes when
    /// the call is due, and is logged.
    #[track_caller]
    pub fn call_later<P: 'static>(&self, delay: Duration, call: impl FnOnce(&mut P) + 'static) -> DelayedCall {
        let owner = Rc::downgrade(&self.0) as Weak<dyn Notify>;
        self.0.calls.later(&self.0.hub.timers, owner, delay, call)
    }

    /// Runs `future` beside the protocol, in the port's own turns, and calls `call` with its output. Both are dropped
    /// before `stop_protocol`. A panic in the future is logged, and `call` is not made.
    ///
    /// ```
    /// # use std::net::SocketAddr;
    /// # use reactor::datagram::{DatagramProtocol, DatagramTransport};
    /// # struct Asker { transport: DatagramTransport }
    /// # async fn lookup(_name: Vec<u8>) -> Option<String> { None }
    /// # impl DatagramProtocol for Asker {
    /// fn datagram_received(&mut self, name: &[u8], peer: SocketAddr) {
    ///     self.transport.defer(lookup(name.to_vec()), move |this: &mut Self, found| {
    ///         let answer = found.as_deref().unwrap_or("no such user");
    ///         let _ = this.transport.write(answer, peer);
    ///     });
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`call_later`](Self::call_later).
    #[track_caller]
    pub fn defer<P: 'static, F: Future + 'static>(
        &self,
        future: F,
        call: impl FnOnce(&mut P, F::Output) + 'static,
    ) -> DeferredCall {
        // One future's panic must not end the others of a port that goes on.
        let contained = catch_panic_async(future);
        let deferred = self.0.calls.defer(contained, |this: &mut P, result| match result {
            Ok(output) => call(this, output),
            Err(message) => report_panic(&message, "a deferred future panicked"),
        });
        self.0.wake();
        deferred
    }

    pub(crate) fn new(hub: &Rc<Hub>, port: Port, socket: Rc<dyn DatagramSocket<A>>) -> Self {
        Self(Rc::new(DatagramState {
            hub: Rc::clone(hub),
            id: hub.take_id(),
            port,
            calls: Calls::default(),
            host: RefCell::new(socket.host()),
            peer: RefCell::new(None),
            socket: RefCell::new(Some(socket)),
            pump: OnceCell::new(),
            refused: Cell::new(false),
            sent: Cell::new(0),
            is_delivering: Cell::new(false),
            asked: RefCell::new(None),
            in_turn: Cell::new(false),
            run: RefCell::new(Run { route: Route { to: None, from: None }, len: 0, data: Vec::new() }),
        }))
    }
}

/// For the driver.
impl<A: DatagramAddress> DatagramState<A> {
    pub(crate) fn set_pump(&self, pump: Weak<dyn Pump>) {
        let _ = self.pump.set(pump);
    }

    pub(crate) fn socket(&self) -> io::Result<Rc<dyn DatagramSocket<A>>> {
        let open = if self.port.is_stopping() { None } else { self.socket.borrow().clone() };
        open.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the port was stopped"))
    }

    /// Whether datagrams of `peer` are delivered: one may have arrived before the port was connected.
    pub(crate) fn hears(&self, peer: &A) -> bool {
        self.peer.borrow().as_ref().is_none_or(|only| only.is_same(peer))
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.peer.borrow().is_some()
    }

    /// Whether sending was refused and the protocol has yet to hear of it.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.get()
    }

    /// Whether a write was refused since this was last read.
    pub(crate) fn take_refused(&self) -> bool {
        self.refused.replace(false)
    }

    /// The number of datagrams handed to the system.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Makes every handle stale, drops timers and deferred calls, and closes the socket.
    pub(crate) fn close(&self) {
        if self.send_gathered().is_err() {
            tracing::debug!("the last datagrams were dropped: the system has no room");
        }
        let socket = self.socket.borrow_mut().take();
        drop(socket);
        self.calls.close(&self.hub.timers);
    }

    fn wake(&self) {
        if let Some(pump) = self.pump.get().and_then(Weak::upgrade) {
            pump.wake();
        }
    }

    /// From here to [`end_turn`](Self::end_turn) the protocol's callbacks run.
    pub(crate) fn begin_turn(&self) {
        self.in_turn.set(true);
    }

    /// Sends what was gathered. If the system has no room, `cx` is woken as soon as it has.
    pub(crate) fn end_turn(&self, cx: &mut Context<'_>) {
        self.in_turn.set(false);
        while self.send_gathered().is_err() {
            let socket = self.socket.borrow().clone();
            let Some(Poll::Ready(Ok(()))) = socket.map(|socket| socket.poll_writable(cx)) else { return };
        }
        self.run.borrow_mut().len = 0;
    }

    pub(super) fn send(&self, data: &[u8], route: Route<A>) -> io::Result<()> {
        let socket = self.socket()?;
        if !self.gather(&*socket, data, &route) {
            self.send_gathered()?;
            self.send_now(&*socket, data, &route)?;
            // The system will also accept datagrams like the one it has just accepted.
            *self.run.borrow_mut() = Run { route, len: data.len(), data: Vec::new() };
        }
        self.sent.set(self.sent.get() + 1);
        Ok(())
    }

    /// Keeps a datagram for later in this turn, if it is like the previous one.
    fn gather(&self, socket: &dyn DatagramSocket<A>, data: &[u8], route: &Route<A>) -> bool {
        let run = &mut *self.run.borrow_mut();
        let alike = self.in_turn.get() && run.len == data.len() && run.route == *route;
        let fits = alike && run.data.len() < socket.longest_run(run.len) * run.len;
        if fits {
            if run.data.is_empty() {
                run.data = self.hub.buffers.take_run();
            }
            run.data.extend_from_slice(data);
        }
        fits
    }

    /// Fails only if the system has no room, and then keeps the run.
    fn send_gathered(&self) -> io::Result<()> {
        let mut run = self.run.borrow_mut();
        let Some(socket) = self.socket.borrow().clone().filter(|_| !run.data.is_empty()) else { return Ok(()) };
        match socket.send_run(&run.data, run.len, run.route.clone()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) => {
                self.notes_refusal(&error);
                let datagrams = run.data.chunks(run.len);
                let sent = datagrams.map(|data| self.send_now(&*socket, data, &run.route));
                if let Some(error) = sent.filter_map(io::Result::err).last() {
                    tracing::warn!(%error, "cannot send all of the gathered datagrams");
                }
            }
            Ok(()) => {}
        }
        self.hub.buffers.return_run(std::mem::take(&mut run.data));
        Ok(())
    }

    /// Whether the error is about an earlier datagram, so that this one was not sent.
    fn notes_refusal(&self, error: &io::Error) -> bool {
        let refused = error.kind() == io::ErrorKind::ConnectionRefused && self.is_connected();
        if refused {
            self.refused.set(true);
            self.wake();
        }
        refused
    }

    fn send_now(&self, socket: &dyn DatagramSocket<A>, data: &[u8], route: &Route<A>) -> io::Result<()> {
        for _ in 0..REFUSALS {
            match socket.send(data, route.clone()) {
                Err(error) if self.notes_refusal(&error) => {}
                sent => return sent,
            }
        }
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

impl<A: DatagramAddress> Owner for DatagramState<A> {
    fn calls(&self) -> &Calls {
        &self.calls
    }
}

impl<A: DatagramAddress> Notify for DatagramState<A> {
    fn notify(&self, call: Call) {
        self.calls.push(call);
        if let Some(pump) = self.pump.get().and_then(Weak::upgrade) {
            pump.turn();
        }
    }

    fn whose(&self) -> Whose {
        Whose { connection: Some(self.id), name: self.calls.name() }
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

impl<A: DatagramAddress> PartialEq for DatagramTransport<A> {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl<A: DatagramAddress> Eq for DatagramTransport<A> {}

impl<A: DatagramAddress> Hash for DatagramTransport<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).hash(state);
    }
}

impl<A: DatagramAddress> fmt::Debug for DatagramTransport<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramTransport")
            .field("id", &self.0.id)
            .field("host", &self.host())
            .field("peer", &self.peer())
            .field("closed", &self.0.port.has_closed())
            .finish_non_exhaustive()
    }
}

/// How many earlier refusals one write may report before it is given up. The system keeps one at a time, so a second
/// one arrived within the last microseconds.
const REFUSALS: u32 = 4;
