use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn, ready};
use std::hash::{Hash, Hasher};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use std::{fmt, io};

use futures_util::FutureExt as _;
use futures_util::future::{Either, LocalBoxFuture, select};

use crate::connect::backoff::Backoff;
use crate::connect::destination::Destination;
use crate::connect::error::{ConnectError, ConnectErrorKind};
use crate::connection::factory::FactoryCell;
use crate::driver;
use crate::driver::Started;
use crate::driver::keeper::Keeper;
use crate::driver::linger::LingerLimits;
use crate::driver::stream::{Accepted, Stream};
use crate::hub::Hub;
use crate::reactor::core::{Core, Outgoing};
use crate::reactor::{REACTOR_GONE, Reactor};
use crate::time::delayed_call::DelayedCall;
use crate::time::panic_log::log_panic;
use crate::time::timers::Sleep;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::util::wakers::Wakers;

/// An outgoing connection that can be made again, returned by [`Reactor::connect_tcp`](crate::Reactor::connect_tcp) and
/// [`connect_unix`](crate::Reactor::connect_unix). Twisted's `IConnector`, with hooks in place of the client factory's
/// callbacks.
///
/// It is a handle: cloning it is cheap, dropping it changes nothing, and two are equal if they belong to the same
/// connector. No callback or hook is called before `connect_tcp` or `connect_unix` has returned.
///
/// A connection whose layer waits for a handshake, such as that of a web socket, is an attempt still: it fails if the
/// connection ends before it is [established](Transport::mark_pending).
///
/// After a failed attempt, the hook of [`on_failed`](Self::on_failed) is called; after a connection has ended,
/// following the protocol's `connection_lost`, that of [`on_lost`](Self::on_lost). Both may call
/// [`connect`](Self::connect), or leave that to [`retry`](Self::retry):
///
/// ```no_run
/// use reactor::{Protocol, Reactor, Transport};
/// use reactor::connect::Backoff;
/// # struct Client { transport: Transport }
/// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
///
/// let reactor = Reactor::new()?;
/// reactor
///     .connect_tcp("localhost:21567", |transport| Client { transport })
///     .retry(Backoff::new())
///     .on_failed(|_connector, error| eprintln!("{error}; trying again"))
///     .on_lost(|connector, _reason| connector.reactor().stop());
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Connector(pub(crate) Rc<ConnectorCell>);

pub(crate) struct ConnectorCell {
    /// A reference to itself.
    me: Weak<Self>,
    pub(crate) core: Weak<Core>,
    hub: Rc<Hub>,
    destination: Destination,
    factory: FactoryCell,
    pub(crate) state: Cell<ConnectorState>,
    transport: RefCell<Option<Transport>>,
    on_failed: Hook<ConnectError>,
    on_lost: Hook<CloseReason>,
    pub(crate) retry: Retry,
    /// How the last attempt or connection ended; `None` while one is under way.
    pub(super) outcome: RefCell<Option<Outcome>>,
    /// The number of futures that wait for the outcome, and their wakers.
    pub(super) waiting: Cell<usize>,
    pub(super) wakers: Wakers,
    /// The attempt under way is to end, and no other follows automatically.
    pub(crate) given_up: Cell<bool>,
    /// The waker of the attempt under way.
    attempt: RefCell<Option<Waker>>,
    /// Why the attempt under way was ended while a layer was waiting.
    cut_short: RefCell<Option<ConnectErrorKind>>,
}

/// What a connector keeps for trying again.
#[derive(Default)]
pub(crate) struct Retry {
    /// `None` if it does not try again.
    pub(super) backoff: RefCell<Option<Box<Backoff>>>,
    /// The call that begins the next attempt.
    pub(super) call: RefCell<Option<DelayedCall>>,
    pub(super) failures: Cell<u32>,
}

impl Retry {
    pub(super) fn next_delay(&self, reactor: &Reactor) -> Option<Duration> {
        self.backoff.borrow_mut().as_mut()?.next_delay(reactor)
    }
}

