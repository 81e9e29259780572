//! Child processes: as connections, or with a protocol that is told everything that becomes of the child.
//!
//! | to | there is |
//! |---|---|
//! | have what a command writes | [`Reactor::process_output`] |
//! | talk with a child by an ordinary protocol | [`Reactor::connect_process`] |
//! | see standard output and error apart, signals and exit codes | [`Reactor::spawn_process`] and a [`ProcessProtocol`] |
//! | give it a terminal | [`Reactor::spawn_pty`] |
//!
//! The handle is a [`ProcessTransport`]. A connection to a child that has failed ends with [`ProcessTerminated`].
//!
//! ```
//! use std::process::Command;
//!
//! let reactor = reactor::Reactor::new()?;
//! let output = reactor.run_until(reactor.process_output(Command::new("echo").arg("hi"), 1024))??;
//! assert_eq!(output.stdout, b"hi\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has `spawnProcess`, `IProcessProtocol` and `twisted.internet.utils`.

pub(crate) mod adapter;
pub(crate) mod child;
pub(crate) mod protocol;
pub(crate) mod terminated;
pub(crate) mod transport;

pub use protocol::ProcessProtocol;
pub use terminated::ProcessTerminated;
pub use transport::ProcessTransport;

use std::cell::Cell;
use std::error::Error;
use std::future::Future;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, ExitStatus, Output};
use std::rc::Rc;
use std::{fmt, io, mem};

use tokio::sync::oneshot;

use crate::connection::factory::{Built, Factory};
use crate::driver;
use crate::driver::Started;
use crate::listen::listen_fds;
use crate::process::adapter::ProcessAdapter;
use crate::process::child::ChildStream;
use crate::process::transport::Process;
use crate::reactor::Reactor;
use crate::reactor::standalone::{Begins, StandaloneKeeper, between_pipes};
use crate::transport::close_reason::CloseReason;
use crate::transport::flow_control::OUTPUT_LIMIT;
use crate::util::escaped::escaped;

impl Reactor {
    /// Starts a child process with pipes to its standard input and from its standard output and error. `build` is called
    /// at once and makes its protocol; everything else comes in the reactor's turns. For an example see
    /// [`ProcessProtocol`]. Twisted's `spawnProcess`.
    ///
    /// The command says what is run, and where, as whom and with which environment; as always in Rust, and unlike
    /// Twisted's, a child inherits the environment unless [`Command::env_clear`] is called: all but what a service manager
    /// has told this process alone (`LISTEN_FDS`, `NOTIFY_SOCKET`, `WATCHDOG_USEC` and their kin), unless the command names
    /// it. Of descriptors it gets its standard ones and no other, whether this process was started with them or has opened
    /// them: to give it one by its number, use a crate such as `command-fds`.
    ///
    /// From the first child on this process handles SIGCHLD, if it was started with that ignored, too.
    ///
    /// When the reactor stops, the child's pipes are closed, when all that was written to it is sent, and it gets a
    /// SIGTERM; if it still runs when the [deadline](Self::set_shutdown_deadline) has passed, a SIGKILL. (A
    /// [`before_shutdown`](Self::before_shutdown) hook can wait for one that is to end by itself.) One whose reactor is
    /// dropped without having run is killed. None is left a zombie.
    ///
    /// # Errors
    ///
    /// If it cannot be started: an error that names the program and says why, of the kind
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such program and
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be run. Of the kind
    /// [`Unsupported`](io::ErrorKind::Unsupported) in a simulation, which has no child processes. In all cases `build` was
    /// not called, and nothing was run.
    pub fn spawn_process<P: ProcessProtocol>(
        &self,
        command: &mut Command,
        build: impl FnOnce(ProcessTransport) -> P,
    ) -> io::Result<ProcessTransport> {
        let (stream, process) = self.spawn_child(command, |command| ChildStream::spawn(command, true))?;
        Ok(self.attend(stream, process, build))
    }

