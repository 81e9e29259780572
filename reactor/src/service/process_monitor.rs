use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::process::{Command, ExitStatus};
use std::rc::{Rc, Weak};
use std::time::Duration;
use std::{fmt, io, mem};

use async_trait::async_trait;
use futures_util::future::{Either, join_all, select};
use tokio::sync::{Notify, oneshot};

use crate::connect::backoff::Backoff;
use crate::process::{ProcessProtocol, ProcessTransport};
use crate::reactor::Reactor;
use crate::reactor::core::Core;
use crate::service::{Service, ServiceError};
use crate::time::timers::{Sleep, Timers};
use crate::util::escaped::escaped;

/// Child processes that run as long as the service does: one that ends is started again, at once if it has run for a
/// while, and later and later if it has not. Twisted's `ProcessMonitor`.
///
/// - **Start**: all processes, in the order of their names. If one cannot be started, neither can the service.
/// - **End of a process**: if it has run for the [threshold](Self::threshold) (1 s), the next is started at once; if not,
///   after a delay of the [back-off](Self::backoff) (1 s, doubled each time, up to an hour). Both are logged, with the exit
///   status.
/// - **Stop**: each gets a SIGTERM, and if it still runs after the [kill time](Self::kill_time) (5 s), a SIGKILL.
/// - **Failure**: when a back-off with a maximum of retries has no more of them; without one never.
///
/// What processes print is logged line by line at the info level, with the name of the process. Their standard input is a
/// pipe that stays open and empty.
///
/// ```
/// use std::process::Command;
/// use reactor::Reactor;
/// use reactor::service::{MultiService, ProcessMonitor};
///
/// fn workers(reactor: &Reactor) -> MultiService {
///     let mut mail = Command::new("mail-worker");
///     mail.arg("--quiet");
///     let monitor = ProcessMonitor::new(reactor, "workers")
///         .with("mail", mail)
///         .with("thumbnails", Command::new("thumbnail-worker"));
///     MultiService::new(reactor, "everything").with(monitor)
/// }
/// ```
pub struct ProcessMonitor {
    name: String,
    /// Weak, because the reactor may own this.
    reactor: Weak<Core>,
    timers: Rc<Timers>,
    threshold: Duration,
    kill_time: Duration,
    backoff: Backoff,
    processes: RefCell<BTreeMap<String, Rc<Monitored>>>,
    /// True from the beginning of a start to the beginning of a stop.
    running: Cell<bool>,
    failure: Rc<Failure>,
}

/// A process that is kept running.
struct Monitored {
    name: String,
    /// Borrowed while it is started.
    command: RefCell<Command>,
    /// Set while it runs.
    process: RefCell<Option<ProcessTransport>>,
    /// Whether it is to be started again.
    wanted: Cell<bool>,
    /// Whether a task takes care of it.
    kept: Cell<bool>,
    /// Notified when any of these changes.
    changed: Notify,
}

/// Why the service has failed.
#[derive(Default)]
struct Failure {
    reason: RefCell<Option<String>>,
    changed: Notify,
}

impl ProcessMonitor {
    /// Makes one without processes.
    pub fn new(reactor: &Reactor, name: impl Into<String>) -> Self {
        let backoff = Backoff::new().factor(2.0).max_delay(Duration::from_secs(3600)).jitter(false);
        Self {
            name: name.into(),
            reactor: Rc::downgrade(&reactor.0),
            timers: Rc::clone(&reactor.0.hub.timers),
            threshold: Duration::from_secs(1),
            kill_time: Duration::from_secs(5),
            backoff,
            processes: RefCell::default(),
            running: Cell::new(false),
            failure: Rc::default(),
        }
    }

    /// How long a process must run for the next to be started at once (1 s). Twisted's `threshold`.
    #[must_use]
    pub fn threshold(mut self, time: Duration) -> Self {
        self.threshold = time;
        self
    }

    /// How long a process may take to end after a SIGTERM (5 s). Twisted's `killTime`.
    #[must_use]
    pub fn kill_time(mut self, time: Duration) -> Self {
        self.kill_time = time;
        self
    }

    /// The delays before a process that did not run for the threshold is started again. Twisted's `minRestartDelay` and
    /// `maxRestartDelay`.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Adds a process by a name of the program's choice. It is started with the service. Twisted's `addProcess`.
    ///
    /// # Panics
    ///
    /// If there is a process of this name.
    #[track_caller]
    #[must_use]
    pub fn with(self, name: impl Into<String>, command: Command) -> Self {
        self.insert(name.into(), command);
        self
    }

