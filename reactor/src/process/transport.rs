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

/// A handle of one child process: how a [`ProcessProtocol`](crate::process::ProcessProtocol) writes to it, signals it and closes
/// its pipes.
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
/// /// Gives a process its time, and no more.
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
    /// The number of the process. Twisted's `pid`.
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Queues a copy of `data` for its standard input: as [`Transport::write`], but if the output limit is passed the
    /// process is killed. Dropped when the pipe is closed.
    pub fn write(&self, data: impl AsRef<[u8]>) {
        self.transport.write(data);
    }

    /// What `write!(self.process, "…")` calls: as [`Transport::write_fmt`].
    pub fn write_fmt(&self, arguments: fmt::Arguments<'_>) {
        self.transport.write_fmt(arguments);
    }

    /// Closes its standard input when all that was written is sent, so that the process sees the end of it. In a
    /// pseudo-terminal nothing is closed, and yet nothing more can be written: write what the terminal takes for the end
    /// of input, `\x04`, there. Twisted's `closeStdin`.
    pub fn close_stdin(&self) {
        self.transport.write_eof();
    }

    /// Closes all three pipes, or the pseudo-terminal, which hangs up on the process; standard input when all that was
    /// written is sent. Nothing more is received, but
    /// [`process_ended`](crate::process::ProcessProtocol::process_ended) still waits for the end of the process, which is not
    /// signalled. Twisted's `loseConnection`.
    pub fn lose_connection(&self) {
        self.transport.lose_connection();
    }

    /// Sends the process a signal by its number, as in `libc::SIGTERM`. Twisted's `signalProcess`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if the process has ended (Twisted's `ProcessExitedAlready`),
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if that is the number of no signal, and
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if the process has become another user's.
    pub fn signal_process(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("{signal} is the number of no signal"))
        })?;
        self.process.signal(signal)
    }

    /// Tells the process, by SIGWINCH, that its pseudo-terminal has another size. Does nothing to a process with pipes,
    /// nor when the terminal is closed.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn set_window_size(&self, rows: u16, columns: u16) -> io::Result<()> {
        match &*self.process.terminal.borrow() {
            Some(terminal) => terminal.resize(Size::new(rows, columns)).map_err(io_error),
            None => Ok(()),
        }
    }

    /// How the process has ended, if it has.
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

    /// The process as the peer of a connection, for everything else that can be asked of one: `pause_reading`, `paced_by`,
    /// `set_output_limit`, `reactor`. [`abort_connection`](Transport::abort_connection) kills it.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }
}

/// What a child's stream, its protocol and the handles of it share.
pub(crate) struct Process {
    pid: u32,
    status: Cell<Option<ExitStatus>>,
    /// Which of its outputs what was read last has come from.
    source: Cell<ChildFd>,
    /// Its pipes, by number: those that are closed.
    closed: [Cell<bool>; 3],
    /// Where it has one in place of pipes, until that is closed.
    terminal: RefCell<Option<Pty>>,
    transport: OnceCell<Transport>,
}

/// A descriptor as the child has it.
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

    pub(crate) fn set_transport(&self, transport: &Transport) {
        let _ = self.transport.set(transport.clone());
    }

    /// Sends it a signal. Nobody else can have its number meanwhile: it is given back only when `status` is set.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            Some(pid) if self.status.get().is_none() => Ok(kill_process(pid, signal)?),
            _ => Err(io::Error::new(io::ErrorKind::NotFound, format!("the process {} has ended", self.pid))),
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

    /// Has the protocol told of what has changed.
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
