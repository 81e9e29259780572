//! The event loop.

pub(crate) mod block_on;
pub(crate) mod budgets;
pub(crate) mod core;
pub(crate) mod inbox;
pub(crate) mod parts;
pub(crate) mod port_registry;
pub(crate) mod run;
pub(crate) mod standalone;
pub(crate) mod turn;

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, io};

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Handle, LocalOptions};

use crate::address::datagram::DatagramAddress;
use crate::address::target::ToTarget;
use crate::datagram::transport::DatagramTransport;
use crate::hub::buffers::ReadBuffer;
use crate::hub::{Budgets, Hub};
use crate::net::resolver::Resolver;
use crate::reactor::core::{Backend, Core, MemoryBackend, Phase, SimHost, StopAsked, TokioBackend, shutdown_hook};
use crate::reactor::port_registry::ReactorPorts;
use crate::reactor::turn::{run_drivers, timers_and_inbox};
use crate::time::clock::Clock;
use crate::time::delayed_call::DelayedCall;
use crate::time::panic_log::{log_panic, report_panic};
use crate::time::pulse;
use crate::time::timers::Action;
use crate::transport::Transport;
use crate::util::executor::Executor;
use crate::util::panics::catch_panic_async;
use crate::util::task_set::TaskSet;

/// An event loop on one thread.
///
/// It is a handle: cloning it is cheap, and every port, connector and connection knows its reactor. Each thread may
/// have a reactor of its own, with its own connections; [`run_on_threads`](crate::run_on_threads) makes several that
/// share their ports. Twisted's `reactor`, but a value, not a global.
///
/// ```
/// use reactor::{Protocol, Reactor, Transport};
///
/// struct Echo { transport: Transport }
///
/// impl Protocol for Echo {
///     fn data_received(&mut self, data: &[u8]) {
///         self.transport.write(data);
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:0", |transport| Echo { transport })?;
/// # reactor.stop();
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Reactor(pub(crate) Rc<Core>);

impl Reactor {
    /// Makes a reactor for this thread. Ports and connectors may be made before it runs.
    ///
    /// # Errors
    ///
    /// If this thread is inside a Tokio runtime, because a reactor runs one of its own and needs a thread of its own,
    /// or if the system has no descriptor left for the poller.
    pub fn new() -> io::Result<Self> {
        Self::within(Budgets::of_process(), ReactorPorts::alone())
    }

    /// Makes a reactor with these budgets and ports, which others may share.
    pub(crate) fn within(budgets: Budgets, ports: ReactorPorts) -> io::Result<Self> {
        if Handle::try_current().is_ok() {
            return Err(io::Error::other(INSIDE_A_RUNTIME));
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            // With the default of 61, tasks that wake themselves keep the poller, and so all connections, waiting.
            .event_interval(8)
            .on_thread_park(pulse::wait)
            .on_thread_unpark(pulse::go_on)
            .build_local(LocalOptions::default())?;
        let hub = Hub::within(budgets, Rc::new(Clock::system()), ReadBuffer::default());
        let drivers = Rc::new(TaskSet::default());
        let backend = TokioBackend { runtime: RefCell::new(Some(runtime)), drivers: Rc::downgrade(&drivers) };
        let reactor = Self(Core::new(hub, ports, Backend::Tokio(backend)));
        reactor.0.spawn_task(timers_and_inbox(Rc::downgrade(&reactor.0)));
        reactor.0.spawn_task(run_drivers(drivers, Rc::clone(&reactor.0.hub)));
        Ok(reactor)
    }

    /// Makes a reactor without sockets, whose clock only moves when it is advanced.
    pub(crate) fn in_memory(hub: Rc<Hub>, host: Option<SimHost>) -> Self {
        let backend = MemoryBackend { executor: Executor::new(), host, driven: Cell::new(0) };
        Self(Core::new(hub, ReactorPorts::alone(), Backend::Memory(backend)))
    }

    /// Calls `call` once, `delay` from now. Calls due at one instant are made in the order they were requested; a call
    /// requested by a timed call is made in a later turn, even with no delay. A panic in it is logged. Twisted's
    /// `callLater`.
    pub fn call_later(&self, delay: Duration, call: impl FnOnce() + 'static) -> DelayedCall {
        let timer = self.0.hub.timers.add(delay, Action::Run(Box::new(call)));
        DelayedCall::new(&self.0.hub.timers, timer)
    }

    /// The number of pending timed calls, including those of connections. Twisted's `getDelayedCalls`, counted.
    pub fn pending_call_count(&self) -> usize {
        self.0.hub.timers.len()
    }

    /// Runs a future on this thread, beside everything else. It is dropped when `run` ends. A panic in it is logged.
    ///
    /// For a future that must end with its connection, use [`Transport::defer`].
    pub fn spawn<F: Future<Output = ()> + 'static>(&self, future: F) {
        let caught = catch_panic_async(future).map(|result| {
            if let Err(message) = result {
                report_panic(&message, "a spawned future panicked");
            }
        });
        // The type's name tells where the future was written.
        self.0.spawn_task(pulse::observed_future(pulse::number_of(type_name::<F>()), caught));
    }

