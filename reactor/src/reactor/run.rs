//! Running a reactor, and stopping it in order.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, join_all};
use nix::sys::signal::Signal;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::port::{CutOff, Port};
use crate::reactor::core::{Backend, Core, MemoryBackend, Phase, ShutdownHook, SimHost, StopAsked};
use crate::reactor::{INSIDE_A_RUNTIME, Reactor};
use crate::time::panic_log::{log_panic, report_panic};
use crate::time::pulse::{Beating, observed_future};
use crate::time::timers::Sleep;
use crate::util::inherited_signals::{is_ignored, unblock};
use crate::util::last_resort::with_last_resort;
use crate::util::panics::{catch_panic_async, warn_if_panics_abort};

impl Reactor {
    /// Runs until [`stop`](Self::stop) is called or a signal comes (SIGTERM, or SIGINT unless the process was started
    /// with SIGINT ignored, as a shell does for `program &` in a script), then stops in order:
    ///
    /// 1. the [`before_shutdown`](Self::before_shutdown) hooks run, and their futures are awaited;
    /// 2. ports stop listening, attempts to connect are given up, every connection is asked to finish by
    ///    [`drain`](crate::Transport::drain), which closes it behind its deferred calls unless
    ///    [`on_drain`](crate::Transport::on_drain) was set, and child processes get a SIGTERM;
    /// 3. when all are gone, or the [deadline](Self::set_shutdown_deadline) has passed, the remaining connections are
    ///    aborted and the remaining children get a SIGKILL;
    /// 4. the [`during_shutdown`](Self::during_shutdown) hooks run, and their futures are awaited for what is left of the
    ///    deadline;
    /// 5. the [`after_shutdown`](Self::after_shutdown) hooks run, and everything made with the reactor is dropped.
    ///
    /// From step 4 on every connection has had its `connection_lost`. A second signal skips the waiting.
    ///
    /// # Logs
    ///
    /// Events are logged by the crate `tracing`, and the program chooses where they go. If it has set no subscriber
    /// before it calls this, warnings and errors of this thread go to standard error, one per line.
    ///
    /// # Errors
    ///
    /// If the reactor has run before (a reactor runs once), or if this thread is inside a Tokio runtime.
    pub fn run(&self) -> io::Result<()> {
        match self.run_until(std::future::pending::<Infallible>()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
            Ok(never) => match never {},
        }
    }

    /// Runs until `future` is ready, then stops in order like [`run`](Self::run), and returns its output.
    ///
    /// If the future panics, the reactor stops in the same order, and then the panic continues.
    ///
    /// # Errors
    ///
    /// [`Interrupted`](io::ErrorKind::Interrupted) if the reactor was stopped before the future was ready; otherwise
    /// as [`run`](Self::run).
    pub fn run_until<F: Future>(&self, future: F) -> io::Result<F::Output> {
        // A panic continues once everything was stopped in order.
        let mut output = None;
        let future = async { output = Some(AssertUnwindSafe(future).catch_unwind().await) };
        self.run_while(Box::pin(future))?;
        match output {
            Some(output) => output.or_else(|panic| resume_unwind(panic)),
            None => Err(interrupted()),
        }
    }

