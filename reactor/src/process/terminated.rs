use std::error::Error;
use std::fmt;
use std::process::ExitStatus;

use crate::transport::close_reason::CloseReason;

/// A child process ended with an exit code other than 0, or by a signal: the error in the
/// [`CloseReason::Lost`] of a connection made by
/// [`Reactor::connect_process`](crate::Reactor::connect_process). Twisted's `ProcessTerminated`.
/// [`CloseReason::exit_status`](crate::CloseReason::exit_status) finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessTerminated {
    /// The exit code or the signal.
    pub status: ExitStatus,
}

impl fmt::Display for ProcessTerminated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the process has ended with {}", self.status)
    }
}

impl Error for ProcessTerminated {}

impl CloseReason {
    /// How the child process ended that was the peer of this connection, if it ended with an exit code other than 0, or by a
    /// signal. `None` for all other reasons.
    ///
    /// ```
    /// use std::process::Command;
    /// use reactor::{Protocol, Reactor};
    ///
    /// struct Quiet;
    ///
    /// impl Protocol for Quiet {
    ///     fn data_received(&mut self, _data: &[u8]) {}
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// let ended = reactor.connect_process(Command::new("sh").args(["-c", "exit 3"]), |_| Quiet)?;
    /// let reason = reactor.run_until(ended)?;
    /// assert_eq!(reason.exit_status().unwrap().code(), Some(3));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exit_status(&self) -> Option<ExitStatus> {
        let Self::Lost(error) = self else { return None };
        error.get_ref()?.downcast_ref::<ProcessTerminated>().map(|terminated| terminated.status)
    }
}
