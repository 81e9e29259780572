use std::error::Error;
use std::fmt;

use reactor::CloseReason;
use reactor::text::escaped;

/// Why a call has no answer, or why an [`AmpBox`](crate::amp::AmpBox) does not hold what was requested.
///
/// If a handler returns [`Remote`](Self::Remote), the peer is told of it. Any other error is not shown to the peer: see
/// [`AmpHandler::call_received`](crate::amp::AmpHandler::call_received).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AmpError {
    /// The peer's program answered with an error. Twisted's `RemoteAmpError`.
    Remote {
        /// The kind of error: [`UNKNOWN`](Self::UNKNOWN), [`UNHANDLED`](Self::UNHANDLED), or a code that the two sides
        /// have agreed on.
        code: String,
        /// The peer's description, for people.
        description: String,
    },
    /// The connection ended before the answer came.
    ConnectionLost(CloseReason),
    /// The received bytes are not AMP, or a value is missing or of the wrong type; the text says which.
    Malformed(String),
    /// The call would exceed the connection's output limit, because this many bytes still wait for the peer to take
    /// them. Nothing of the call was sent.
    Full(usize),
    /// A value is too long to send. Twisted's `TooLong`.
    TooLong {
        /// The key of the value in its box.
        key: Vec<u8>,
        /// The length of the value in bytes.
        length: usize,
    },
}

impl AmpError {
    /// The code of an error without details: the peer's handler failed, and the peer closes. Twisted's
    /// `UnknownRemoteError`.
    pub const UNKNOWN: &'static str = "UNKNOWN";

    /// The code of the answer to an unknown command. Twisted's `UnhandledCommand`.
    pub const UNHANDLED: &'static str = "UNHANDLED";

    /// An error for the peer. By custom, codes are words in capitals, such as `ZERO_DIVISION`.
    pub fn remote(code: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Remote { code: code.into(), description: description.into() }
    }

    /// A handler's answer to an unknown command.
    pub fn unhandled(command: &str) -> Self {
        Self::remote(Self::UNHANDLED, format!("Unhandled Command: {command:?}"))
    }

    /// The code, if the peer answered with an error.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Remote { code, .. } => Some(code),
            _ => None,
        }
    }
}

impl From<BoxError> for AmpError {
    fn from(error: BoxError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl fmt::Display for AmpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote { code, description } => {
                write!(f, "the peer answered {}: {}", escaped(code), escaped(description))
            }
            Self::ConnectionLost(reason) => write!(f, "no answer: {reason}"),
            Self::Malformed(what) => f.write_str(what),
            Self::Full(unsent) => {
                write!(f, "call not sent: on top of {unsent} unsent bytes it would exceed the output limit")
            }
            Self::TooLong { key, length } => {
                write!(f, "the value of \"{}\" has {length} bytes: the maximum is 65,535", key.escape_ascii())
            }
        }
    }
}

impl Error for AmpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ConnectionLost(reason) => Some(reason),
            _ => None,
        }
    }
}

/// Why bytes cannot be parsed as boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoxError {
    KeyTooLong(usize),
    /// The maximum size of a box.
    TooLarge(usize),
    DuplicateKey,
}

impl fmt::Display for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyTooLong(length) => write!(f, "a key of {length} bytes: the maximum is {MAX_KEY_LENGTH}"),
            Self::TooLarge(max_size) => {
                write!(f, "a box larger than {max_size} bytes, {KEY_COST} for each key included")
            }
            Self::DuplicateKey => f.write_str("a duplicate key"),
        }
    }
}

impl Error for BoxError {}

pub(crate) const MAX_KEY_LENGTH: usize = 255;

/// What a key adds to the size of a box besides its bytes: roughly the cost of the two handles that a box holds for a
/// key and its value.
pub(crate) const KEY_COST: usize = 64;