    /// Runs until `future` is ready, or until the reactor is asked to stop. Not generic, so that it is compiled once, and not
    /// in each program.
    fn run_while(&self, future: LocalBoxFuture<'_, ()>) -> io::Result<()> {
        let core = &self.0;
        // A simulated host is up from the beginning; the simulation runs it.
        let runs = match core.simulated() {
            Some(host) => host.world.upgrade().is_none_or(|world| world.is_stepping()),
            None => matches!(&core.backend, Backend::Tokio(tokio) if tokio.runtime.borrow().is_none()),
        };
        if runs || core.phase.get() == Phase::Stopped {
            return Err(io::Error::other(RUNS_ONCE));
        }
        if Handle::try_current().is_ok() {
            return Err(io::Error::other(INSIDE_A_RUNTIME));
        }
        let runtime = match &core.backend {
            Backend::Tokio(tokio) => &tokio.runtime,
            Backend::Memory(MemoryBackend { host: Some(host), .. }) => return run_simulation(core, host, future),
            Backend::Memory(_) => return Err(io::Error::other(DRIVEN_BY_HAND)),
        };
        let runtime = runtime.take().expect("the runtime is there unless the reactor runs");
        let beating = Beating::begin(core.shared_ports.number);
        let ran = with_last_resort(|| runtime.block_on(main(core, observed_future(0, future))));
        drop(beating);
        core.phase.set(Phase::Stopped);
        core.inbox.close();
        // Tasks first: what they own may still use the reactor's handles.
        log_panic("drop of a task", || runtime.shutdown_background());
        core.clear();
        ran
    }
}

async fn main(core: &Rc<Core>, future: impl Future<Output = ()>) -> io::Result<()> {
    warn_if_panics_abort();
    if core.handles_signals.get() {
        // Only signals count: one that comes while the reactor is already stopping, perhaps because another reactor of
        // its group received the same signal first, is not a second one.
        let heard = Rc::new(Cell::new(false));
        // A shell that starts this process in the background of a script sets SIGINT to be ignored, because SIGINT is
        // meant for the foreground.
        let interrupt = Some(SignalKind::interrupt()).filter(|kind| !is_ignored(kind.as_raw_value()));
        for kind in interrupt.into_iter().chain([SignalKind::terminate()]) {
            let mut signals = signal(kind)?;
            unblock(kind.as_raw_value())?;
            let heard = Rc::clone(&heard);
            let core = Rc::downgrade(core);
            tokio::task::spawn_local(async move {
                while signals.recv().await.is_some() {
                    let Some(core) = core.upgrade() else { return };
                    let urgency = if heard.replace(true) { StopAsked::AtOnce } else { StopAsked::InOrder };
                    // Of several reactors, one says so.
                    if core.shared_ports.number == 0 {
                        tracing::info!(
                            signal = Signal::try_from(kind.as_raw_value()).map(Signal::as_str).unwrap_or_default(),
                            "{}",
                            if urgency == StopAsked::AtOnce { "stopping at once" } else { "stopping" }
                        );
                    }
                    core.ask_to_stop(urgency);
                }
            });
        }
    }
    start(core);
    unless_stopped(core, StopAsked::InOrder, future).await;
    core.ask_to_stop(StopAsked::InOrder);
    shut_down(core).await;
    Ok(())
}

/// Makes the calls that wait for the start, unless that has been ([`Reactor::block_on`]).
pub(super) fn start(core: &Core) {
    core.phase.set(Phase::Running);
    for call in core.starting.take() {
        log_panic("function to call when running", call);
    }
}

pub(super) fn interrupted() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the reactor was stopped before it had a result")
}

/// The task that stands for `run` on a simulated host.
pub(crate) async fn in_simulation(core: Weak<Core>) {
    if let Some(core) = core.upgrade() {
        start(&core);
    }
    // The reactor must not be kept by its own task while it runs.
    let stopping = poll_fn(|cx| {
        let Some(core) = core.upgrade() else { return Poll::Ready(None) };
        if core.stop_asked.get() > StopAsked::No {
            return Poll::Ready(Some(core));
        }
        core.stop_wakers.add(cx.waker());
        Poll::Pending
    });
    if let Some(core) = stopping.await {
        core.hub.timers.run_due();
        shut_down(&core).await;
        core.phase.set(Phase::Stopped);
    }
}

