use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::future::pending;
use std::io::Write as _;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{fmt, io};

use futures_util::future::{Either, select};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::listen::handover::Handover;
use crate::reactor::Reactor;
use crate::reactor::core::Backend;
use crate::service::pid_file::PidFile;
use crate::service::service_manager::ServiceManager;
use crate::service::supervised::Supervised;
use crate::service::user::User;
use crate::service::{Readiness, Service, ServiceError};
use crate::time::timers::{Sleep, Timers};
use crate::util::inherited_signals::{is_ignored, unblock};

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
    /// that only root may read can have been read. No client is accepted before that, and there is no way back: files of
    /// sockets, for example, are removed at the end only from a folder of that user. Twisted's `--uid` and `--gid`. Where
    /// there is a service manager, leave it to that: see `docs/deployment.md` in the repository.
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
    /// be that user's. If it cannot be written, the program does not start. In a [simulation](crate::testing::Simulation)
    /// nothing happens.
    #[must_use]
    pub fn pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pid_file = Some(path.into());
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

    /// Makes a reactor, has `setup` make the service, and runs both to their end.
    pub fn run<S: Service>(self, setup: impl FnOnce(&Reactor) -> Result<S, ServiceError>) -> ExitCode {
        let name = self.name.clone();
        let run = || {
            let reactor = Reactor::new()?;
            let handover = self.take_over(&reactor)?;
            let service = setup(&reactor)?;
            self.run_with(&reactor, handover, service)
        };
        match run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // If standard error is closed, there is nowhere to report to.
                let _ = writeln!(io::stderr(), "{name}: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// Runs the service on a reactor, which may be one of a [simulation](crate::testing::Simulation), where there are
    /// no signals and no service manager.
    ///
    /// # Errors
    ///
    /// The service's error, if it cannot be started or has failed, after everything has stopped; those of
    /// [`Reactor::run`].
    pub fn run_on(self, reactor: &Reactor, service: impl Service) -> Result<(), ServiceError> {
        let handover = self.take_over(reactor)?;
        self.run_with(reactor, handover, service)
    }

    fn take_over(&self, reactor: &Reactor) -> io::Result<Option<Handover>> {
        self.handover.as_ref().map(|path| Handover::begin(reactor, path)).transpose()
    }

    fn run_with(
        self,
        reactor: &Reactor,
        handover: Option<Handover>,
        service: impl Service,
    ) -> Result<(), ServiceError> {
        let is_process = matches!(reactor.0.backend, Backend::Tokio(_));
        let user = self.user.filter(|_| is_process).map(|name| User::named(&name)).transpose()?;
        if user.is_some() {
            reactor.0.hub.hold_clients();
        }
        let program = Rc::new(Program {
            name: self.name,
            user,
            pid_path: self.pid_file.filter(|_| is_process),
            pid_file: Cell::new(None),
            lame_duck: self.lame_duck,
            readiness: self.readiness,
            handover: Cell::new(handover),
            service: Supervised::new(service),
            timers: Rc::clone(&reactor.0.hub.timers),
            is_process,
            manager: OnceCell::new(),
            stopping_since: Cell::new(None),
        });
        let stopping = Rc::clone(&program);
        reactor.before_shutdown(async move || stopping.stop().await);
        let outcome = reactor.run_until(program.serve(reactor));
        drop(program.pid_file.take());
        program.report(reactor);
        match outcome {
            Ok(error) => Err(error),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The running program.
struct Program {
    name: String,
    user: Option<User>,
    pid_path: Option<PathBuf>,
    /// Set once it is written.
    pid_file: Cell<Option<PidFile>>,
    lame_duck: Duration,
    readiness: Readiness,
    /// Set until the service has started.
    handover: Cell<Option<Handover>>,
    service: Supervised,
    timers: Rc<Timers>,
    /// Whether it handles signals, and perhaps has a service manager.
    is_process: bool,
    /// Set once the reactor runs.
    manager: OnceCell<Rc<ServiceManager>>,
    stopping_since: Cell<Option<Instant>>,
}

impl Program {
    /// Starts and serves; resolves with the error that made that impossible.
    async fn serve(&self, reactor: &Reactor) -> ServiceError {
        let begun = self.timers.now();
        tracing::info!(program = self.name, "starting");
        // From here on a hangup does not end the program. If `nohup` started it, a hangup means nothing.
        let takes_hangups = self.is_process && reactor.0.handles_signals.get() && !is_ignored(libc::SIGHUP);
        let hangups = || {
            let hangups = signal(SignalKind::hangup())?;
            unblock(libc::SIGHUP)?;
            Ok::<_, io::Error>(hangups)
        };
        let hangups = match takes_hangups.then(hangups).transpose() {
            Ok(hangups) => hangups,
            Err(error) => return error.into(),
        };
        if self.is_process
            && let Some(manager) = ServiceManager::from_environment()
        {
            let manager = self.manager.get_or_init(|| Rc::new(manager));
            if let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero()) {
                let manager = Rc::clone(manager);
                reactor.call_every(interval / 2, move |_tick| manager.tell_of_life());
            }
        }
        if let Err(error) = self.service.start().await {
            return error;
        }
        if let Err(error) = self.admit_clients(reactor) {
            return error.into();
        }
        self.readiness.set(true);
        self.tell(&[NotifyState::Ready]).await;
        tracing::info!(program = self.name, after = ?self.since(begun), "ready");
        if let Some(handover) = self.handover.take() {
            let stopping = reactor.clone();
            reactor.spawn(async move {
                if let Err(error) = handover.finish(move || stopping.stop()).await {
                    tracing::warn!("cannot offer the ports to the next process: {error}");
                }
            });
        }
        match select(pin!(self.service.failed()), pin!(self.reload_at(hangups))).await {
            Either::Left((error, _)) => {
                self.readiness.set(false);
                error
            }
            Either::Right((never, _)) => match never {},
        }
    }

    /// Gives up privileges, writes the pid file, and lets clients in.
    fn admit_clients(&self, reactor: &Reactor) -> io::Result<()> {
        if let Some(user) = &self.user {
            user.assume()?;
        }
        if let Some(path) = &self.pid_path {
            self.pid_file.set(Some(PidFile::write(path)?));
        }
        reactor.0.hub.release_clients();
        Ok(())
    }

    async fn reload_at(&self, hangups: Option<Signal>) -> Infallible {
        let Some(mut hangups) = hangups else { return pending().await };
        while hangups.recv().await.is_some() {
            tracing::info!(program = self.name, "reloading");
            // Both in one message, because the time identifies the reload that has begun.
            match NotifyState::monotonic_usec_now() {
                Ok(now) => self.tell(&[NotifyState::Reloading, now]).await,
                Err(error) => tracing::warn!(%error, "cannot notify the service manager of the reload"),
            }
            self.service.reload().await;
            self.tell(&[NotifyState::Ready]).await;
            tracing::info!(program = self.name, "reloaded");
        }
        pending().await
    }

    async fn stop(&self) {
        self.stopping_since.set(Some(self.timers.now()));
        let was_ready = self.readiness.is_ready();
        self.readiness.set(false);
        self.tell(&[NotifyState::Stopping]).await;
        tracing::info!(program = self.name, "stopping its service");
        if was_ready && !self.lame_duck.is_zero() {
            Sleep::new(&self.timers, self.lame_duck).await;
        }
        self.service.stop().await;
    }

    fn report(&self, reactor: &Reactor) {
        let cut_off = reactor.0.hub.cut_off();
        if cut_off.connections > 0 {
            tracing::warn!(
                program = self.name,
                connections = cut_off.connections,
                unsent = cut_off.unsent,
                "connections were cut off"
            );
        }
        if let Some(since) = self.stopping_since.get() {
            tracing::info!(program = self.name, after = ?self.since(since), "stopped");
        }
    }

    fn since(&self, instant: Instant) -> Duration {
        self.timers.now().saturating_duration_since(instant)
    }

    async fn tell(&self, states: &[NotifyState<'_>]) {
        if let Some(manager) = self.manager.get() {
            manager.tell(&self.timers, states).await;
        }
    }
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("name", &self.name).field("lame_duck", &self.lame_duck).finish_non_exhaustive()
    }
}
