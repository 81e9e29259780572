use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use crate::inspect::{RunningWatchdog, Watchdog};
use crate::listen::handover::Handover;
use crate::reactor::Reactor;
use crate::reactor::core::Backend;
use crate::service::program::Tasks;
use crate::service::program::crew::Crew;
use crate::service::program::user::User;
use crate::service::supervised::Supervised;
use crate::service::{Readiness, Service, ServiceError, program};
use crate::threads::group::Group;

/// Runs a program that is a [`Service`], from its start to its exit status: the `main` of a server. Twisted's `twist`.
///
/// ```no_run
/// use std::process::ExitCode;
/// use reactor::{Protocol, Transport};
/// use reactor::service::{EndpointService, Runner};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// fn main() -> ExitCode {
///     Runner::new("echo").run(|reactor| {
///         let reactor = reactor.clone();
///         Ok(EndpointService::from_fn("echo", async move || reactor.listen_tcp(7, |transport| Echo { transport })))
///     })
/// }
/// ```
///
/// - **SIGTERM, SIGINT** and [`Reactor::stop`] stop it in order: it is no longer [ready](Readiness), keeps serving for
///   the [time](Self::lame_duck) that others may need to notice, stops the service (its ports close and drain), and
///   then the reactor, as described at [`Reactor::run`]. A second signal ends all of this at once.
/// - **SIGHUP** [reloads](Service::reload) the service, unless the process was started with SIGHUP ignored, as by
///   `nohup`.
/// - A service that **fails** for good ends the program in the same order.
///
/// A service manager that asks for notifications (systemd, with `Type=notify` or `notify-reload`) receives `READY=1`,
/// `RELOADING=1`, `STOPPING=1`, and `WATCHDOG=1` from the reactor itself at half the requested interval
/// (`WatchdogSec=`): a reactor that is stuck in a callback does not send it.
///
/// Events are logged by `tracing` at the info level; at the warning level, each connection that was cut off with the
/// size of its unsent output, and their sums. The program chooses where the log goes.
///
/// The exit status is 0 after a requested stop, whichever signal requested it, even after a second signal, and even if
/// connections were cut off. It is 1 if the program could not start or its service failed; the reason is one sentence
/// on standard error, `NAME: REASON`.
pub struct Runner {
    name: String,
    lame_duck: Duration,
    readiness: Readiness,
    handover: Option<PathBuf>,
    user: Option<String>,
    pid_file: Option<PathBuf>,
    watchdog: Option<Watchdog>,
}