/// Runs the whole simulation until this host's reactor has its result, and has stopped.
fn run_simulation(core: &Rc<Core>, host: &SimHost, future: LocalBoxFuture<'_, ()>) -> io::Result<()> {
    let mut future = Some(future);
    let step = || host.world.upgrade().is_some_and(|world| world.step());
    // The start of the future.
    step();
    loop {
        if core.phase.get() == Phase::Stopped {
            return Ok(());
        }
        if core.stop_asked.get() > StopAsked::No {
            future = None;
        }
        let polled = future.as_mut().map(|future| future.as_mut().poll(&mut Context::from_waker(Waker::noop())));
        if polled.is_some_and(|polled| polled.is_ready()) {
            core.ask_to_stop(StopAsked::InOrder);
        }
        // After the future, which may have begun something.
        if !step() {
            return Err(io::Error::other("nothing is left to happen in the simulation, and there is no result yet"));
        }
    }
}

/// The steps that [`Reactor::run`] describes.
async fn shut_down(core: &Rc<Core>) {
    core.hub.begin_to_finish();
    unless_stopped(core, StopAsked::AtOnce, run_hooks(core.before_shutdown.take())).await;
    core.phase.set(Phase::Stopping);

    let closed: Vec<_> = core.ports().iter().map(Port::stop_listening).collect();
    let attempts = core.attempts();
    let finished: Vec<_> = attempts.iter().map(|attempt| attempt.finished()).collect();
    attempts.iter().for_each(|attempt| attempt.stop_trying());
    drop(attempts);
    core.hub.set_stopping();
    for transport in core.roster.connections() {
        transport.drain();
        // A connection that is already closing may be waiting for a child, which is signalled only now.
        transport.0.wake();
    }
    let gone = core.roster.until(|roster| roster.len() == 0);
    // What services have left of the time; or a moment, in which what is ready leaves.
    let flushed = at_most(core, core.hub.time_to_finish().max(LAST_MOMENT), gone);
    unless_stopped(core, StopAsked::AtOnce, flushed).await;

    for transport in core.roster.connections() {
        CutOff::abort(&transport);
    }
    core.roster.until(|roster| roster.len() == 0).await;
    join_all(closed).await;
    join_all(finished).await;
    if core.stop_asked.get() < StopAsked::AtOnce {
        let left = core.hub.time_to_finish().max(LAST_MOMENT);
        unless_stopped(core, StopAsked::AtOnce, at_most(core, left, run_hooks(core.during_shutdown.take()))).await;
    }
    if core.roster.lingering() > 0 {
        let gone = core.roster.until(|roster| roster.lingering() == 0);
        unless_stopped(core, StopAsked::AtOnce, at_most(core, LINGER_PATIENCE, gone)).await;
    }
    for hook in core.after_shutdown.take() {
        log_panic("shutdown hook", hook);
    }
}

/// Runs all of them, even if one panics.
async fn run_hooks(hooks: Vec<ShutdownHook>) {
    for panic in
        join_all(hooks.into_iter().map(|hook| catch_panic_async(hook()))).await.into_iter().filter_map(Result::err)
    {
        report_panic(&panic, "a shutdown hook panicked");
    }
}

/// The future's output, unless the reactor is asked to stop with at least this urgency before it is ready.
pub(super) async fn unless_stopped<F: Future>(core: &Core, urgency: StopAsked, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if core.stop_asked.get() >= urgency {
            return Poll::Ready(None);
        }
        core.stop_wakers.add(cx.waker());
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

async fn at_most(core: &Core, time: Duration, future: impl Future<Output = ()>) {
    let mut over = Sleep::new(&core.hub.timers, time);
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending => Pin::new(&mut over).poll(cx),
        ready => ready,
    })
    .await;
}

pub(super) const RUNS_ONCE: &str = "a reactor runs only once; make another";

pub(super) const DRIVEN_BY_HAND: &str = "a reactor in memory does not run by itself; its clock is driven by hand";

/// How long connections have at least when everything else has stopped.
const LAST_MOMENT: Duration = Duration::from_millis(200);

/// How long sockets that wait for their peers may keep a reactor from ending.
const LINGER_PATIENCE: Duration = Duration::from_millis(200);
