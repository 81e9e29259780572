//! The parts of a reactor.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::io;
use std::rc::{Rc, Weak};

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::runtime::LocalRuntime;

use crate::driver::task::DriverTask;
use crate::hub::Hub;
use crate::net::resolver::Resolver;
use crate::net::system_resolver::SystemResolver;
use crate::port::Port;
use crate::reactor::inbox::Inbox;
use crate::reactor::parts::Parts;
use crate::reactor::port_registry::ReactorPorts;
use crate::simnet::{HostId, Network};
use crate::time::panic_log::log_panic;
use crate::transport::roster::Roster;
use crate::util::executor::Executor;
use crate::util::panic_watch::pass_on_panics;
use crate::util::task_set::TaskSet;
use crate::util::thread_pool::ThreadPool;
use crate::util::wakers::Wakers;

/// Shared by the handles of a reactor.
pub(crate) struct Core {
    pub(crate) hub: Rc<Hub>,
    pub(crate) roster: Rc<Roster>,
    pub(crate) backend: Backend,
    pub(crate) phase: Cell<Phase>,
    pub(crate) stop_asked: Cell<StopAsked>,
    /// Woken when it is asked to stop.
    pub(crate) stop_wakers: Wakers,
    pub(crate) starting: RefCell<Vec<Box<dyn FnOnce()>>>,
    pub(crate) before_shutdown: RefCell<Vec<ShutdownHook>>,
    pub(crate) during_shutdown: RefCell<Vec<ShutdownHook>>,
    pub(crate) after_shutdown: RefCell<Vec<Box<dyn FnOnce()>>>,
    pub(crate) handles_signals: Cell<bool>,
    pub(crate) inbox: Inbox<Rc<Self>>,
    /// The sockets of ports, which several reactors may share.
    pub(crate) shared_ports: ReactorPorts,
    pub(crate) ports: RefCell<Vec<Port>>,
    attempts: RefCell<Vec<Weak<dyn Outgoing>>>,
    resolver: RefCell<Option<Rc<dyn Resolver>>>,
    pub(crate) pool: OnceCell<ThreadPool>,
    /// What later folders keep here.
    pub(crate) parts: Parts,
}

pub(crate) type ShutdownHook = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()>>;

pub(crate) fn shutdown_hook(hook: impl AsyncFnOnce() + 'static) -> ShutdownHook {
    Box::new(move || async move { hook().await }.boxed_local())
}

/// What carries out the reactor's work: sockets on Tokio, or memory only.
pub(crate) enum Backend {
    Tokio(TokioBackend),
    Memory(MemoryBackend),
}

pub(crate) struct TokioBackend {
    /// `None` once it runs: then the runtime is on the stack, and its context is the current one.
    pub(crate) runtime: RefCell<Option<LocalRuntime>>,
    /// All connections and datagram ports. A task of the runtime owns them, so that they go with the runtime.
    pub(crate) drivers: Weak<TaskSet<DriverTask>>,
}

pub(crate) struct MemoryBackend {
    pub(crate) executor: Executor,
    /// The host that this reactor belongs to; `None` for connections that a test drives by hand.
    pub(crate) host: Option<SimHost>,
    /// The number of these that the test still holds.
    pub(crate) driven: Cell<usize>,
}

/// A place in a simulated network.
#[derive(Clone)]
pub(crate) struct SimHost {
    pub(crate) network: Rc<Network>,
    pub(crate) id: HostId,
    pub(crate) world: Weak<dyn SimWorld>,
}

/// The simulation that a host is part of.
pub(crate) trait SimWorld {
    /// Lets the next event happen; false if there is none.
    fn step(&self) -> bool;

    /// Whether a step is running, and this is a callback.
    fn is_stepping(&self) -> bool;

    /// The reactor of the host with this name, which is created if needed.
    fn host(&self, name: &str) -> Rc<Core>;
}

/// How urgently a reactor was asked to stop.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopAsked {
    No,
    InOrder,
    /// Without waiting for anything.
    AtOnce,
}

/// Makes a connection, and makes it again.
pub(crate) trait Outgoing {
    /// Whether it is connecting, connected, or about to be.
    fn is_active(&self) -> bool;
    fn stop_trying(&self);
    /// Resolves when it is no longer active.
    fn finished(&self) -> LocalBoxFuture<'static, ()>;
    /// Drops the user code it owns; it begins nothing any more.
    fn discard(&self);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    New,
    Running,
    Stopping,
    Stopped,
}

impl Core {
    pub(crate) fn new(hub: Rc<Hub>, shared_ports: ReactorPorts, backend: Backend) -> Rc<Self> {
        let core = Rc::new(Self {
            roster: Roster::new(Rc::clone(&hub)),
            hub,
            backend,
            phase: Cell::new(Phase::New),
            stop_asked: Cell::new(StopAsked::No),
            stop_wakers: Wakers::default(),
            starting: RefCell::default(),
            before_shutdown: RefCell::default(),
            during_shutdown: RefCell::default(),
            after_shutdown: RefCell::default(),
            handles_signals: Cell::new(true),
            inbox: Inbox::new(),
            shared_ports,
            ports: RefCell::default(),
            attempts: RefCell::default(),
            resolver: RefCell::new(None),
            pool: OnceCell::new(),
            parts: Parts::default(),
        });
        let weak: Weak<dyn Any> = Rc::<Self>::downgrade(&core);
        let _ = core.hub.reactor.set(weak);
        core
    }

