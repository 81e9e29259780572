use std::error::Error;
use std::fmt;

use reactor::CloseReason;
use reactor::text::escaped;

/// Why a [`MemcacheClient`](crate::memcache::MemcacheClient) has no answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MemcacheError {
    /// The key is invalid: empty, longer than 250 bytes, or with a blank or a control character. Nothing was sent.
    InvalidKey(String),
    /// A value of this length is longer than the maximum. Nothing was sent.
    ValueTooLong(usize),
    /// The request would exceed the connection's output limit, because this many bytes still wait for the server to
    /// take them. Nothing of the request was sent; try again when others have been answered.
    Full(usize),
    /// The server does not know the command. Twisted's `NoSuchCommand`.
    UnknownCommand,
    /// The server rejects the request, for this reason. Twisted's `ClientError`.
    ClientError(String),
    /// The server has failed, for this reason. Twisted's `ServerError`.
    ServerError(String),
    /// The connection ended before the answer: [`CloseReason::TimedOut`] if the answer took too long,
    /// [`CloseReason::Failed`] if the server violated the protocol.
    ConnectionLost(CloseReason),
}

impl fmt::Display for MemcacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidKey(key) => {
                write!(
                    f,
                    "{key:?} is not a valid key: it must have 1 to 250 bytes without blanks and control characters"
                )
            }
            Self::ValueTooLong(length) => {
                write!(f, "a value of {length} bytes is longer than the maximum: see MemcacheFactory::max_value_length")
            }
            Self::Full(unsent) => {
                write!(f, "request not sent: on top of {unsent} unsent bytes it would exceed the output limit")
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