    /// Adds a process, and starts it if the service has started.
    ///
    /// # Errors
    ///
    /// If it cannot be started, as by [`Reactor::spawn_process`]; it is then not added.
    ///
    /// # Panics
    ///
    /// If there is a process of this name.
    #[track_caller]
    pub fn add_process(&self, name: impl Into<String>, command: Command) -> io::Result<()> {
        let monitored = self.insert(name.into(), command);
        if self.running.get()
            && let Err(error) = self.keep(&monitored)
        {
            self.processes.borrow_mut().remove(&monitored.name);
            return Err(error);
        }
        Ok(())
    }

    /// Stops a process as a stop of the service does, and forgets it. Returns whether there was one of this name. Twisted's
    /// `removeProcess`.
    pub async fn remove_process(&self, name: &str) -> bool {
        let Some(monitored) = self.processes.borrow_mut().remove(name) else { return false };
        monitored.stop(&self.timers, self.kill_time).await;
        true
    }

    /// Has a process end, as a stop of the service does, and be started again. Returns whether it was running. Twisted's
    /// `stopProcess` and `restartAll`.
    pub async fn restart_process(&self, name: &str) -> bool {
        let Some(monitored) = self.processes.borrow().get(name).cloned() else { return false };
        let Some(process) = monitored.process.borrow().clone() else { return false };
        let ended = monitored.until(|this| this.process.borrow().as_ref().is_none_or(|now| now.pid() != process.pid()));
        terminate(&process, ended, &self.timers, self.kill_time).await;
        true
    }

    /// The process id of a process, if it runs.
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.processes.borrow().get(name)?.process.borrow().as_ref().map(ProcessTransport::pid)
    }

    #[track_caller]
    fn insert(&self, name: String, command: Command) -> Rc<Monitored> {
        let mut processes = self.processes.borrow_mut();
        assert!(!processes.contains_key(&name), "there is a process '{name}' already: remove it first");
        let monitored = Rc::new(Monitored {
            name: name.clone(),
            command: RefCell::new(command),
            process: RefCell::new(None),
            wanted: Cell::new(false),
            kept: Cell::new(false),
            changed: Notify::new(),
        });
        processes.insert(name, Rc::clone(&monitored));
        monitored
    }

    /// Starts a process, and the task that starts it again.
    fn keep(&self, monitored: &Rc<Monitored>) -> io::Result<()> {
        let Some(core) = self.reactor.upgrade() else { return Err(io::Error::other("the reactor is gone")) };
        let reactor = Reactor(core);
        let ended = monitored.start(&reactor)?;
        let keeping = Keeping {
            monitored: Rc::clone(monitored),
            reactor: Weak::clone(&self.reactor),
            timers: Rc::clone(&self.timers),
            threshold: self.threshold,
            backoff: self.backoff.clone(),
            failure: Rc::clone(&self.failure),
        };
        reactor.spawn(keeping.run(ended));
        Ok(())
    }
}

impl Monitored {
    /// Runs the command. The receiver gets the exit status.
    fn start(self: &Rc<Self>, reactor: &Reactor) -> io::Result<oneshot::Receiver<ExitStatus>> {
        let (tell, told) = oneshot::channel();
        let process = reactor.spawn_process(&mut self.command.borrow_mut(), |_| Output {
            name: self.name.clone(),
            unfinished: Default::default(),
            tell: Some(tell),
        })?;
        tracing::info!(process = self.name, pid = process.pid(), "a process has started");
        self.process.replace(Some(process));
        self.wanted.set(true);
        self.kept.set(true);
        Ok(told)
    }

    /// Has it end, and not start again.
    async fn stop(&self, timers: &Rc<Timers>, kill_time: Duration) {
        self.wanted.set(false);
        self.changed.notify_waiters();
        let process = self.process.borrow().clone();
        let over = self.until(|this| !this.kept.get());
        match process {
            Some(process) => terminate(&process, over, timers, kill_time).await,
            None => over.await,
        }
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }
}

/// Tells a process to end, and kills it if it has not ended in this time.
async fn terminate(process: &ProcessTransport, ended: impl Future<Output = ()>, timers: &Rc<Timers>, time: Duration) {
    let mut ended = pin!(ended);
    // These fail if it has ended.
    let _ = process.signal_process(libc::SIGTERM);
    if let Either::Right(_) = select(ended.as_mut(), Sleep::new(timers, time)).await {
        tracing::warn!(pid = process.pid(), after = ?time, "a process has not ended: killing it");
        let _ = process.signal_process(libc::SIGKILL);
        ended.await;
    }
}

/// The task that starts a process again.
struct Keeping {
    monitored: Rc<Monitored>,
    reactor: Weak<Core>,
    timers: Rc<Timers>,
    threshold: Duration,
    backoff: Backoff,
    failure: Rc<Failure>,
}