pub(crate) type Outcome = Result<CloseReason, ConnectError>;
type Hook<T> = RefCell<Option<Box<dyn FnMut(&Connector, T)>>>;

/// What a [`Connector`] is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectorState {
    /// Nothing; [`Connector::connect`] starts again.
    Disconnected,
    /// Waiting out the delay before the next attempt: see [`Connector::retry`].
    Waiting,
    /// Resolving the name or connecting, or a layer waits for its handshake: see
    /// [`Transport::mark_pending`](crate::Transport::mark_pending).
    Connecting,
    /// There is a connection, from just before its protocol is built (behind a handshake, from just after) until it has
    /// ended.
    Connected,
}

impl Connector {
    /// Sets what to do when an attempt has failed, replacing any earlier hook. Twisted's `clientConnectionFailed`.
    /// Returns the handle for chaining.
    pub fn on_failed(&self, hook: impl FnMut(&Self, ConnectError) + 'static) -> Self {
        let old = self.0.on_failed.replace(Some(Box::new(hook)));
        drop(old);
        self.clone()
    }

    /// Sets what to do when a connection has ended, replacing any earlier hook. Twisted's `clientConnectionLost`.
    /// Returns the handle for chaining.
    pub fn on_lost(&self, hook: impl FnMut(&Self, CloseReason) + 'static) -> Self {
        let old = self.0.on_lost.replace(Some(Box::new(hook)));
        drop(old);
        self.clone()
    }

    /// Begins another attempt. Does nothing unless the state is [`Disconnected`](ConnectorState::Disconnected) or
    /// [`Waiting`](ConnectorState::Waiting). While the reactor is shutting down no attempt is made:
    /// [`finished`](Self::finished) resolves with [`ConnectErrorKind::Cancelled`], and no hook is called.
    pub fn connect(&self) {
        let Some(core) = self.0.core.upgrade() else { return };
        if !matches!(self.0.state.get(), ConnectorState::Disconnected | ConnectorState::Waiting) {
            return;
        }
        self.stop_waiting();
        if core.is_stopping() {
            self.over(Err(self.error(ConnectErrorKind::Cancelled, None)));
            return;
        }
        self.0.state.set(ConnectorState::Connecting);
        self.0.given_up.set(false);
        self.0.outcome.replace(None);
        self.0.factory.start();
        core.start_attempt(self.clone());
    }

    /// Ends a wait, gives up an attempt, which fails with [`ConnectErrorKind::Cancelled`], or closes the connection as
    /// [`Transport::lose_connection`] does. No further attempt is made. Hooks are called later, not from inside this
    /// method.
    pub fn disconnect(&self) {
        self.stop_trying();
        if let Some(transport) = self.transport() {
            transport.lose_connection();
        }
    }

    /// What the connector is doing.
    pub fn state(&self) -> ConnectorState {
        match self.0.state.get() {
            ConnectorState::Connected if self.is_pending() => ConnectorState::Connecting,
            state => state,
        }
    }

    /// The transport of the connection's protocol, while there is one: that of the protocol inside all layers. `None`
    /// while the state is [`Connecting`](ConnectorState::Connecting).
    pub fn transport(&self) -> Option<Transport> {
        self.0.transport.borrow().as_ref().filter(|transport| !transport.is_pending()).map(Transport::innermost)
    }

    fn is_pending(&self) -> bool {
        self.0.transport.borrow().as_ref().is_some_and(Transport::is_pending)
    }

    /// The reactor that the connector belongs to.
    ///
    /// # Panics
    ///
    /// If the reactor is gone.
    pub fn reactor(&self) -> Reactor {
        Reactor(self.0.core.upgrade().expect(REACTOR_GONE))
    }