impl Runner {
    /// Makes a runner for the program with this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            lame_duck: Duration::ZERO,
            readiness: Readiness::default(),
            handover: None,
            user: None,
            pid_file: None,
            watchdog: Some(Watchdog::new()),
        }
    }

    /// Sets how long to go on serving after a request to stop (not at all by default), while [`Readiness`] already
    /// reports that the program does not serve, so that a load balancer has noticed by the time ports close.
    #[must_use]
    pub fn lame_duck(mut self, time: Duration) -> Self {
        self.lame_duck = time;
        self
    }

    /// Takes over from the process that offers its listening sockets at `path`, if there is one, and offers them to the
    /// next process when the service has started: see [`Handover`]. A process that was taken over stops in order, as by
    /// SIGTERM. If the offer to the next process fails, that is logged and the program goes on.
    #[must_use]
    pub fn handover(mut self, path: impl Into<PathBuf>) -> Self {
        self.handover = Some(path.into());
        self
    }

    /// Goes on as this user, and in its groups, once the service has started: ports below 1,024 are open by then, and files
    /// that only root may read can have been read. A [handover](Self::handover) is also accepted from that user. No client is
    /// accepted before that, and there is no way back: files of sockets, for example, are removed at the end only from a folder
    /// of that user. Twisted's `--uid` and `--gid`. Where there is a service manager, leave it to that: see
    /// `docs/deployment.md` in the repository.
    ///
    /// If the process may not become that user, it does not start. In a [simulation](crate::testing::Simulation) nothing
    /// happens.
    #[must_use]
    pub fn user(mut self, name: impl Into<String>) -> Self {
        self.user = Some(name.into());
        self
    }

    /// Writes the process id to this file once the service has started, and removes it at the end. It is locked meanwhile, so
    /// that a second process does not start with the same file; one that was left behind is replaced. Twisted's `--pidfile`.
    ///
    /// It is written by the [user](Self::user) that the program goes on as, who must be able to remove it: its folder must
    /// be that user's. If it cannot be written, the program does not start, unless it has taken over from another process:
    /// then that is logged, and the program goes on, because no other serves by then. In a
    /// [simulation](crate::testing::Simulation) nothing happens.
    #[must_use]
    pub fn pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pid_file = Some(path.into());
        self
    }

    /// Sets the watchdog, which says which callback hangs while it hangs; `None` for none. By default it logs those that run
    /// for more than 50 ms. It is not started in a [simulation](crate::testing::Simulation).
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use reactor::inspect::Watchdog;
    /// use reactor::service::Runner;
    ///
    /// // The service manager starts it again.
    /// let runner = Runner::new("echo").watchdog(Watchdog::new().abort_after(Duration::from_secs(30)));
    /// ```
    #[must_use]
    pub fn watchdog(mut self, watchdog: impl Into<Option<Watchdog>>) -> Self {
        self.watchdog = watchdog.into();
        self
    }

    /// Whether the program serves, for a health check.
    ///
    /// ```no_run
    /// use reactor::Transport;
    /// use reactor::service::{EndpointService, MultiService, Runner};
    /// # use reactor::Protocol;
    /// # struct Idle;
    /// # impl Protocol for Idle { fn data_received(&mut self, _: &[u8]) {} }
    ///
    /// let runner = Runner::new("health");
    /// let readiness = runner.readiness();
    /// runner.run(|reactor| {
    ///     let listening = reactor.clone();
    ///     let health = EndpointService::from_fn("health", async move || {
    ///         let readiness = readiness.clone();
    ///         listening.listen_tcp("127.0.0.1:8008", move |transport: Transport| {
    ///             transport.write(if readiness.is_ready() { "ready\n" } else { "not ready\n" });
    ///             transport.lose_connection();
    ///             Idle
    ///         })
    ///     });
    ///     Ok(MultiService::new(reactor, "everything").with(health))
    /// });
    /// ```
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Runs the program on this many threads, with a reactor on each: its services are made once for each of them. See
    /// [`ThreadedRunner`].
    ///
    /// ```no_run
    /// use std::process::ExitCode;
    /// use std::thread::available_parallelism;
    /// use reactor::{Protocol, Transport};
    /// use reactor::service::{EndpointService, Runner};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// fn main() -> ExitCode {
    ///     let cores = available_parallelism().map_or(1, usize::from);
    ///     Runner::new("echo").threads(cores).run(|reactor| {
    ///         let reactor = reactor.clone();
    ///         Ok(EndpointService::from_fn("echo", async move || reactor.listen_tcp(7, |transport| Echo { transport })))
    ///     })
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// If `threads` is 0.
    #[track_caller]
    pub fn threads(self, threads: usize) -> ThreadedRunner {
        assert!(threads > 0, "a program needs at least one thread");
        ThreadedRunner { runner: self, threads }
    }

    /// Makes a reactor, has `setup` make the service, and runs both to their end.
    pub fn run<S: Service>(self, setup: impl FnOnce(&Reactor) -> Result<S, ServiceError>) -> ExitCode {
        let name = self.name.clone();
        let setup = |reactor: &Reactor| setup(reactor).map(Supervised::new);
        exit_code(&name, self.run_made_by(Box::new(setup)))
    }

    /// Runs the service on a reactor, which may be one of a [simulation](crate::testing::Simulation), where there are
    /// no signals and no service manager.
    ///
    /// # Errors
    ///
    /// The service's error, if it cannot be started or has failed, after everything has stopped; those of
    /// [`Reactor::run`].
    pub fn run_on(mut self, reactor: &Reactor, service: impl Service) -> Result<(), ServiceError> {
        let begun = self.begin(reactor)?;
        self.run_with(reactor, begun, Supervised::new(service), None)
    }

    /// Not generic, so that it is compiled once, and not in each program.
    fn run_made_by(mut self, setup: Box<dyn FnOnce(&Reactor) -> Made + '_>) -> Result<(), ServiceError> {
        let reactor = Reactor::new()?;
        let begun = self.begin(&reactor)?;
        let service = setup(&reactor)?;
        self.run_with(&reactor, begun, service, None)
    }

    /// What comes before the service is made.
    fn begin(&mut self, reactor: &Reactor) -> io::Result<Begun> {
        let is_process = matches!(reactor.0.backend, Backend::Tokio(_));
        let user = self.user.as_ref().filter(|_| is_process).map(|name| User::named(name)).transpose()?;
        // The process before was started by root, too, and went on as that user.
        let uid = user.as_ref().map(User::id);
        let handover = self.handover.as_ref().map(|path| Handover::begin_trusting(reactor, path, uid)).transpose()?;
        let watchdog = self.watchdog.take().filter(|_| is_process).map(Watchdog::start).transpose();
        let watchdog = watchdog.unwrap_or_else(|error| {
            tracing::warn!(%error, "there is no watchdog");
            None
        });
        Ok(Begun { is_process, user, handover, _watchdog: watchdog })
    }

    fn run_with(
        self,
        reactor: &Reactor,
        begun: Begun,
        service: Supervised,
        crew: Option<&Arc<Crew>>,
    ) -> Result<(), ServiceError> {
        let Begun { is_process, user, handover, _watchdog } = begun;
        if user.is_some() || crew.is_some() {
            reactor.0.hub.hold_clients();
        }
        let tasks = Tasks {
            user,
            pid_path: self.pid_file.filter(|_| is_process),
            handover,
            is_process,
            crew: crew.map(Arc::clone),
        };
        program::run(reactor, self.name, self.lame_duck, self.readiness, service, tasks)
    }
}