    /// As [`spawn_process`](Self::spawn_process), but the child gets a new pseudo-terminal of this size in place of
    /// pipes: it is its controlling terminal, in a session of its own. What the child shows comes to
    /// [`out_received`](ProcessProtocol::out_received), with what is typed among it while the terminal echoes, and with
    /// CR LF where the child has written LF. Twisted's `usePTY`.
    ///
    /// The command is used up.
    ///
    /// # Errors
    ///
    /// As [`spawn_process`](Self::spawn_process), and if the system has no pseudo-terminal left.
    pub fn spawn_pty<P: ProcessProtocol>(
        &self,
        command: &mut Command,
        rows: u16,
        columns: u16,
        build: impl FnOnce(ProcessTransport) -> P,
    ) -> io::Result<ProcessTransport> {
        let (stream, process) = self.spawn_child(command, |command| {
            let rest = Command::new(command.get_program());
            ChildStream::spawn_in_terminal(mem::replace(command, rest), rows, columns)
        })?;
        Ok(self.attend(stream, process, build))
    }

    /// Starts a child process as the peer of a connection, whose protocol `factory` builds in the reactor's next turn:
    /// what the child writes to its standard output is received, and what is written goes to its standard input. Of its
    /// standard error the command decides; it inherits this process's unless told otherwise. The future gives the reason
    /// of the connection's end; dropping it changes nothing. Twisted's `ProcessEndpoint`.
    ///
    /// The stream ends when the child has ended and all that it has written was received: with
    /// [`eof_received`](crate::Protocol::eof_received) if its exit code was 0, otherwise the connection is
    /// [lost](CloseReason::Lost), with [`ProcessTerminated`] inside. The connection also waits
    /// for the child's end when this side closes it; [`abort_connection`](crate::Transport::abort_connection) kills the
    /// child.
    ///
    /// ```
    /// use std::process::Command;
    /// use reactor::{Protocol, Reactor, Transport};
    ///
    /// /// Has somebody else sort what it is too lazy to sort.
    /// struct Sorted { transport: Transport }
    ///
    /// impl Protocol for Sorted {
    ///     fn connection_made(&mut self) {
    ///         self.transport.write("pear\napple\n");
    ///         self.transport.write_eof();
    ///     }
    ///     fn data_received(&mut self, data: &[u8]) {
    ///         assert_eq!(data, b"apple\npear\n");
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// let sorted = reactor.connect_process(&mut Command::new("sort"), |transport| Sorted { transport })?;
    /// assert!(reactor.run_until(sorted)?.is_clean());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`spawn_process`](Self::spawn_process).
    pub fn connect_process<F: Factory>(
        &self,
        command: &mut Command,
        factory: F,
    ) -> io::Result<impl Future<Output = CloseReason> + 'static + use<F>> {
        let (stream, process) = self.spawn_child(command, |command| ChildStream::spawn(command, false))?;
        Ok(self.run_standalone(between_pipes(stream), Some(begins(&process)), factory))
    }

    /// Runs a command with nothing on its standard input, and gives its exit status and what it has written, `limit`
    /// bytes at the most. It is started at once, and killed if the future is dropped before it is ready. Twisted's
    /// `getProcessOutput`, `getProcessValue` and `getProcessOutputAndValue`: what an exit code or a text on standard error
    /// means the caller decides.
    ///
    /// ```
    /// use std::process::Command;
    ///
    /// let reactor = reactor::Reactor::new()?;
    /// let uname = reactor.process_output(&mut Command::new("uname"), 1024);
    /// let output = reactor.run_until(uname)??;
    /// assert!(output.status.success() && output.stdout == b"Linux\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`spawn_process`](Self::spawn_process);
    /// [`FileTooLarge`](io::ErrorKind::FileTooLarge) if it writes more than `limit` bytes to its standard output and error
    /// together: then it is killed.
    pub fn process_output(
        &self,
        command: &mut Command,
        limit: usize,
    ) -> impl Future<Output = io::Result<Output>> + 'static + use<> {
        let (tell, told) = oneshot::channel();
        let program = command.get_program().to_owned();
        let collected = self.spawn_process(command, |process| Collector {
            process,
            limit,
            output: Output { status: ExitStatus::default(), stdout: Vec::new(), stderr: Vec::new() },
            tell: Cell::new(Some(tell)),
        });
        // Not only from the first poll on.
        let killed_if_dropped = collected.map(KillOnDrop);
        async move {
            let _killed_if_dropped = killed_if_dropped?;
            match told.await {
                Ok(Some(output)) => Ok(output),
                Ok(None) => {
                    let message = format!("{} has written more than {limit} bytes", escaped(program.as_bytes()));
                    Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
                }
                Err(_) => Err(io::Error::other("the reactor has stopped")),
            }
        }
    }

    fn spawn_child(
        &self,
        command: &mut Command,
        spawn: impl FnOnce(&mut Command) -> io::Result<(ChildStream, Rc<Process>)>,
    ) -> io::Result<(ChildStream, Rc<Process>)> {
        let program = command.get_program().to_owned();
        let elsewhere = command.get_current_dir().is_some();
        let spawn = || {
            keep_to_ourselves(command);
            listen_fds::close_on_exec();
            spawn(command)
        };
        self.open_in_system("child processes", spawn).map_err(|source| {
            let text = match source.kind() {
                io::ErrorKind::NotFound if elsewhere => "no such program, or no such directory to run it in".to_owned(),
                io::ErrorKind::NotFound => "no such program".to_owned(),
                io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => source.to_string(),
            };
            let message = format!("cannot run {}: {text}", escaped(program.as_bytes()));
            io::Error::new(source.kind(), CannotRun { message, source })
        })
    }

    /// Has a protocol see to a child.
    fn attend<P: ProcessProtocol>(
        &self,
        stream: ChildStream,
        process: Rc<Process>,
        build: impl FnOnce(ProcessTransport) -> P,
    ) -> ProcessTransport {
        let keeper = Rc::new(StandaloneKeeper { begins: Some(begins(&process)), factory: None, tell: Cell::new(None) });
        let mut handle = None;
        let built = |transport| {
            let transport = ProcessTransport { transport, process: Rc::clone(&process) };
            let protocol = build(handle.insert(transport).clone());
            Built::Protocol(Box::new(ProcessAdapter::new(process, protocol)))
        };
        if let Started::Running(_, task) =
            driver::prepare(&self.0.roster, between_pipes(stream), OUTPUT_LIMIT, built, keeper)
        {
            self.0.spawn_task(async move {
                task.0.made();
                task.await;
            });
        }
        handle.expect("a protocol was built")
    }
}

