use std::error::Error;
use std::fmt;

use reactor::CloseReason;
use reactor::text::escaped;

/// Why a [`MemcacheClient`](crate::memcache::MemcacheClient) has no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MemcacheError {
    /// This is no key: it is empty, longer than 250 bytes, or has a blank or a control character in it. Nothing was
    /// sent.
    InvalidKey(String),
    /// A value of so many bytes is longer than it may be. Nothing was sent.
    ValueTooLong(usize),
    /// With the request, more would be unsent than the connection's output limit: as many bytes wait for the server to
    /// take them. Nothing of the request was sent; ask again when others are answered.
    Full(usize),
    /// The server does not know the command. Twisted's `NoSuchCommand`.
    UnknownCommand,
    /// The server finds a fault in the request, and says which. Twisted's `ClientError`.
    ClientError(String),
    /// The server has failed, and says how. Twisted's `ServerError`.
    ServerError(String),
    /// The connection ended before the answer came: [`CloseReason::TimedOut`] if that took too long,
    /// [`CloseReason::Failed`] if the server did not keep to the protocol.
    ConnectionLost(CloseReason),
}

impl fmt::Display for MemcacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidKey(key) => {
                write!(f, "{key:?} is no key: it needs 1 to 250 bytes, none of them a blank or a control character")
            }
            Self::ValueTooLong(length) => write!(f, "a value of {length} bytes is longer than it may be"),
            Self::Full(unsent) => {
                write!(f, "the request is not sent: behind {unsent} unsent bytes it would pass the output limit")
            }
            Self::UnknownCommand => f.write_str("the server does not know the command"),
            Self::ClientError(text) => write!(f, "the server refuses the request: {}", escaped(text)),
            Self::ServerError(text) => write!(f, "the server has failed: {}", escaped(text)),
            Self::ConnectionLost(reason) => write!(f, "no answer: {reason}"),
        }
    }
}

impl Error for MemcacheError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ConnectionLost(reason) => Some(reason),
            _ => None,
        }
    }
}
