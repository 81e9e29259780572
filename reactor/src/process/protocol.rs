use std::any::{Any, type_name};
use std::process::ExitStatus;

/// A user's protocol for a child process: an object that lives as long as the child of
/// [`Reactor::spawn_process`](crate::Reactor::spawn_process) and receives its callbacks.
///
/// It is built with its [`ProcessTransport`](crate::process::ProcessTransport), which it keeps in a plain field. All
/// callbacks are optional. Twisted's `ProcessProtocol`.
///
/// # The order of callbacks
///
/// [`connection_made`](Self::connection_made) comes once and first, in the reactor's next turn;
/// [`process_ended`](Self::process_ended) comes exactly once and last, when the process has ended, was waited for, and
/// all three pipes are closed, with all output delivered. The others come in any order in between:
/// [`process_exited`](Self::process_exited) once, perhaps long before the last output, because a grandchild may still
/// hold the pipes; and for each pipe its [`in_connection_lost`](Self::in_connection_lost),
/// [`out_connection_lost`](Self::out_connection_lost) or [`err_connection_lost`](Self::err_connection_lost). These
/// three do not come for a child in a [pseudo-terminal](crate::Reactor::spawn_pty).
///
/// # Panics in callbacks
///
/// A panic is logged, the child is killed (SIGKILL), and its remaining output is dropped. Those of `in_`, `out_` and
/// `err_connection_lost` that are still due, `process_exited` and `process_ended` still come.
///
/// ```
/// use std::process::{Command, ExitStatus};
/// use reactor::Reactor;
/// use reactor::process::{ProcessProtocol, ProcessTransport};
///
/// /// Counts the words of a text.
/// struct WordCount { process: ProcessTransport, output: Vec<u8> }
///
/// impl ProcessProtocol for WordCount {
///     fn connection_made(&mut self) {
///         self.process.write("one two three\n");
///         self.process.close_stdin();
///     }
///     fn out_received(&mut self, data: &[u8]) {
///         self.output.extend_from_slice(data);
///     }
///     fn process_ended(&mut self, status: ExitStatus) {
///         println!("{} ({status})", String::from_utf8_lossy(&self.output));
///         self.process.transport().reactor().stop();
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.spawn_process(Command::new("wc").arg("-w"), |process| WordCount { process, output: Vec::new() })?;
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ProcessProtocol: Any {
    /// The process runs; nothing has been read from it yet. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The process wrote these bytes to its standard output, or to its terminal: between 1 and 65,536, cut anywhere.
    /// The slice is lent from the reactor's buffer. Twisted's `outReceived`.
    fn out_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// The process wrote these bytes to its standard error. Twisted's `errReceived`.
    fn err_received(&mut self, data: &[u8]) {
        let _ = data;
    }

    /// More than 65,536 bytes are unsent: as [`Protocol::pause_writing`](crate::Protocol::pause_writing).
    fn pause_writing(&mut self) {}

    /// Everything written has been handed to the system, after a [`pause_writing`](Self::pause_writing).
    fn resume_writing(&mut self) {}

    /// The pipe to its standard input is closed, by the process or by this side. Anything written from now on is
    /// dropped. Twisted's `inConnectionLost`.
    fn in_connection_lost(&mut self) {}

    /// The pipe from its standard output is closed; all of that output was delivered, unless this side closed the pipe.
    /// Twisted's `outConnectionLost`.
    fn out_connection_lost(&mut self) {}

    /// The pipe from its standard error is closed; all of that output was delivered, unless this side closed the pipe.
    /// Twisted's `errConnectionLost`.
    fn err_connection_lost(&mut self) {}

    /// The process has ended: with an exit code ([`ExitStatus::code`]), or by a signal
    /// ([`ExitStatusExt::signal`](std::os::unix::process::ExitStatusExt::signal)). Output may still come. Twisted's
    /// `processExited`.
    fn process_exited(&mut self, status: ExitStatus) {
        let _ = status;
    }

    /// The process has ended, and its pipes are closed; this is the last callback. Timers and deferred calls were dropped
    /// before it. Twisted's `processEnded`.
    fn process_ended(&mut self, status: ExitStatus) {
        let _ = status;
    }

    /// The name of its type, for messages.
    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        type_name::<Self>()
    }
}