    /// Calls `call` when the reactor has started, or at once, from inside this function, if it already has. Twisted's
    /// `callWhenRunning`.
    pub fn call_when_running(&self, call: impl FnOnce() + 'static) {
        match self.0.phase.get() {
            Phase::New => self.0.starting.borrow_mut().push(Box::new(call)),
            Phase::Running | Phase::Stopping => {
                self.0.call_user(|| log_panic("function to call when running", call));
            }
            Phase::Stopped => {}
        }
    }

    /// Registers `hook` to be called when the reactor begins to stop, while connections and ports still work. The
    /// futures of all these hooks are awaited before anything is closed. Twisted's "before shutdown" trigger.
    pub fn before_shutdown(&self, hook: impl AsyncFnOnce() + 'static) {
        self.0.before_shutdown.borrow_mut().push(shutdown_hook(hook));
    }

    /// Registers `hook` to be called when the connections are gone: for what they use to their end, such as a queue that is
    /// still to be written. The futures of all these hooks are awaited, for what is left of the
    /// [deadline](Self::set_shutdown_deadline), or a fifth of a second; a second signal drops them. Twisted's "during
    /// shutdown" trigger.
    ///
    /// ```
    /// # async fn written(_lines: &str) {}
    /// let reactor = reactor::Reactor::new()?;
    /// reactor.during_shutdown(async || written("what the last connection has left").await);
    /// # reactor.stop();
    /// reactor.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn during_shutdown(&self, hook: impl AsyncFnOnce() + 'static) {
        self.0.during_shutdown.borrow_mut().push(shutdown_hook(hook));
    }

    /// Registers `hook` to be called when everything is closed, just before `run` returns. Twisted's "after shutdown"
    /// trigger.
    pub fn after_shutdown(&self, hook: impl FnOnce() + 'static) {
        self.0.after_shutdown.borrow_mut().push(Box::new(hook));
    }

    /// Sets how long connections may take, when the reactor stops, to finish and to send what was written (8 s by
    /// default). Those that take longer are aborted. The time begins with the stop and is one for all: services that stop
    /// [before the rest](Self::before_shutdown) use it, too, and what belongs to none has what they leave, or a fifth of a
    /// second. It also bounds how long the calls that a connection has
    /// [deferred](Transport::defer) may keep it open when its peer has [ended its stream](crate::OnEof::Close).
    pub fn set_shutdown_deadline(&self, deadline: Duration) {
        self.0.hub.shutdown_deadline.set(deadline);
    }

    /// Sets whether `run` stops in order on SIGINT and SIGTERM (on by default). Twisted's `installSignalHandlers`.
    pub fn set_signal_handling(&self, on: bool) {
        self.0.handles_signals.set(on);
    }

    /// Finds the addresses of a target as [`connect_tcp`](Self::connect_tcp) does: at least one, the best first. For
    /// code that sends datagrams.
    ///
    /// # Errors
    ///
    /// If the target is invalid, or its name cannot be resolved. The texts are those of
    /// [`ConnectError`](crate::ConnectError) without the target: `name not known`.
    pub fn resolve<T: ToTarget>(
        &self,
        target: T,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + 'static + use<T> {
        let (target, resolver) = (target.to_target(), self.0.resolver());
        async move { target.resolve(&*resolver).await }
    }

    /// Replaces the way names are resolved.
    pub fn set_resolver(&self, resolver: impl Resolver) {
        let old = self.0.set_resolver(Rc::new(resolver));
        drop(old);
    }

    /// Asks the reactor to stop in order; `run` returns when it has. The rest of the running callback, and calls that
    /// are due, still run. A second call while the reactor stops changes nothing. Twisted's `stop`.
    ///
    /// If called before `run`, `run` stops right after the start.
    pub fn stop(&self) {
        self.0.ask_to_stop(StopAsked::InOrder);
    }

    /// Whether the reactor is running or stopping. Twisted's `running`.
    pub fn is_running(&self) -> bool {
        matches!(self.0.phase.get(), Phase::Running | Phase::Stopping)
    }

    /// The time by the reactor's clock, which drives the timers; it never goes back. Twisted's `seconds`.
    pub fn now(&self) -> Instant {
        self.0.hub.timers.now()
    }

    /// The time of day by the reactor's clock, which may be set at any time.
    pub fn time_of_day(&self) -> SystemTime {
        self.0.hub.clock.time_of_day()
    }

    /// A random number; in a test, from the reactor's seed. Not for secrets.
    pub fn random(&self) -> u64 {
        self.0.hub.clock.random()
    }

    /// The number of this reactor among those that run as one: 0 for the first, and for one that runs by itself. What is to
    /// be done once for a program, and not once a thread, is done where this is 0.
    ///
    /// ```
    /// use reactor::run_on_threads;
    /// use reactor::Reactor;
    ///
    /// assert_eq!(Reactor::new()?.thread_number(), 0);
    /// run_on_threads(2, |reactor| {
    ///     if reactor.thread_number() == 0 {
    ///         println!("this is told once");
    ///     }
    ///     # reactor.stop();
    ///     Ok(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_number(&self) -> usize {
        self.0.shared_ports.number
    }

    /// Whether this is a reactor of the [testing kit](crate::testing), which is only reproducible if nothing runs beside it:
    /// what has threads of its own elsewhere has tasks of this reactor here, and waits by its clock.
    ///
    /// ```
    /// use reactor::Reactor;
    /// use reactor::testing::Simulation;
    ///
    /// assert!(Simulation::new(0).host("server").is_in_memory());
    /// assert!(!Reactor::new()?.is_in_memory());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_in_memory(&self) -> bool {
        matches!(self.0.backend, Backend::Memory(_))
    }

    /// The number of live connections.
    pub fn connection_count(&self) -> usize {
        self.0.roster.len()
    }

    fn of(hub: &Hub) -> Option<Self> {
        let core = hub.reactor.get()?.upgrade()?;
        core.downcast().ok().map(Self)
    }
}

impl Transport {
    /// The reactor that the connection belongs to.
    ///
    /// # Panics
    ///
    /// If the reactor is gone. All other methods of a stale handle are harmless.
    pub fn reactor(&self) -> Reactor {
        self.try_reactor().expect(REACTOR_GONE)
    }

    pub(crate) fn try_reactor(&self) -> Option<Reactor> {
        Reactor::of(&self.0.hub)
    }
}

impl<A: DatagramAddress> DatagramTransport<A> {
    /// The reactor that the port belongs to.
    ///
    /// # Panics
    ///
    /// If the reactor is gone. All other methods of a stale handle are harmless.
    pub fn reactor(&self) -> Reactor {
        Reactor::of(&self.0.hub).expect(REACTOR_GONE)
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("phase", &self.0.phase.get())
            .field("connections", &self.connection_count())
            .finish_non_exhaustive()
    }
}

pub(crate) const INSIDE_A_RUNTIME: &str =
    "a reactor cannot run inside a Tokio runtime; give it a thread of its own (std::thread::spawn)";

pub(crate) const REACTOR_GONE: &str = "the reactor that this handle belongs to is gone";
