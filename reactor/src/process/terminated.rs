use std::error::Error;
use std::fmt;
use std::process::ExitStatus;

/// A child process ended with an exit code other than 0, or by a signal: the error in the
/// [`CloseReason::Lost`](crate::CloseReason::Lost) of a connection made by
/// [`Reactor::connect_process`](crate::Reactor::connect_process). Twisted's `ProcessTerminated`.
///
/// ```
/// use std::process::ExitStatus;
/// use reactor::CloseReason;
/// use reactor::process::ProcessTerminated;
///
/// fn status(reason: &CloseReason) -> Option<ExitStatus> {
///     let CloseReason::Lost(error) = reason else { return None };
///     error.get_ref()?.downcast_ref::<ProcessTerminated>().map(|terminated| terminated.status)
/// }
/// ```
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
