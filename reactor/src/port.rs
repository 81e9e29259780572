use std::cell::Cell;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::rc::Weak;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;
use std::time::Instant;

use crate::address::Address;
use crate::driver;
use crate::driver::Keeper;
use crate::driver::Started;
use crate::factory::FactoryCell;
use crate::hub::Hub;
use crate::options::LingerLimits;
use crate::options::ListenOptions;
use crate::reactor::Core;
use crate::reason::CloseReason;
use crate::stream::Accepted;
use crate::stream::Listener;
use crate::stream::Stream;
use crate::timers::Sleep;

/// A listening port, from [`Reactor::listen_tcp`](crate::Reactor::listen_tcp). Twisted's `IListeningPort`.
///
/// It is a handle: cloning it is cheap, and dropping it changes nothing.
#[derive(Clone)]
pub struct Port(Rc<PortState>);

pub(crate) struct PortState {
    core: Weak<Core>,
    hub: Rc<Hub>,
    host: Address,
    factory: FactoryCell,
    options: ListenOptions,
    /// Its connections that are alive.
    alive: Cell<usize>,
    refused: Cell<u64>,
    stopping: Cell<bool>,
    closed: Cell<bool>,
    /// Of the task that accepts, and of those who wait for it to stop.
    wakers: RefCell<Vec<Waker>>,
    accepting: RefCell<Option<Waker>>,
    log: LogLimit,
}

impl Port {
    /// The address it listens on; where port 0 was asked for, with the port the system chose. Twisted's `getHost`.
    pub fn host(&self) -> Address {
        self.0.host.clone()
    }

    /// Stops accepting, at once; the socket is closed in the reactor's next turn. Connections that were accepted go
    /// on (Twisted's `stopListening`).
    ///
    /// What it returns can be awaited: then the port is closed, and can be bound again. It need not be.
    pub fn stop_listening(&self) -> PortClosed {
        self.0.stopping.set(true);
        let waker = self.0.accepting.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
        PortClosed(Rc::clone(&self.0))
    }

    /// How many of the connections it has accepted are alive.
    pub fn connections(&self) -> usize {
        self.0.alive.get()
    }

    /// How many clients were closed as soon as they were accepted, because the process had no descriptor left or the
    /// port as many connections as [`ListenOptions::max_connections`] allows.
    pub fn refused(&self) -> u64 {
        self.0.refused.get()
    }

    pub(crate) fn start<L: Listener>(
        core: &Rc<Core>,
        listener: L,
        options: ListenOptions,
        factory: FactoryCell,
    ) -> Self {
        let state = Rc::new(PortState {
            core: Rc::downgrade(core),
            hub: Rc::clone(&core.hub),
            host: listener.host(),
            factory,
            options,
            alive: Cell::new(0),
            refused: Cell::new(0),
            stopping: Cell::new(false),
            closed: Cell::new(false),
            wakers: RefCell::default(),
            accepting: RefCell::new(None),
            log: LogLimit::default(),
        });
        state.factory.start();
        core.spawn_task(accept(listener, Rc::clone(&state)));
        Self(state)
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
        self.0.wakers.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }
}

/// Accepts until the port is stopped. Dropped before that, it stops the factory all the same.
async fn accept<L: Listener>(mut listener: L, port: Rc<PortState>) {
    let closing = Closing(port);
    let port = &closing.0;
    let mut batch = 0;
    loop {
        let next = poll_fn(|cx| port.poll_accept(&mut listener, cx)).await;
        match next {
            None => break,
            Some(Ok(accepted)) => port.accepted(accepted),
            Some(Err(error)) => match Trouble::from(&error) {
                Trouble::OfOneClient => {}
                Trouble::NoDescriptor => match listener.turn_away() {
                    0 => port.pause("cannot accept, and have no descriptor in reserve", &error).await,
                    clients => port.refuse(clients, "no descriptor is left: a client was turned away"),
                },
                Trouble::Ours => port.pause("cannot accept", &error).await,
            },
        }
        batch += 1;
        if batch == ACCEPTED_AT_ONCE {
            batch = 0;
            yield_now().await;
        }
    }
    drop(listener);
}