    pub(crate) fn new(core: &Rc<Core>, destination: Destination, factory: FactoryCell) -> Self {
        Self(Rc::new_cyclic(|me| ConnectorCell {
            me: me.clone(),
            core: Rc::downgrade(core),
            hub: Rc::clone(&core.hub),
            destination,
            factory,
            state: Cell::new(ConnectorState::Disconnected),
            transport: RefCell::new(None),
            on_failed: Hook::default(),
            on_lost: Hook::default(),
            retry: Retry::default(),
            outcome: RefCell::new(None),
            waiting: Cell::new(0),
            wakers: Wakers::default(),
            given_up: Cell::new(false),
            attempt: RefCell::new(None),
            cut_short: RefCell::new(None),
        }))
    }

    pub(crate) fn downgrade(&self) -> Weak<dyn Outgoing> {
        Rc::downgrade(&self.0) as _
    }

    pub(crate) fn destination(&self) -> &Destination {
        &self.0.destination
    }

    /// One attempt: waits for the stream that `connect` makes, starts the connection, and waits for its layers.
    pub(crate) async fn attempt<S: Stream>(self, connect: LocalBoxFuture<'_, Result<Accepted<S>, ConnectError>>) {
        let began = self.0.hub.timers.now();
        // The timer of the deadline is gone before the protocol is built; a handshake has what is left of its time.
        let connected = match select(pin!(self.given_up(began)), connect).await {
            Either::Left((kind, _)) => Err(self.error(kind, None)),
            Either::Right((connected, _)) => connected,
        };
        let transport = match connected {
            Ok(stream) => self.begin(stream),
            Err(error) => return self.failed(error),
        };
        let Some(transport) = transport else { return };
        // In this order: what has ended already is not cut short.
        match select(pin!(transport.established()), pin!(self.given_up(began))).await {
            Either::Left((true, _)) => self.succeeded(),
            // Its keeper hears of its end.
            Either::Left((false, _)) => {}
            Either::Right((kind, _)) => {
                self.0.cut_short.replace(Some(kind));
                transport.abort_connection();
            }
        }
    }

