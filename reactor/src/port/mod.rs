//! The handle of a listening port, and the port's limits.
//!
//! Listening returns a [`Port`]: it has the address, counts connections, [stops](Port::stop_listening) and
//! [drains](Port::drain), which reports each connection it had to abort as a [`CutOff`]. Clients beyond the
//! [limits](AcceptLimits) are counted in its [`Refusals`]. A layer that waits for a header or a handshake
//! holds a [`Pending`], so that the port can limit the number of such connections.
//!
//! ```
//! use std::time::Duration;
//! use reactor::Reactor;
//! # use reactor::{Protocol, Transport};
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//!
//! let reactor = Reactor::new()?;
//! let port = reactor.listen_tcp("127.0.0.1:0", |transport| Echo { transport })?;
//! println!("listening on {}", port.host());
//! let cut_off = reactor.run_until(port.drain(Duration::from_secs(30)))?;
//! assert_eq!((cut_off.len(), port.connection_count(), port.refusals().total()), (0, 0, 0));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has `IListeningPort`.

pub(crate) mod accept_limits;
pub(crate) mod admission;
pub(crate) mod pending;
pub(crate) mod refusals;
pub(crate) mod seats;
pub(crate) mod tally;

pub use accept_limits::AcceptLimits;
pub use pending::Pending;
pub use refusals::Refusals;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::address::Address;
use crate::hub::Hub;
use crate::hub::intake::Intake;
use crate::port::refusals::Refusal;
use crate::time::timers::Sleep;
use crate::transport::Transport;
use crate::transport::moving::pump::AtRest;
use crate::util::wakers::Wakers;

/// A port that listens for connections or datagrams, returned by [`Reactor::listen_tcp`](crate::Reactor::listen_tcp),
/// [`listen_udp`](crate::Reactor::listen_udp) and similar methods. Twisted's `IListeningPort`.
///
/// It is a handle: cloning it is cheap, and dropping it changes nothing.
///
/// ```
/// use std::time::Duration;
/// use reactor::Reactor;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_tcp("127.0.0.1:0", |transport| Echo { transport })?;
/// println!("listening on {}", port.host());
/// let watched = port.clone();
/// reactor.call_every(Duration::from_secs(60), move |_| {
///     println!("{} connections, {} refused", watched.connection_count(), watched.refusals().total());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Port(Rc<PortState>);

/// Shared by the handles of a port and the task that listens.
struct PortState {
    /// Has the address, and counts the port's connections.
    intake: Rc<Intake>,
    refusals: Cell<Refusals>,
    accept_wait_count: Cell<u64>,
    stopping: Cell<bool>,
    paused: Cell<bool>,
    closed: Cell<bool>,
    /// Wakes the task that listens.
    listening: RefCell<Option<Waker>>,
    /// Wakes the futures that wait for it to close.
    waiting: Wakers,
    /// Wakes the futures that wait for its last connection to end.
    draining: Wakers,
    acceptor: RefCell<Option<Weak<dyn Accepts>>>,
}

/// What accepts a port's connections.
pub(crate) trait Accepts {
    /// The live connections, oldest first.
    fn connections(&self) -> Vec<Transport>;
    fn hub(&self) -> &Rc<Hub>;
    /// Whether the connections can go on in another process.
    fn is_resumable(&self) -> bool;
    /// Goes on with a connection of another process, at rest until [`go`](crate::transport::moving::pump::Pump::go).
    fn resume(self: Rc<Self>, at_rest: AtRest) -> Option<Transport>;
}

/// A connection that was aborted because it did not end in time: see [`Port::drain`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutOff {
    /// The peer's address.
    pub peer: Address,
    /// The number of bytes written and not handed to the system.
    pub unsent_bytes: usize,
}

impl CutOff {
    /// Aborts the connection, and returns what was cut off.
    pub(crate) fn abort(transport: &Transport) -> Self {
        let cut_off = Self { peer: transport.peer(), unsent_bytes: transport.unsent_bytes() };
        tracing::warn!(peer = %cut_off.peer, unsent = cut_off.unsent_bytes, "cut off: it did not end in time");
        transport.0.hub.count_cut_off(cut_off.unsent_bytes);
        transport.abort_connection();
        cut_off
    }
}

impl Port {
    /// The address the port listens on; if port 0 was requested, with the port the system chose. Twisted's `getHost`.
    pub fn host(&self) -> Address {
        self.0.intake.host.clone()
    }