/// What an error of `accept` means for those who wait behind it.
enum Trouble {
    /// This client is gone, or a firewall does not let it in.
    OfOneClient,
    /// The process or the system has no descriptor left.
    NoDescriptor,
    /// Memory, or something unknown.
    Ours,
}

impl From<&io::Error> for Trouble {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted => return Self::OfOneClient,
            _ => {}
        }
        match error.raw_os_error() {
            Some(libc::EMFILE) => Self::NoDescriptor,
            Some(libc::EPROTO) => Self::OfOneClient,
            _ => Self::Ours,
        }
    }
}

impl PortState {
    /// The next client; `None` when the port is to stop.
    fn poll_accept<L: Listener>(
        &self,
        listener: &mut L,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Accepted<L::Stream>>>> {
        if self.stopping.get() {
            return Poll::Ready(None);
        }
        let accepted = listener.poll_accept(cx);
        if accepted.is_pending() {
            self.accepting.replace(Some(cx.waker().clone()));
        }
        accepted.map(Some)
    }

    fn accepted<S: Stream>(self: &Rc<Self>, accepted: Accepted<S>) {
        let Some(core) = self.core.upgrade() else { return };
        if self.alive.get() >= self.options.max_connections {
            self.refuse(1, "as many connections as allowed: a client was turned away");
            return;
        }
        let keeper = Rc::clone(self) as Rc<dyn Keeper>;
        match driver::start(&self.hub, accepted, self.options.socket.output_limit, &self.factory, keeper) {
            Started::Running(_, task) => {
                self.alive.set(self.alive.get() + 1);
                core.spawn_task(task);
            }
            Started::Refused | Started::Panicked(_) => {}
        }
    }

    fn refuse(&self, clients: usize, why: &str) {
        self.refused.set(self.refused.get() + clients as u64);
        if self.log.allows(self.hub.timers.now()) {
            tracing::warn!(port = %self.host, refused = self.refused.get(), "{why}");
        }
    }

    /// Waits before the next try: the trouble is unlikely to be over at once.
    async fn pause(&self, what: &str, error: &io::Error) {
        if self.log.allows(self.hub.timers.now()) {
            tracing::warn!(port = %self.host, %error, "{what}");
        }
        let mut sleep = Sleep::new(&self.hub.timers, PAUSE);
        poll_fn(|cx| {
            if self.stopping.get() {
                return Poll::Ready(());
            }
            self.accepting.replace(Some(cx.waker().clone()));
            Pin::new(&mut sleep).poll(cx)
        })
        .await;
    }
}

impl Keeper for PortState {
    fn connection_lost(&self, _reason: &CloseReason) {
        self.alive.set(self.alive.get() - 1);
    }

    fn linger_limits(&self) -> LingerLimits {
        self.options.socket.linger
    }
}

struct Closing(Rc<PortState>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.factory.discard();
        self.0.stopping.set(true);
        self.0.closed.set(true);
        let wakers = self.0.wakers.take();
        wakers.into_iter().for_each(Waker::wake);
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

/// Lets one line through in a while: what goes wrong for each of a thousand clients is said once.
#[derive(Default)]
struct LogLimit(Cell<Option<Instant>>);

impl LogLimit {
    fn allows(&self, now: Instant) -> bool {
        let allowed = self.0.get().is_none_or(|last| now.saturating_duration_since(last) >= LOG_INTERVAL);
        if allowed {
            self.0.set(Some(now));
        }
        allowed
    }
}

pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Clients accepted before the connections have their turn.
const ACCEPTED_AT_ONCE: u32 = 64;

/// Until accepting is tried again after an error that is not a client's.
const PAUSE: Duration = Duration::from_millis(200);

const LOG_INTERVAL: Duration = Duration::from_secs(5);
