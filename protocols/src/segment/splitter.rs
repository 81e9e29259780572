//! Bytes in, pieces of segments and their ends out: no transport, no callbacks.

use std::borrow::Cow;

use memchr::memmem;

use crate::receiver::input::{Input, Needle};
use crate::segment::terminator::Terminator;

/// The next piece of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Bytes of the segment, at least one.
    Data(&'a [u8]),
    /// The end of the segment, after a terminator of this length in bytes.
    End(usize),
}

impl Terminator {
    /// Takes the next piece off the input; `None` when the bytes are used up or may begin a terminator. A count is
    /// decreased, and removed when it is reached.
    pub(crate) fn piece<'a>(&mut self, input: &'a mut Input<'_>) -> Option<Piece<'a>> {
        let most = match self {
            Self::Bytes(bytes) if !bytes.is_empty() => match input.find(bytes, usize::MAX) {
                Some(0) => return input.take(bytes.len()).map(|found| Piece::End(found.len())),
                Some(at) => at,
                None => input.len() - input.begun(bytes),
            },
            Self::Count(0) => {
                *self = Self::None;
                return Some(Piece::End(0));
            }
            Self::Count(count) => *count,
            Self::Bytes(_) | Self::None => usize::MAX,
        };
        let data = input.raw(most)?;
        if let Self::Count(count) = self {
            *count -= data.len();
        }
        Some(Piece::Data(data))
    }
}

impl Needle for Cow<'_, [u8]> {
    fn find(&self, bytes: &[u8]) -> Option<usize> {
        memmem::find(bytes, self)
    }

    fn len(&self) -> usize {
        self.as_ref().len()
    }
}

#[cfg(test)]
mod tests;
