use std::error::Error;
use std::fmt;

use crate::receiver::handle::Handle;
use crate::string::format::{LONGEST_PREFIX, StringFormat};

/// A handle of one connection whose protocol is a [`StringReceiver`](crate::StringReceiver): how a
/// [`StringHandler`](crate::StringHandler) sends strings. How it closes, paces and times is said at [`Handle`].
pub type Strings = Handle<StringKind>;

/// What strings share besides.
#[derive(Debug)]
pub struct StringKind {
    pub(crate) format: StringFormat,
}

impl Strings {
    /// Sends a string with its length. Twisted's `sendString`.
    ///
    /// The greatest length that is accepted from the peer does not count here.
    ///
    /// # Errors
    ///
    /// If the length is greater than the format can tell: 255 bytes for [`StringFormat::Int8`], 65,535 for the formats
    /// of 16 bits, 4,294,967,295 for those of 32. Nothing is sent then.
    pub fn send_string(&self, string: impl AsRef<[u8]>) -> Result<(), StringTooLong> {
        let (format, string) = (self.0.kind.format, string.as_ref());
        let mut room = [0; LONGEST_PREFIX];
        let prefix = format.write_prefix(string.len(), &mut room)?;
        self.transport().write_sequence(&[prefix, string, format.suffix()]);
        Ok(())
    }
}

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