    /// Ends the reactor without calling anything back.
    pub(crate) fn power_off(&self) {
        self.phase.set(Phase::Stopped);
        self.inbox.close();
        self.clear();
    }

    /// Spawns one of the reactor's own tasks; none of them lets a user's panic out. It is boxed: a task of a type of
    /// its own would have Tokio's task compiled once more.
    pub(crate) fn spawn_task(&self, task: impl Future<Output = ()> + 'static) {
        let task: LocalBoxFuture<'static, ()> = Box::pin(task);
        match &self.backend {
            Backend::Tokio(tokio) => self.spawn_on_tokio(&tokio.runtime, task),
            Backend::Memory(memory) => memory.executor.spawn(task),
        }
    }

    /// As [`spawn_task`](Self::spawn_task), for the tasks that there may be a million of.
    pub(crate) fn spawn_driver(&self, task: DriverTask) {
        match &self.backend {
            Backend::Tokio(tokio) => {
                if let Some(drivers) = tokio.drivers.upgrade() {
                    drivers.spawn(task);
                }
            }
            Backend::Memory(memory) => memory.executor.spawn(Box::pin(task)),
        }
    }

    fn spawn_on_tokio(&self, runtime: &RefCell<Option<LocalRuntime>>, task: LocalBoxFuture<'static, ()>) {
        match &*runtime.borrow() {
            Some(runtime) => drop(runtime.spawn_local(task)),
            None if self.phase.get() != Phase::Stopped => drop(tokio::task::spawn_local(task)),
            None => {}
        }
    }

    pub(crate) fn add_attempt(&self, attempt: Weak<dyn Outgoing>) {
        let mut attempts = self.attempts.borrow_mut();
        if attempts.len() == attempts.capacity() {
            attempts.retain(|attempt| attempt.strong_count() > 0);
        }
        attempts.push(attempt);
    }

    /// The previous resolver.
    pub(crate) fn set_resolver(&self, resolver: Rc<dyn Resolver>) -> Option<Rc<dyn Resolver>> {
        self.resolver.replace(Some(resolver))
    }

    pub(crate) fn resolver(&self) -> Rc<dyn Resolver> {
        Rc::clone(self.resolver.borrow_mut().get_or_insert_with(|| match self.simulated() {
            Some(host) => Rc::clone(&host.network) as _,
            None => Rc::new(SystemResolver::new()),
        }))
    }

    /// Makes a call of user code at once, for a caller that may be a test.
    pub(crate) fn call_user<R>(&self, call: impl FnOnce() -> R) -> R {
        match &self.backend {
            Backend::Tokio(_) => call(),
            Backend::Memory(_) => pass_on_panics(call),
        }
    }

    /// Its place in a simulated network, if it has one.
    pub(crate) fn simulated(&self) -> Option<&SimHost> {
        match &self.backend {
            Backend::Memory(memory) => memory.host.as_ref(),
            Backend::Tokio(_) => None,
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.phase.get(), Phase::Stopping | Phase::Stopped)
    }

    pub(crate) fn ask_to_stop(&self, urgency: StopAsked) {
        if self.stop_asked.get() < urgency {
            self.stop_asked.set(urgency);
            self.stop_wakers.wake_all();
        }
    }

    /// The ports that still listen.
    pub(crate) fn ports(&self) -> Vec<Port> {
        self.ports.borrow().iter().filter(|port| !port.has_closed()).cloned().collect()
    }

    /// The active ones.
    pub(crate) fn attempts(&self) -> Vec<Rc<dyn Outgoing>> {
        let attempts: Vec<_> = self.attempts.borrow().iter().filter_map(Weak::upgrade).collect();
        attempts.into_iter().filter(|attempt| attempt.is_active()).collect()
    }

    /// Drops everything that was made with this reactor, including user code.
    pub(crate) fn clear(&self) {
        let hooks = (
            self.starting.take(),
            self.before_shutdown.take(),
            self.during_shutdown.take(),
            self.after_shutdown.take(),
        );
        let ports = self.ports.take();
        self.shared_ports.clear();
        log_panic("drop", || drop((hooks, ports)));
        let attempts = self.attempts.take();
        attempts.iter().filter_map(Weak::upgrade).for_each(|attempt| attempt.discard());
        if let Backend::Memory(memory) = &self.backend {
            log_panic("drop of a task", || memory.executor.clear());
        }
        self.parts.clear();
        log_panic("drop of a timed call", || self.hub.timers.clear());
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if let Backend::Tokio(tokio) = &self.backend
            && let Some(runtime) = tokio.runtime.take()
        {
            log_panic("drop", || runtime.shutdown_background());
        }
        self.clear();
    }
}

pub(crate) fn no_network() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this reactor is in memory and has no sockets")
}