impl Keeping {
    async fn run(mut self, mut ended: oneshot::Receiver<ExitStatus>) {
        loop {
            let begun = self.timers.now();
            // The sender is dropped when the reactor is.
            let Ok(status) = (&mut ended).await else { return };
            self.monitored.process.take();
            self.monitored.changed.notify_waiters();
            let mut ran = self.timers.now().saturating_duration_since(begun);
            let mut reason = status.to_string();
            ended = loop {
                if !self.monitored.wanted.get() {
                    return;
                }
                let Some(delay) = self.delay(ran, &reason) else { return };
                let stopped = self.monitored.until(|this| !this.wanted.get());
                select(pin!(stopped), Sleep::new(&self.timers, delay)).await;
                let Some(core) = self.reactor.upgrade().filter(|core| !core.hub.is_stopping()) else { return };
                if !self.monitored.wanted.get() {
                    return;
                }
                match self.monitored.start(&Reactor(core)) {
                    Ok(ended) => break ended,
                    Err(error) => (ran, reason) = (Duration::ZERO, error.to_string()),
                }
            };
        }
    }

    /// How long to wait before the next start; `None` after the last.
    fn delay(&mut self, ran: Duration, reason: &str) -> Option<Duration> {
        let process = &self.monitored.name;
        if ran >= self.threshold {
            self.backoff.reset();
            tracing::warn!(process, reason, ?ran, "a process has ended: starting it again");
            return Some(Duration::ZERO);
        }
        let core = self.reactor.upgrade()?;
        let delay = self.backoff.next_delay(&Reactor(core));
        match delay {
            Some(delay) => tracing::warn!(process, reason, ?ran, ?delay, "a process has ended: starting it again"),
            None => {
                let reason = format!("process '{process}' has ended too often: {reason}");
                self.failure.reason.replace(Some(reason));
                self.failure.changed.notify_waiters();
            }
        }
        delay
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        self.monitored.kept.set(false);
        self.monitored.changed.notify_waiters();
    }
}

/// Logs what a process prints.
struct Output {
    name: String,
    /// The last line of standard output, and of standard error.
    unfinished: [Vec<u8>; 2],
    tell: Option<oneshot::Sender<ExitStatus>>,
}

impl Output {
    fn print(&mut self, stream: usize, data: &[u8]) {
        for piece in data.split_inclusive(|byte| *byte == b'\n').flat_map(|line| line.chunks(LONGEST_LINE)) {
            let line = &mut self.unfinished[stream];
            line.extend_from_slice(piece);
            if line.ends_with(b"\n") || line.len() >= LONGEST_LINE {
                self.log(stream);
            }
        }
    }

    fn log(&mut self, stream: usize) {
        let line = mem::take(&mut self.unfinished[stream]);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        tracing::info!(process = self.name, stream = ["stdout", "stderr"][stream], "{}", escaped(line));
    }
}

impl ProcessProtocol for Output {
    fn out_received(&mut self, data: &[u8]) {
        self.print(0, data);
    }

    fn err_received(&mut self, data: &[u8]) {
        self.print(1, data);
    }

    fn process_ended(&mut self, status: ExitStatus) {
        for stream in 0..2 {
            if !self.unfinished[stream].is_empty() {
                self.log(stream);
            }
        }
        if let Some(tell) = self.tell.take() {
            // Nobody listens any more when the reactor stops.
            let _ = tell.send(status);
        }
    }
}

/// A longer line is logged in pieces of up to twice this length, in bytes.
const LONGEST_LINE: usize = 4096;

#[async_trait(?Send)]
impl Service for ProcessMonitor {
    fn name(&self) -> &str {
        &self.name
    }

    async fn start(&self) -> Result<(), ServiceError> {
        self.running.set(true);
        let all: Vec<_> = self.processes.borrow().values().cloned().collect();
        for monitored in all {
            self.keep(&monitored)?;
        }
        Ok(())
    }

    async fn stop(&self) {
        self.running.set(false);
        let all: Vec<_> = self.processes.borrow().values().cloned().collect();
        join_all(all.iter().map(|monitored| monitored.stop(&self.timers, self.kill_time))).await;
        self.failure.reason.take();
    }

    async fn failed(&self) -> ServiceError {
        loop {
            let changed = self.failure.changed.notified();
            if let Some(reason) = &*self.failure.reason.borrow() {
                return reason.clone().into();
            }
            changed.await;
        }
    }
}

impl fmt::Debug for ProcessMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessMonitor")
            .field("name", &self.name)
            .field("processes", &self.processes.borrow().keys())
            .field("running", &self.running.get())
            .finish_non_exhaustive()
    }
}
