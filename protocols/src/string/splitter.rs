//! Bytes in, strings out: no transport, no callbacks.

use crate::receiver::input::Input;
use crate::string::error::StringError;
use crate::string::format::{LONGEST_PREFIX, StringFormat};

/// The format of strings, and their maximum length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StringSplitter {
    pub(crate) format: StringFormat,
    /// The maximum length of a string in bytes, without prefix and suffix.
    pub(crate) max_length: usize,
}

impl StringSplitter {
    /// Takes the next string off the input; `None` if it is incomplete.
    pub(crate) fn string<'a>(&self, input: &'a mut Input<'_>) -> Result<Option<&'a [u8]>, StringError> {
        let mut room = [0; LONGEST_PREFIX];
        let first = input.peek(&mut room[..self.format.longest_prefix()]);
        let Some(prefix) = self.format.read_prefix(first, self.max_length)? else { return Ok(None) };
        let suffix = self.format.suffix();
        let end = prefix.bytes.saturating_add(prefix.length);
        let Some(bytes) = input.take(end.saturating_add(suffix.len())) else { return Ok(None) };
        // Comparing no bytes can take longer than everything else: the C library looks at an address where nothing is.
        if !suffix.is_empty() && bytes[end..] != *suffix {
            return Err(StringError::NoComma);
        }
        Ok(Some(&bytes[prefix.bytes..end]))
    }
}

#[cfg(test)]
mod tests;
