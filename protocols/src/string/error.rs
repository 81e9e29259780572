use std::error::Error;
use std::fmt;

/// Why what the peer sent is no string, or none that it may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StringError {
    /// It is longer than [`StringFactory::max_length`](crate::string::StringFactory::max_length) allows.
    TooLong {
        /// Its length; where this is refused before it is told to the end, as far as it is told.
        length: u64,
        /// The greatest that is accepted.
        max_length: usize,
    },
    /// What stands in the place of a length is none.
    NoLength,
    /// There is no comma behind a netstring.
    NoComma,
}

impl fmt::Display for StringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, max_length } => {
                write!(f, "the peer sent a string of {length} bytes or more, and the longest allowed is {max_length}")
            }
            Self::NoLength => f.write_str("the peer sent something else than the length of a string"),
            Self::NoComma => f.write_str("the peer sent a netstring without a comma behind it"),
        }
    }
}

impl Error for StringError {}

/// A string is longer than its format can tell. Twisted's `StringTooLongError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringTooLong {
    pub(crate) length: usize,
    pub(crate) most: usize,
}

impl fmt::Display for StringTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length, most } = self;
        write!(f, "cannot send a string of {length} bytes: the greatest length its format can tell is {most}")
    }
}

impl Error for StringTooLong {}