    /// Stops accepting at once; the socket is closed in the reactor's next turn. Accepted connections go on. A datagram
    /// port receives and sends nothing more, and calls
    /// [`stop_protocol`](crate::datagram::DatagramProtocol::stop_protocol) when it is closed. Twisted's
    /// `stopListening`.
    ///
    /// Await the result, if needed, to know that the port is closed and can be bound again.
    pub fn stop_listening(&self) -> PortClosed {
        self.0.stopping.set(true);
        self.wake();
        PortClosed(Rc::clone(&self.0))
    }

    /// Accepts nothing from now on, until [`resume`](Self::resume): clients wait in the system's
    /// [backlog](crate::net::ListenOptions::backlog), and those beyond it see a port that does not answer. A datagram
    /// port delivers nothing, can still send, and the system drops what its buffer does not take. Accepted connections
    /// go on. Twisted's `pauseProducing` of a port.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::{Protocol, Transport};
    /// use reactor::testing::Simulation;
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// let sim = Simulation::new(0);
    /// let port = sim.host("server").listen_tcp(7, |transport| Echo { transport })?;
    /// port.pause(); // until a database is there again
    /// sim.host("client").connect_tcp("server:7", |transport| Echo { transport });
    /// sim.run_for(Duration::from_secs(1));
    /// assert_eq!(port.connection_count(), 0);
    /// port.resume();
    /// sim.run_for(Duration::from_secs(1));
    /// assert_eq!(port.connection_count(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pause(&self) {
        self.0.paused.set(true);
    }

    /// Accepts again after [`pause`](Self::pause), beginning with what has waited. Twisted's `resumeProducing` of a
    /// port.
    pub fn resume(&self) {
        if self.0.paused.replace(false) {
            self.wake();
        }
    }

    /// Whether it is [paused](Self::pause).
    pub fn is_paused(&self) -> bool {
        self.0.paused.get()
    }

    /// Whether it has not been asked to stop, and has not failed.
    pub fn is_listening(&self) -> bool {
        !self.0.stopping.get()
    }

    /// Whether it is for datagrams, and not for connections.
    pub fn is_for_datagrams(&self) -> bool {
        self.0.acceptor.borrow().is_none()
    }

    /// Resolves when the port has closed, whatever stopped it.
    pub fn finished(&self) -> PortClosed {
        PortClosed(Rc::clone(&self.0))
    }

    /// Stops accepting, asks each of its connections to [finish](crate::Transport::on_drain), and waits until the last
    /// has ended. Connections left when `deadline` has passed are aborted and returned. A datagram port is only closed.
    ///
    /// Connections are asked at once; the future must be awaited for the deadline to take effect.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use reactor::{Protocol, Reactor, Transport};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp(8007, |transport| Echo { transport })?;
    /// reactor.before_shutdown(async move || {
    ///     for cut in port.drain(Duration::from_secs(30)).await {
    ///         eprintln!("{}: {} bytes were not sent", cut.peer, cut.unsent_bytes);
    ///     }
    /// });
    /// reactor.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn drain(&self, deadline: Duration) -> impl Future<Output = Vec<CutOff>> + 'static + use<> {
        let closed = self.stop_listening();
        self.connections_alive().iter().for_each(Transport::drain);
        let port = self.clone();
        async move {
            let cut_off = port.deserted_within(deadline).await;
            closed.await;
            cut_off
        }
    }

    /// The number of live connections that the port has accepted; a datagram port has none.
    pub fn connection_count(&self) -> usize {
        self.0.intake.alive()
    }

    /// How many of these are not established yet: see [`AcceptLimits::pending`].
    pub fn pending_count(&self) -> usize {
        self.0.intake.pending_count()
    }

    /// How many of these one peer has.
    pub(crate) fn pending_of(&self, source: IpAddr) -> usize {
        self.0.intake.pending_of(source)
    }

    /// The number of clients that were turned away, by reason.
    pub fn refusals(&self) -> Refusals {
        self.0.refusals.get()
    }

    /// How many clients had to wait because they arrived faster than the [accept
    /// rate](AcceptLimits::rate), not counting those behind them in the system's backlog.
    pub fn accept_wait_count(&self) -> u64 {
        self.0.accept_wait_count.get()
    }

    pub(crate) fn new(host: Address) -> Self {
        Self(Rc::new(PortState {
            intake: Rc::new(Intake::new(host)),
            refusals: Cell::default(),
            accept_wait_count: Cell::new(0),
            stopping: Cell::new(false),
            paused: Cell::new(false),
            closed: Cell::new(false),
            listening: RefCell::new(None),
            waiting: Wakers::default(),
            draining: Wakers::default(),
            acceptor: RefCell::new(None),
        }))
    }

    /// Identifies its connections as its own.
    pub(crate) fn intake(&self) -> &Rc<Intake> {
        &self.0.intake
    }

    /// Whether the port was asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.0.stopping.get()
    }

    /// Sets the task to wake when the port is asked to stop.
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
        self.0.intake.add();
    }

    pub(crate) fn remove_connection(&self) {
        self.0.intake.remove();
        if self.0.intake.alive() == 0 {
            self.0.draining.wake_all();
        }
    }

    pub(crate) fn add_refused(&self, why: Refusal, clients: usize) {
        let mut refusals = self.refusals();
        *why.of(&mut refusals) += clients as u64;
        self.0.refusals.set(refusals);
    }

    pub(crate) fn add_accept_wait(&self) {
        self.0.accept_wait_count.set(self.0.accept_wait_count.get() + 1);
    }

    /// Sets what accepts its connections.
    pub(crate) fn set_acceptor(&self, acceptor: Weak<dyn Accepts>) {
        self.0.acceptor.replace(Some(acceptor));
    }

    /// The connections that can go on in another process, if they can at all.
    pub(crate) fn resumable_connections(&self) -> Vec<Transport> {
        self.acceptor()
            .filter(|acceptor| acceptor.is_resumable())
            .map_or_else(Vec::new, |acceptor| acceptor.connections())
    }

    /// Goes on with a connection of another process.
    pub(crate) fn resume_connection(&self, at_rest: AtRest) -> Option<Transport> {
        self.acceptor()?.resume(at_rest)
    }

    fn acceptor(&self) -> Option<Rc<dyn Accepts>> {
        self.0.acceptor.borrow().as_ref()?.upgrade()
    }

    fn connections_alive(&self) -> Vec<Transport> {
        self.acceptor().map_or_else(Vec::new, |acceptor| acceptor.connections())
    }

    /// Waits until no connection is left, and aborts those left at the deadline.
    /// How long its connections may take if they are asked to finish now: what is left of the reactor's time.
    #[cfg(feature = "service")]
    pub(crate) fn time_to_finish(&self) -> Duration {
        self.acceptor().map(|acceptor| acceptor.hub().time_to_finish()).unwrap_or_default()
    }

    async fn deserted_within(&self, deadline: Duration) -> Vec<CutOff> {
        let Some(acceptor) = self.acceptor() else { return Vec::new() };
        let mut over = Sleep::new(&acceptor.hub().timers, deadline);
        let deserted = poll_fn(|cx| match self.poll_deserted(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => Pin::new(&mut over).poll(cx).map(|()| false),
        });
        if deserted.await {
            return Vec::new();
        }
        let cut_off = self.connections_alive().iter().map(CutOff::abort).collect();
        poll_fn(|cx| self.poll_deserted(cx)).await;
        cut_off
    }

    fn poll_deserted(&self, cx: &Context<'_>) -> Poll<()> {
        if self.0.intake.alive() == 0 {
            return Poll::Ready(());
        }
        self.0.draining.add(cx.waker());
        Poll::Pending
    }

    /// Records that the socket is closed, and wakes those that wait for that.
    pub(crate) fn set_closed(&self) {
        self.0.stopping.set(true);
        self.0.closed.set(true);
        let task = self.0.listening.take();
        drop(task);
        self.0.waiting.wake_all();
    }

    pub(crate) fn has_closed(&self) -> bool {
        self.0.closed.get()
    }

    /// Whether it has closed, and so have its connections.
    pub(crate) fn is_over(&self) -> bool {
        self.has_closed() && self.connection_count() == 0
    }
}

/// Resolves when a port has closed, from [`Port::stop_listening`] or [`Port::finished`]. Dropping it changes nothing.
#[derive(Clone)]
pub struct PortClosed(Rc<PortState>);

impl Future for PortClosed {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.closed.get() {
            return Poll::Ready(());
        }
        self.0.waiting.add(cx.waker());
        Poll::Pending
    }
}

impl PartialEq for Port {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Port {}

impl Hash for Port {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("host", &self.0.intake.host)
            .field("connections", &self.0.intake.alive())
            .field("paused", &self.0.paused.get())
            .field("closed", &self.0.closed.get())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PortClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortClosed").field("closed", &self.0.closed.get()).finish()
    }
}
