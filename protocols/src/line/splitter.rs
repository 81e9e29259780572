//! Bytes in, lines out: no transport, no callbacks.

use memchr::memchr;
use memchr::memmem::Finder;

use crate::receiver::input::{Input, Needle};

/// How lines end, and their maximum length.
#[derive(Clone, Debug)]
pub(crate) struct Framing {
    pub(crate) delimiter: Delimiter,
    /// The maximum length of a line in bytes, without its delimiter.
    pub(crate) max_length: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Delimiter {
    /// This byte.
    Byte([u8; 1]),
    /// These bytes, at least two.
    Bytes(Box<Finder<'static>>),
    /// LF, including a CR before it.
    AnyNewline,
}

/// A line is longer than the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl Framing {
    /// Takes the next line off the input, without its delimiter; `None` if the input has no complete line.
    ///
    /// After [`LineTooLong`] the long line is still there: [`Input::everything`] returns it with all that follows.
    #[inline(always)] // once for each line
    pub(crate) fn line<'a>(&self, input: &'a mut Input<'_>) -> Result<Option<&'a [u8]>, LineTooLong> {
        // An unfinished line of this length is too long, whatever follows.
        let limit = self.max_length.saturating_add(self.delimiter.longest());
        let Some(at) = input.find(&self.delimiter, limit) else {
            return if input.len() >= limit { Err(LineTooLong) } else { Ok(None) };
        };
        let mut length = at;
        if matches!(self.delimiter, Delimiter::AnyNewline) && at > 0 && input.byte(at - 1) == b'\r' {
            length -= 1;
        }
        if length > self.max_length {
            return Err(LineTooLong);
        }
        Ok(input.take(at + self.delimiter.len()).map(|bytes| &bytes[..length]))
    }
}

impl Framing {
    /// Takes the next line off these bytes, without its delimiter, if it is there as a whole and not too long.
    #[inline(always)] // once for each line
    pub(crate) fn whole_line<'a>(&self, bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (length, delimiter) = match &self.delimiter {
            Delimiter::Byte([byte]) => (memchr(*byte, bytes)?, 1),
            Delimiter::Bytes(finder) => (finder.find(bytes)?, finder.needle().len()),
            Delimiter::AnyNewline => match memchr(b'\n', bytes)? {
                at if at > 0 && bytes[at - 1] == b'\r' => (at - 1, 2),
                at => (at, 1),
            },
        };
        let line = bytes.get(..length).filter(|line| line.len() <= self.max_length)?;
        *bytes = bytes.get(length + delimiter..)?;
        Some(line)
    }

    /// The reason of a connection whose peer sent a line that is too long.
    pub(crate) fn too_long(&self) -> String {
        format!("the peer sent a line of more than {} bytes", self.max_length)
    }
}

impl Delimiter {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        match *bytes {
            [byte] => Self::Byte([byte]),
            _ => Self::Bytes(Box::new(Finder::new(bytes).into_owned())),
        }
    }

    /// The delimiter of sent lines.
    #[inline]
    pub(crate) fn to_send(&self) -> &[u8] {
        match self {
            Self::Byte(byte) => byte,
            Self::Bytes(finder) => finder.needle(),
            Self::AnyNewline => b"\r\n",
        }
    }

    /// The maximum number of bytes between the end of one line and the beginning of the next.
    #[inline]
    fn longest(&self) -> usize {
        self.to_send().len()
    }
}

impl Needle for Delimiter {
    #[inline]
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Byte([byte]) => memchr(*byte, bytes),
            Self::Bytes(finder) => finder.find(bytes),
            Self::AnyNewline => memchr(b'\n', bytes),
        }
    }

    #[inline]
    fn len(&self) -> usize {
        match self {
            Self::Byte(_) | Self::AnyNewline => 1,
            Self::Bytes(finder) => finder.needle().len(),
        }
    }
}

#[cfg(test)]
mod tests;
