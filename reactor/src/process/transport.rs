use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use pty_process::Size;
use pty_process::blocking::Pty;
use rustix::process::{Pid, Signal, kill_process};

use crate::time::deferred_call::DeferredCall;
use crate::time::delayed_call::DelayedCall;
use crate::transport::Transport;

/// A handle of one child process: how a [`ProcessProtocol`](crate::process::ProcessProtocol) writes to the process,
/// signals it and closes its pipes.
///
/// It is cheap to clone, and may be used from any callback of any connection of the same reactor. Its methods **never
/// call user code**. A handle that outlives its process is harmless. Twisted's `IProcessTransport`.
///
/// ```
/// use std::process::{Command, ExitStatus};
/// use std::time::Duration;
/// use reactor::Reactor;
/// use reactor::process::{ProcessProtocol, ProcessTransport};
///
/// /// Gives a process a limited time.
/// struct Limited { process: ProcessTransport }
///
/// impl ProcessProtocol for Limited {
///     fn connection_made(&mut self) {
///         self.process.call_later(Duration::from_millis(10), |this: &mut Self| {
///             let _ = this.process.signal_process(libc::SIGTERM);
///         });
///     }
///     fn process_ended(&mut self, status: ExitStatus) {
///         assert!(!status.success());
///         self.process.transport().reactor().stop();
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.spawn_process(Command::new("sleep").arg("1000"), |process| Limited { process })?;
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ProcessTransport {
    pub(crate) transport: Transport,
    pub(crate) process: Rc<Process>,
}

impl ProcessTransport {
    /// The id of the process. Twisted's `pid`.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Queues a copy of `data` for its standard input, as [`Transport::write`] does; if the output limit is exceeded,
    /// the process is killed. Ignored once the pipe is closed.
    pub fn write(&self, data: impl AsRef<[u8]>) {
        self.transport.write(data);
    }

    /// What `write!(self.process, "…")` calls, as [`Transport::write_fmt`] is.
    pub fn write_fmt(&self, arguments: fmt::Arguments<'_>) {
        self.transport.write_fmt(arguments);
    }

    /// Closes its standard input when everything written is sent, so that the process sees the end of its input. A
    /// pseudo-terminal stays open, but nothing more can be written: there, write the terminal's end-of-input character,
    /// `\x04`, instead. Twisted's `closeStdin`.
    pub fn close_stdin(&self) {
        self.transport.write_eof();
    }

    /// Closes all three pipes, or the pseudo-terminal, which hangs up on the process; standard input when everything
    /// written is sent. Nothing more is received, but [`process_ended`](crate::process::ProcessProtocol::process_ended)
    /// still waits for the end of the process, which gets no signal. Twisted's `loseConnection`.
    pub fn lose_connection(&self) {
        self.transport.lose_connection();
    }

    /// Sends the process a signal by its number, as in `libc::SIGTERM`. Twisted's `signalProcess`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if the process has ended (Twisted's `ProcessExitedAlready`),
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if there is no signal with this number, and
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the process now runs as another user.
    pub fn signal_process(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("there is no signal {signal}")))?;
        self.process.signal(signal)
    }

    /// Changes the size of its pseudo-terminal, and notifies the process by SIGWINCH. Does nothing if the process has
    /// pipes, or once the terminal is closed.
    ///
    /// # Errors
    ///
    /// Any error of the system.
    pub fn set_window_size(&self, rows: u16, columns: u16) -> io::Result<()> {
        match &*self.process.terminal.borrow() {
            Some(terminal) => terminal.resize(Size::new(rows, columns)).map_err(io_error),
            None => Ok(()),
        }
    }

    /// The exit status of the process, if it has ended.
    pub fn status(&self) -> Option<ExitStatus> {
        self.process.status.get()
    }

    /// As [`Transport::call_later`].
    #[track_caller]
    pub fn call_later<P: 'static>(&self, delay: Duration, call: impl FnOnce(&mut P) + 'static) -> DelayedCall {
        self.transport.call_later(delay, call)
    }

    /// As [`Transport::defer`].
    #[track_caller]
    pub fn defer<P: 'static, F: Future + 'static>(
        &self,
        future: F,
        call: impl FnOnce(&mut P, F::Output) + 'static,
    ) -> DeferredCall {
        self.transport.defer(future, call)
    }

    /// The process as the peer of a connection, for everything else that a connection offers: `pause_reading`,
    /// `paced_by`, `set_output_limit`, `reactor`. [`abort_connection`](Transport::abort_connection) kills the process.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

/// Shared by a child's stream, its protocol and its handles.
pub(crate) struct Process {
    pid: u32,
    status: Cell<Option<ExitStatus>>,
    /// The output that the last read came from.
    source: Cell<ChildFd>,
    /// Which of its pipes are closed, by number.
    closed: [Cell<bool>; 3],
    /// Its pseudo-terminal, if it has one instead of pipes, until that is closed.
    terminal: RefCell<Option<Pty>>,
    transport: OnceCell<Transport>,
}

/// A descriptor of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildFd {
    In,
    Out,
    Err,
}

impl Process {
    pub(crate) fn new(pid: u32, terminal: Option<Pty>) -> Rc<Self> {
        Rc::new(Self {
            pid,
            status: Cell::new(None),
            source: Cell::new(ChildFd::Out),
            closed: Default::default(),
            terminal: RefCell::new(terminal),
            transport: OnceCell::new(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn set_transport(&self, transport: &Transport) {
        let _ = self.transport.set(transport.clone());
    }

    /// Sends it a signal. Its process id cannot be reused meanwhile: it is only given back when `status` is set.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            Some(pid) if self.status.get().is_none() => Ok(kill_process(pid, signal)?),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, format!("process {} has ended", self.pid))),
        }
    }

    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.status.get()
    }

    pub(crate) fn set_status(&self, status: ExitStatus) {
        self.status.set(Some(status));
        self.wake();
    }

    pub(crate) fn source(&self) -> ChildFd {
        self.source.get()
    }

    pub(crate) fn set_source(&self, source: ChildFd) {
        self.source.set(source);
    }

    pub(crate) fn is_closed(&self, fd: ChildFd) -> bool {
        self.closed[fd as usize].get()
    }

    pub(crate) fn set_closed(&self, fd: ChildFd) {
        if !self.closed[fd as usize].replace(true) {
            self.wake();
        }
    }

    pub(crate) fn has_terminal(&self) -> bool {
        self.terminal.borrow().is_some()
    }

    pub(crate) fn close_terminal(&self) {
        self.terminal.take();
    }

    /// Whether its pipes are to be closed.
    pub(crate) fn is_closing(&self) -> bool {
        self.transport.get().is_some_and(|transport| transport.0.is_closing())
    }

    pub(crate) fn reactor_is_stopping(&self) -> bool {
        self.transport.get().is_some_and(|transport| transport.0.hub.is_stopping())
    }

    /// Has changes reported to the protocol.
    fn wake(&self) {
        if let Some(transport) = self.transport.get() {
            transport.0.wake();
        }
    }
}

pub(crate) fn io_error(error: pty_process::Error) -> io::Error {
    match error {
        pty_process::Error::Io(error) => error,
        pty_process::Error::Rustix(error) => error.into(),
    }
}

impl fmt::Debug for ProcessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessTransport")
            .field("pid", &self.pid())
            .field("status", &self.status())
            .field("unsent", &self.transport.unsent_bytes())
            .finish_non_exhaustive()
    }
}
