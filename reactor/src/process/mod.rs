//! Child processes: as connections, or with a protocol that receives every event of the child.
//!
//! | to | use |
//! |---|---|
//! | collect the output of a command | [`Reactor::process_output`] |
//! | talk to a child with an ordinary protocol | [`Reactor::connect_process`] |
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
    /// Starts a child process with pipes to its standard input and from its standard output and error. `build` is
    /// called at once and returns its protocol; everything else comes in the reactor's turns. [`ProcessProtocol`] has
    /// an example. Twisted's `spawnProcess`.
    ///
    /// The command says what is run, and where, as which user and with which environment. As always in Rust, and unlike
    /// Twisted's, a child inherits the environment unless [`Command::env_clear`] is called, except for what a service
    /// manager has told this process alone (`LISTEN_FDS`, `NOTIFY_SOCKET`, `WATCHDOG_USEC` and similar), unless the
    /// command names it. The child gets its standard descriptors and no others, whether this process inherited or
    /// opened them. To give it more by their numbers (Twisted's `childFDs`), use the crate `command-fds`; the other ends of
    /// pipes are connections of their own, by [`connect_fds`](Self::connect_fds):
    ///
    /// ```
    /// use std::io::pipe;
    /// use std::process::Command;
    /// use command_fds::{CommandFdExt, FdMapping};
    ///
    /// let reactor = reactor::Reactor::new()?;
    /// let ((childs, _ours), mut command) = (pipe()?, Command::new("test"));
    /// command.args(["-e", "/proc/self/fd/3"]).fd_mappings(vec![FdMapping { parent_fd: childs.into(), child_fd: 3 }])?;
    /// assert!(reactor.run_until(reactor.process_output(&mut command, 0))??.status.success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// From the first child on this process handles SIGCHLD, even if it was started with that ignored.
    ///
    /// When the reactor stops, the child's pipes are closed after everything written to it is sent, and it gets a
    /// SIGTERM; if it still runs when the [deadline](Self::set_shutdown_deadline) has passed, a SIGKILL. (A
    /// [`before_shutdown`](Self::before_shutdown) hook can wait for a child that ends by itself.) If the reactor is
    /// dropped without having run, the child is killed. None is left a zombie.
    ///
    /// # Errors
    ///
    /// If the child cannot be started: an error that names the program and says why, of the kind
    /// [`NotFound`](io::ErrorKind::NotFound) if there is no such program and
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) if it may not be run. In a simulation, which has no child
    /// processes, of the kind [`Unsupported`](io::ErrorKind::Unsupported). In all cases `build` is not called, and
    /// nothing is run.
    pub fn spawn_process<P: ProcessProtocol>(
        &self,
        command: &mut Command,
        build: impl FnOnce(ProcessTransport) -> P,
    ) -> io::Result<ProcessTransport> {
        let (stream, process) = self.spawn_child(command, |command| ChildStream::spawn(command, true))?;
        Ok(self.attend(stream, process, build))
    }

    /// Like [`spawn_process`](Self::spawn_process), but the child gets a new pseudo-terminal of this size instead of
    /// pipes: it is its controlling terminal, in a session of its own. What the child displays comes to
    /// [`out_received`](ProcessProtocol::out_received), mixed with what is typed while the terminal echoes, and with CR
    /// LF where the child wrote LF. Twisted's `usePTY`.
    ///
    /// The command is consumed.
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

    /// Starts a child process as the peer of a connection; `factory` builds the protocol in the reactor's next turn.
    /// The protocol receives the child's standard output, and writes to its standard input. The command decides about
    /// standard error; by default the child inherits this process's. The future resolves with the close reason;
    /// dropping it changes nothing. Twisted's `ProcessEndpoint`.
    ///
    /// The stream ends when the child has ended and all of its output was received: with
    /// [`eof_received`](crate::Protocol::eof_received) if its exit code was 0; otherwise the connection is
    /// [lost](CloseReason::Lost), with [`ProcessTerminated`] inside. When this side closes the connection, it also
    /// waits for the child's end; [`abort_connection`](crate::Transport::abort_connection) kills the child.
    ///
    /// ```
    /// use std::process::Command;
    /// use reactor::{Protocol, Reactor, Transport};
    ///
    /// /// Lets another program do the sorting.
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

    /// Runs a command with nothing on its standard input, and returns its exit status and its output, up to `limit`
    /// bytes. The command is started at once, and killed if the future is dropped before it is ready. Twisted's
    /// `getProcessOutput`, `getProcessValue` and `getProcessOutputAndValue`: the caller decides what an exit code or
    /// text on standard error means.
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
    /// As [`spawn_process`](Self::spawn_process); [`FileTooLarge`](io::ErrorKind::FileTooLarge) if the command writes
    /// more than `limit` bytes to its standard output and error together, in which case it is killed.
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

    /// Attaches a protocol to a child.
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

/// Removes from a child's environment what a service manager has told this process alone, unless the command sets it
/// for the child.
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

/// Collects the output of a child.
struct Collector {
    process: ProcessTransport,
    limit: usize,
    output: Output,
    /// Sends `None` if there is too much.
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
            // The receiver may have been dropped.
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

/// Kills a child whose output is no longer awaited.
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

/// Displays as the text, which is shown when `main` returns the error.
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