    /// Resolves with the reason when the attempt, which has begun at this time, is to end without success.
    async fn given_up(&self, began: Instant) -> ConnectErrorKind {
        let timers = &self.0.hub.timers;
        let elapsed = timers.now().saturating_duration_since(began);
        let deadline = self.0.destination.deadline();
        let mut deadline = deadline.map(|deadline| (deadline, Sleep::new(timers, deadline.saturating_sub(elapsed))));
        poll_fn(|cx| {
            if self.0.given_up.get() {
                return Poll::Ready(ConnectErrorKind::Cancelled);
            }
            self.0.attempt.replace(Some(cx.waker().clone()));
            match &mut deadline {
                Some((deadline, sleep)) => Pin::new(sleep).poll(cx).map(|()| ConnectErrorKind::Deadline(*deadline)),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn error(&self, kind: ConnectErrorKind, cause: Option<io::Error>) -> ConnectError {
        ConnectError::new(self.0.destination.to_string(), kind, cause)
    }

    /// Starts the connection; returns its transport if a layer waits for a handshake.
    fn begin<S: Stream>(&self, stream: Accepted<S>) -> Option<Transport> {
        let core = self.0.core.upgrade()?;
        self.0.state.set(ConnectorState::Connected);
        let keeper = Rc::clone(&self.0) as Rc<dyn Keeper>;
        let limit = self.0.destination.connection_options().output_limit;
        match driver::start(&core.roster, stream, limit, &self.0.factory, keeper) {
            Started::Running(transport, task) => {
                core.spawn_driver(task);
                if transport.is_pending() {
                    return Some(transport);
                }
                self.succeeded();
            }
            // Connected and closed at once, as in Twisted.
            Started::Refused => self.lost(&CloseReason::Done),
            Started::Panicked(message) => self.failed(self.error(ConnectErrorKind::Panicked(message), None)),
        }
        None
    }

    fn succeeded(&self) {
        self.reset_delay();
        self.0.wakers.wake_all();
    }

    fn lost(&self, reason: &CloseReason) {
        self.0.state.set(ConnectorState::Disconnected);
        self.0.transport.take();
        self.call(&self.0.on_lost, reason.clone());
        self.over(Ok(reason.clone()));
    }

    fn failed(&self, error: ConnectError) {
        self.0.state.set(ConnectorState::Disconnected);
        self.0.transport.take();
        self.count_failure();
        let hooked = self.call(&self.0.on_failed, error.clone());
        self.over(Err(error.clone()));
        let is_over = self.0.state.get() == ConnectorState::Disconnected;
        if is_over && !hooked && self.0.waiting.get() == 0 {
            tracing::warn!("{error}");
        }
    }

    /// Ends the attempt under way, if there is one; no other follows automatically.
    pub(crate) fn give_up_attempt(&self) {
        self.0.given_up.set(true);
        let waker = self.0.attempt.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Calls a hook, which is taken out of its place meanwhile: it may set another.
    fn call<T>(&self, place: &Hook<T>, argument: T) -> bool {
        let Some(mut hook) = place.take() else { return false };
        log_panic("connector's hook", || hook(self, argument));
        let set_meanwhile = place.borrow().is_some();
        if !set_meanwhile {
            place.replace(Some(hook));
        }
        true
    }

    /// Called when the hook has returned: unless it connected again, waits for the next attempt, or ends.
    fn over(&self, outcome: Outcome) {
        if self.0.state.get() == ConnectorState::Disconnected {
            let waits = self.wait(&outcome);
            self.0.outcome.replace(Some(outcome));
            // User code, which may connect again.
            self.0.factory.stop();
            if !waits {
                self.tell_end();
            }
        }
    }

    pub(crate) fn tell_end(&self) {
        self.0.wakers.wake_all();
    }
}

impl Outgoing for ConnectorCell {
    fn is_active(&self) -> bool {
        self.state.get() != ConnectorState::Disconnected
    }

    fn stop_trying(&self) {
        if let Some(connector) = self.me.upgrade().map(Connector) {
            connector.stop_trying();
        }
    }

    fn finished(&self) -> LocalBoxFuture<'static, ()> {
        match self.me.upgrade().map(Connector) {
            Some(connector) => connector.finished().map(drop).boxed_local(),
            None => ready(()).boxed_local(),
        }
    }

    /// The hooks and the factory may own this same connector.
    fn discard(&self) {
        let hooks = (self.on_failed.take(), self.on_lost.take());
        log_panic("drop of a connector's hook", || drop(hooks));
        self.factory.discard();
    }
}

impl Keeper for ConnectorCell {
    fn connection_begins(&self, transport: &Transport) {
        self.transport.replace(Some(transport.clone()));
    }

    fn connection_lost(&self, reason: &CloseReason) {
        let Some(connector) = self.me.upgrade().map(Connector) else { return };
        let cut_short = self.cut_short.take();
        if connector.is_pending() {
            connector.failed(match cut_short {
                Some(kind) => connector.error(kind, None),
                None => ConnectError::unestablished(self.destination.to_string(), reason.clone()),
            });
        } else {
            // The attempt may not have heard yet that the connection was established.
            connector.reset_delay();
            connector.lost(reason);
        }
    }

    fn linger_limits(&self) -> LingerLimits {
        self.destination.connection_options().linger
    }
}

/// Gives the attempt up when dropped, because nothing waits for it any more; an established connection goes on.
pub(crate) struct AttemptGuard(pub(crate) Connector);

impl AttemptGuard {
    /// The error if the reactor ended first.
    pub(crate) fn cancelled(&self) -> ConnectError {
        self.0.error(ConnectErrorKind::Cancelled, None)
    }
}

impl Drop for AttemptGuard {
    fn drop(&mut self) {
        if self.0.state() == ConnectorState::Connecting {
            self.0.disconnect();
        }
    }
}

impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Connector {}

impl Hash for Connector {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Rc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("target", &self.0.destination.to_string())
            .field("state", &self.0.state.get())
            .finish_non_exhaustive()
    }
}
