use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use crate::util::escaped::escaped;

/// Why a connection ended, as given to [`Protocol::connection_lost`](crate::Protocol::connection_lost).
///
/// It tells apart the peer's fault, this side's and the network's. Twisted's `ConnectionDone` is [`Done`](Self::Done),
/// its `ConnectionLost` is [`Lost`](Self::Lost), its `ConnectionAborted` is [`Aborted`](Self::Aborted).
///
/// ```
/// use reactor::CloseReason;
///
/// assert!(CloseReason::Done.is_clean());
/// assert_eq!(CloseReason::Aborted.to_string(), "connection aborted on this side");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// Ended in order: the peer closed, or this side did after handing everything it wrote to the system.
    Done,
    /// This side called [`abort_connection`](crate::Transport::abort_connection), or the shutdown deadline passed.
    Aborted,
    /// The network or the peer broke the connection; the error is the operating system's.
    Lost(Arc<io::Error>),
    /// The peer ended its stream without the ending that the layer's protocol prescribes, such as TLS's `close_notify`
    /// or a web socket's closing frame: somebody on the way may have cut off the rest of what it sent.
    Truncated,
    /// The connection goes on in the process that has [taken over](crate::listen::Handover): the peer has noticed nothing.
    HandedOver,
    /// A time limit set by a policy or a protocol ran out.
    TimedOut,
    /// A callback of the protocol panicked; the text is the panic's message, up to 1,024 bytes of it.
    Panicked(String),
    /// More was written than the output limit allows while the peer did not read.
    Overflow,
    /// The reactor's [memory budget](crate::Reactor::memory_budget) had no room, and this connection held most of it: output
    /// that the peer did not read, or messages that it did not complete.
    Evicted,
    /// This side ended its stream with more file descriptors to send than bytes to send them with. Twisted's
    /// `FileDescriptorOverrun`.
    DescriptorOverrun,
    /// A protocol or policy ended the connection with an error of its own, by
    /// [`fail_connection`](crate::Transport::fail_connection).
    Failed(Arc<dyn Error + Send + Sync>),
}

impl CloseReason {
    /// Whether the connection ended in order, with nothing lost: [`Done`](Self::Done) only.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Makes a [`Failed`](Self::Failed) from any error or text.
    ///
    /// ```
    /// use reactor::CloseReason;
    ///
    /// assert_eq!(CloseReason::failed("no greeting").to_string(), "no greeting");
    /// ```
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(Arc::from(error.into()))
    }
}

/// An error that says why nothing can be sent or received any more, with the reason as its source. Its kind is the
/// system's if the connection was [lost](CloseReason::Lost), [`TimedOut`](io::ErrorKind::TimedOut) after a time limit,
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the connection ended in order where more was expected, and
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) for everything this side did.
///
/// ```
/// use std::io;
/// use reactor::CloseReason;
///
/// let error = io::Error::from(CloseReason::TimedOut);
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// ```
impl From<CloseReason> for io::Error {
    fn from(reason: CloseReason) -> Self {
        let kind = match &reason {
            CloseReason::Lost(error) => error.kind(),
            CloseReason::TimedOut => io::ErrorKind::TimedOut,
            CloseReason::Done | CloseReason::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::ConnectionAborted,
        };
        Self::new(kind, reason)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("connection closed cleanly"),
            Self::Aborted => f.write_str("connection aborted on this side"),
            Self::Lost(error) => write!(f, "connection lost: {error}"),
            Self::Truncated => {
                f.write_str("the peer ended its stream without saying so: the rest may have been cut off")
            }
            Self::HandedOver => f.write_str("the connection goes on in another process"),
            Self::TimedOut => f.write_str("connection timed out"),
            Self::Panicked(message) => write!(f, "a callback panicked: {}", escaped(message)),
            Self::Overflow => f.write_str("more was written than the output limit allows"),
            Self::Evicted => f.write_str("the memory budget was spent, and this connection held most of it"),
            Self::DescriptorOverrun => f.write_str("more file descriptors were sent than bytes to go with them"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl Error for CloseReason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lost(error) => Some(&**error),
            Self::Failed(error) => error.source(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_an_error_of_input_and_output_it_keeps_the_systems_kind_and_says_the_same() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        for (reason, kind) in [
            (CloseReason::Lost(Arc::new(reset)), io::ErrorKind::ConnectionReset),
            (CloseReason::TimedOut, io::ErrorKind::TimedOut),
            (CloseReason::Done, io::ErrorKind::UnexpectedEof),
            (CloseReason::Aborted, io::ErrorKind::ConnectionAborted),
            (CloseReason::failed("no greeting"), io::ErrorKind::ConnectionAborted),
        ] {
            let text = reason.to_string();
            let error = io::Error::from(reason);
            assert_eq!((error.kind(), error.to_string()), (kind, text));
            assert!(error.downcast::<CloseReason>().is_ok());
        }
    }
}
