//! A program that runs: what it does once, whatever the number of its threads.

pub(super) mod crew;
pub(super) mod ending;
mod pid_file;
mod service_manager;
pub(super) mod user;

use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::hub::Hub;
use crate::listen::handover::Handover;
use crate::reactor::Reactor;
use crate::service::program::crew::Crew;
use crate::service::program::pid_file::PidFile;
use crate::service::program::service_manager::ServiceManager;
use crate::service::program::user::User;
use crate::service::supervised::Supervised;
use crate::service::{Readiness, ServiceError};
use crate::util::inherited_signals::{is_ignored, unblock};

/// What the program does besides running its service.
pub(super) struct Tasks {
    pub(super) user: Option<User>,
    pub(super) pid_path: Option<PathBuf>,
    pub(super) handover: Option<Handover>,
    /// Whether it handles signals, and perhaps has a service manager.
    pub(super) is_process: bool,
    /// Its other threads.
    pub(super) crew: Option<Arc<Crew>>,
}

/// Runs the program to its end.
pub(super) fn run(
    reactor: &Reactor,
    name: String,
    lame_duck: Duration,
    readiness: Readiness,
    service: Supervised,
    tasks: Tasks,
) -> Result<(), ServiceError> {
    let Tasks { user, pid_path, handover, is_process, crew } = tasks;
    let program = Rc::new(Program {
        name,
        user,
        pid_path,
        pid_file: Cell::new(None),
        lame_duck,
        readiness,
        handover: Cell::new(handover),
        service,
        hub: Rc::clone(&reactor.0.hub),
        is_process,
        crew,
        manager: OnceCell::new(),
        stopping_since: Cell::new(None),
        failure: Cell::new(None),
    });
    let stopping = Rc::clone(&program);
    reactor.before_shutdown(async move || stopping.stop().await);
    let outcome = reactor.run_until(program.serve(reactor));
    drop(program.pid_file.take());
    match &program.crew {
        Some(crew) => crew.add_cut_off(reactor.0.hub.cut_off()),
        None => {
            ending::report(&program.name, &program.hub.timers, reactor.0.hub.cut_off(), program.stopping_since.get());
        }
    }
    ending::result_of(outcome, program.failure.take())
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
    hub: Rc<Hub>,
    /// Whether it handles signals, and perhaps has a service manager.
    is_process: bool,
    /// Its other threads.
    crew: Option<Arc<Crew>>,
    /// Set once the reactor runs.
    manager: OnceCell<Option<Rc<ServiceManager>>>,
    stopping_since: Cell<Option<Instant>>,
    /// Of the service, if it had failed before it was stopped.
    failure: Cell<Option<ServiceError>>,
}

impl Program {
    /// Starts and serves; resolves with the error that made that impossible.
    async fn serve(self: &Rc<Self>, reactor: &Reactor) -> ServiceError {
        let begun = self.hub.timers.now();
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
        if let Some(manager) = self.manager()
            && let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
        {
            let (manager, crew) = (Rc::clone(manager), self.crew.clone());
            reactor.call_every(interval / 2, move |_tick| {
                if crew.as_ref().is_none_or(|crew| crew.is_alive()) {
                    manager.tell_of_life();
                }
            });
        }
        if let Some(crew) = &self.crew {
            crew.started().await;
        }
        if let Err(error) = self.service.start().await {
            return error;
        }
        reactor.0.shared_ports.set_up();
        let handover = self.handover.take();
        let replaces = handover.as_ref().is_some_and(|handover| handover.taken_count() > 0);
        let taken_over = match handover {
            Some(handover) => match handover.take_over().await {
                Ok(taken_over) => Some(taken_over),
                Err(error) => return error.into(),
            },
            None => None,
        };
        if let Err(error) = self.admit_clients(reactor, replaces).await {
            return error.into();
        }
        if let Some(crew) = &self.crew {
            crew.set_ready();
        }
        self.readiness.set(true);
        self.tell(&[NotifyState::Ready]).await;
        tracing::info!(program = self.name, after = ?self.since(begun), "ready");
        if let Some(taken_over) = taken_over {
            let (program, stopping) = (Rc::downgrade(self), reactor.clone());
            let on_taken_over = move || {
                // It is the next process's from here on.
                program.upgrade().and_then(|program| program.pid_file.take());
                stopping.stop();
            };
            if let Err(error) = taken_over.offer(on_taken_over) {
                tracing::warn!("cannot offer the ports to the next process: {error}");
            }
        }
        match select(pin!(self.service.failed()), pin!(self.reload_at(hangups))).await {
            Either::Left((error, _)) => {
                self.readiness.set(false);
                error
            }
            Either::Right((never, _)) => match never {},
        }
    }

    /// Gives up privileges, writes the pid file, and lets clients in. A program that replaces another
    /// is needed, whatever becomes of its pid file.
    async fn admit_clients(&self, reactor: &Reactor, replaces: bool) -> io::Result<()> {
        if let Some(user) = &self.user {
            user.assume()?;
        }
        if let Some(path) = &self.pid_path {
            match PidFile::write(path) {
                Ok(file) => self.pid_file.set(Some(file)),
                Err(error) if replaces => tracing::warn!("{error}"),
                Err(error) => return Err(error),
            }
        }
        for member in reactor.members() {
            // `None` means that it has ended.
            let _ = member.remote.ask(|reactor| reactor.0.hub.release_clients()).await;
        }
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
            let mut reloaded = self.service.reload().await;
            if let Some(crew) = &self.crew {
                let others = crew.reload().await;
                reloaded = reloaded.and(others);
            }
            self.tell(&[NotifyState::Ready]).await;
            if let Err(error) = reloaded {
                tracing::error!(program = self.name, %error, "cannot reload: what was there stays in use");
            } else {
                tracing::info!(program = self.name, "reloaded");
            }
        }
        pending().await
    }

    async fn stop(&self) {
        self.stopping_since.set(Some(self.hub.timers.now()));
        if let Some(crew) = &self.crew {
            crew.set_stopping_since(self.hub.timers.now());
        }
        let was_ready = self.readiness.is_ready();
        self.readiness.set(false);
        self.tell(&[NotifyState::Stopping]).await;
        tracing::info!(program = self.name, "stopping its service");
        self.failure.set(ending::stop(&self.service, &self.hub, self.lame_duck, was_ready).await);
    }

    fn since(&self, instant: Instant) -> Duration {
        self.hub.timers.now().saturating_duration_since(instant)
    }

    /// Made when it is first needed: a program that another thread ends before it has started says so, too.
    fn manager(&self) -> Option<&Rc<ServiceManager>> {
        let manager = || self.is_process.then(ServiceManager::from_environment).flatten().map(Rc::new);
        self.manager.get_or_init(manager).as_ref()
    }

    async fn tell(&self, states: &[NotifyState<'_>]) {
        if let Some(manager) = self.manager() {
            manager.tell(&self.hub.timers, states).await;
        }
    }
}