fn begins(process: &Rc<Process>) -> Begins {
    let process = Rc::clone(process);
    Box::new(move |transport| process.set_transport(transport))
}

/// Takes out of the environment of a child what a service manager has told this process alone, unless the command says
/// that it is for the child, too.
fn keep_to_ourselves(command: &mut Command) {
    for name in OURS {
        if command.get_envs().all(|(given, _)| given != name) {
            command.env_remove(name);
        }
    }
}

/// The variables of `sd_listen_fds(3)`, `sd_notify(3)` and `sd_watchdog_enabled(3)`.
const OURS: [&str; 7] =
    ["LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// Gathers what a child writes.
struct Collector {
    process: ProcessTransport,
    limit: usize,
    output: Output,
    /// None is told when there is too much.
    tell: Cell<Option<oneshot::Sender<Option<Output>>>>,
}

impl Collector {
    /// Whether there is room for `data`, too.
    fn takes(&self, data: &[u8]) -> bool {
        let takes = data.len() <= self.limit - self.output.stdout.len() - self.output.stderr.len();
        if !takes {
            self.answer(None);
            self.process.transport().abort_connection();
        }
        takes
    }

    fn answer(&self, output: Option<Output>) {
        if let Some(tell) = self.tell.take() {
            // Who asked may not want to know any more.
            let _ = tell.send(output);
        }
    }
}

impl ProcessProtocol for Collector {
    fn connection_made(&mut self) {
        self.process.close_stdin();
    }

    fn out_received(&mut self, data: &[u8]) {
        if self.takes(data) {
            self.output.stdout.extend_from_slice(data);
        }
    }

    fn err_received(&mut self, data: &[u8]) {
        if self.takes(data) {
            self.output.stderr.extend_from_slice(data);
        }
    }

    fn process_ended(&mut self, status: ExitStatus) {
        self.output.status = status;
        let output = mem::replace(&mut self.output, Output { status, stdout: Vec::new(), stderr: Vec::new() });
        self.answer(Some(output));
    }
}

/// Kills a child that nobody waits for any more.
struct KillOnDrop(ProcessTransport);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        self.0.transport().abort_connection();
    }
}

/// The failure to start a child.
struct CannotRun {
    message: String,
    source: io::Error,
}

/// As that of a text: it is shown when `main` returns the error.
impl fmt::Debug for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.message, f)
    }
}

impl fmt::Display for CannotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CannotRun {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