/// A [`Runner`] of a program on several threads, from [`Runner::threads`].
///
/// - `setup` is called with the reactor of each thread and makes the thread's services, which have nothing to do with those of
///   other threads: what threads share is `Send` and `Sync` and made before ([all cores](crate::run_on_threads)).
/// - **Ports** that were requested by the same words are the same port, whichever kind of endpoint it is, and connections are
///   spread evenly among the threads. Services may wait in their start.
/// - The services of the first thread start when those of all others have started; when they have, too, the program is ready,
///   and no client is accepted before that. What belongs to the program and not to a thread is a service of the first one:
///   where [`Reactor::thread_number`] is 0.
/// - It **stops** as a whole, by a signal, by [`Reactor::stop`] of any reactor, or when a service of any thread fails for
///   good: all threads stop at once, each in the order that [`Runner`] describes, so that they need no longer than one. It
///   **reloads** the services of all threads.
/// - It is alive for the service manager's watchdog only as long as every thread is.
/// - A [handover](Runner::handover) has the sockets and the connections of all threads; the next process may have another number
///   of them.
#[derive(Debug)]
pub struct ThreadedRunner {
    runner: Runner,
    threads: usize,
}

impl ThreadedRunner {
    /// Makes the reactors, has `setup` make the service of each, and runs them to their end.
    ///
    /// # Panics
    ///
    /// If a `setup` panics, with its panic, when all threads have stopped.
    pub fn run<S: Service>(self, setup: impl Fn(&Reactor) -> Result<S, ServiceError> + Sync) -> ExitCode {
        let name = self.runner.name.clone();
        let setup = |reactor: &Reactor| setup(reactor).map(Supervised::new);
        exit_code(&name, self.run_made_by(&setup))
    }

    /// Not generic, so that it is compiled once, and not in each program.
    fn run_made_by(self, setup: &(dyn Fn(&Reactor) -> Made + Sync)) -> Result<(), ServiceError> {
        let Self { mut runner, threads } = self;
        let name = runner.name.clone();
        let group = Group::<ServiceError>::new();
        let reactor = group.reactor(0)?;
        let begun = runner.begin(&reactor)?;
        let service = setup(&reactor)?;
        let crew = Arc::new(Crew::new(name.clone(), runner.lame_duck, threads));
        let first = || {
            group.join(&reactor);
            runner.run_with(&reactor, begun, service, Some(&crew))
        };
        let other = |number| {
            let reactor = group.reactor(number)?;
            let service = setup(&reactor)?;
            reactor.0.hub.hold_clients();
            group.join(&reactor);
            program::crew::run(&reactor, service, &crew)
        };
        let result = group.run(threads, first, other);
        let (cut_off, stopping_since) = crew.result();
        program::ending::report(&name, &reactor.0.hub.timers, cut_off, stopping_since);
        result
    }
}

struct Begun {
    /// Whether it handles signals, and perhaps has a service manager; false in a simulation.
    is_process: bool,
    user: Option<User>,
    handover: Option<Handover>,
    _watchdog: Option<RunningWatchdog>,
}

/// What a thread runs.
type Made = Result<Supervised, ServiceError>;

/// The program's exit status; an error is told on standard error.
fn exit_code(name: &str, result: Result<(), ServiceError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, there is nowhere to report to.
            let _ = writeln!(io::stderr(), "{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("name", &self.name).field("lame_duck", &self.lame_duck).finish_non_exhaustive()
    }
}
