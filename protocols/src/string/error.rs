use std::error::Error;
use std::fmt;

/// Why the peer's string was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StringError {
    /// The string is longer than [`StringFactory::max_length`](crate::string::StringFactory::max_length).
    TooLong {
        /// Its length; if the string is rejected before the length is complete, the part of it received so far.
        length: u64,
        /// The maximum length.
        max_length: usize,
    },
    /// The length is not valid.
    NoLength,
    /// The comma after a netstring is missing.
    NoComma,
}

impl fmt::Display for StringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, max_length } => {
                write!(f, "the peer sent a string of {length} bytes or more: the maximum is {max_length}")
            }
            Self::NoLength => f.write_str("the peer sent an invalid string length"),
            Self::NoComma => f.write_str("the peer sent a netstring without a comma after it"),
        }
    }
}

impl Error for StringError {}

/// A string is too long for the length field of its format. Twisted's `StringTooLongError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StringTooLong {
    pub(crate) length: usize,
    pub(crate) most: usize,
}

impl fmt::Display for StringTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { length, most } = self;
        write!(f, "cannot send a string of {length} bytes: the maximum of its format is {most}")
    }
}

impl Error for StringTooLong {}
