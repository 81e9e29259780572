use std::error::Error;
use std::fmt;

use reactor::CloseReason;
use reactor::text::escaped;

/// Why a call has no answer, or an [`AmpBox`](crate::amp::AmpBox) not what is asked of it.
///
/// A handler that returns [`Remote`](Self::Remote) has the peer told of it. Whatever else it returns is not for the
/// peer: see [`AmpHandler::call_received`](crate::amp::AmpHandler::call_received).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AmpError {
    /// The peer's program has answered with an error. Twisted's `RemoteAmpError`.
    Remote {
        /// Which one: [`UNKNOWN`](Self::UNKNOWN), [`UNHANDLED`](Self::UNHANDLED), or what the two sides have agreed on.
        code: String,
        /// What it says about it, for people.
        description: String,
    },
    /// The connection ended before the answer came.
    ConnectionLost(CloseReason),
    /// What was received is not AMP, or not what it should be: the text tells what.
    Malformed(String),
    /// With the call, more would be unsent than the connection's output limit: as many bytes wait for the peer to take
    /// them. Nothing of it was sent.
    Full(usize),
    /// A value is longer than can be sent. Twisted's `TooLong`.
    TooLong {
        /// The key that it has in its box.
        key: Vec<u8>,
        /// How many bytes it has.
        length: usize,
    },
}

impl AmpError {
    /// The code of an error that the peer does not tell more about: its handler has failed, and it closes. Twisted's
    /// `UnknownRemoteError`.
    pub const UNKNOWN: &'static str = "UNKNOWN";

    /// The code of the answer to a command that the peer does not know. Twisted's `UnhandledCommand`.
    pub const UNHANDLED: &'static str = "UNHANDLED";

    /// An error that the peer is to be told. Codes are by custom words in capitals, such as `ZERO_DIVISION`.
    pub fn remote(code: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Remote { code: code.into(), description: description.into() }
    }

    /// What a handler answers to a command that it does not know.
    pub fn unhandled(command: &str) -> Self {
        Self::remote(Self::UNHANDLED, format!("Unhandled Command: {command:?}"))
    }

    /// The code, if the peer has answered with an error.
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
                write!(f, "the call is not sent: behind {unsent} unsent bytes it would pass the output limit")
            }
            Self::TooLong { key, length } => {
                write!(f, "the value of \"{}\" has {length} bytes, of which 65,535 can be sent", key.escape_ascii())
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

/// Why bytes are not boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BoxError {
    KeyTooLong(usize),
    /// The most that a box may count.
    TooLarge(usize),
    DuplicateKey,
}

impl fmt::Display for BoxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyTooLong(length) => write!(f, "a key of {length} bytes, of which there may be {MAX_KEY_LENGTH}"),
            Self::TooLarge(max_size) => {
                write!(f, "a box larger than {max_size} bytes, {KEY_COST} for each key included")
            }
            Self::DuplicateKey => f.write_str("a key that is there twice"),
        }
    }
}

impl Error for BoxError {}

pub(crate) const MAX_KEY_LENGTH: usize = 255;

/// What a key counts besides its bytes: about what the two handles cost that a box has of a key and its value.
pub(crate) const KEY_COST: usize = 64;
