//! A line in the making, from a peer that may send each character as it is typed.

use std::borrow::Cow;

/// What has come of the next line.
#[derive(Debug)]
pub(crate) struct LineEditor {
    line: Vec<u8>,
    /// The maximum length of a line in bytes.
    max_length: usize,
}

/// The line is longer than the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

impl LineEditor {
    pub(crate) fn new(max_length: usize) -> Self {
        Self { line: Vec::new(), max_length }
    }

    /// The memory that the unfinished line takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.line.capacity()
    }

    /// Adds what was typed; what erases characters does.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), LineTooLong> {
        for piece in bytes.split_inclusive(|byte| erases(*byte)) {
            let (typed, key) = match piece.split_last() {
                Some((key, typed)) if erases(*key) => (typed, Some(*key)),
                _ => (piece, None),
            };
            if typed.len() > self.max_length - self.line.len() {
                return Err(LineTooLong);
            }
            self.line.extend_from_slice(typed);
            match key {
                Some(ERASE_LINE) => self.erase_line(),
                Some(_) => self.erase_character(),
                None => {}
            }
        }
        Ok(())
    }

    /// Adds the end of a line, and takes all of it.
    pub(crate) fn end<'a>(&mut self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, LineTooLong> {
        if self.line.is_empty() && bytes.len() <= self.max_length && !bytes.iter().copied().any(erases) {
            return Ok(Cow::Borrowed(bytes));
        }
        self.add(bytes)?;
        Ok(Cow::Owned(self.take()))
    }

    /// Takes what there is, and begins the next line.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }

    /// Erases the last character; of UTF-8 all of its bytes.
    pub(crate) fn erase_character(&mut self) {
        while self.line.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
    }

    pub(crate) fn erase_line(&mut self) {
        self.line.clear();
    }
}

/// Control-U, as terminals have it.
const ERASE_LINE: u8 = 0x15;

fn erases(byte: u8) -> bool {
    matches!(byte, 0x08 | 0x7F | ERASE_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pieces: &[&[u8]]) -> Result<Vec<u8>, LineTooLong> {
        let mut editor = LineEditor::new(8);
        let (last, before) = pieces.split_last().unwrap();
        for piece in before {
            editor.add(piece)?;
        }
        editor.end(last).map(Cow::into_owned)
    }

    #[test]
    fn what_is_erased_is_not_in_the_line() {
        assert_eq!(line(&[b"lx\x7fook"]).unwrap(), b"look");
        assert_eq!(line(&[b"l", b"x", b"\x08", b"ook", b""]).unwrap(), b"look");
        assert_eq!(line(&[b"\x7f\x7fwrong\x15look"]).unwrap(), b"look");
        assert_eq!(line(&["a€\x7fb".as_bytes()]).unwrap(), b"ab");
        assert_eq!(line(&[b"\x80\x80\x7f"]).unwrap(), b"");
    }

    #[test]
    fn a_line_has_up_to_its_maximum_of_bytes_whatever_is_erased_later() {
        assert_eq!(line(&[b"12345678"]).unwrap(), b"12345678");
        assert_eq!(line(&[b"1234", b"5678"]).unwrap(), b"12345678");
        assert_eq!(line(&[b"123456789"]), Err(LineTooLong));
        assert_eq!(line(&[b"1234", b"56789"]), Err(LineTooLong));
        assert_eq!(line(&[b"12345678\x7f8"]).unwrap(), b"12345678");
    }

    #[test]
    fn a_line_that_came_whole_is_not_copied() {
        let mut editor = LineEditor::new(8);
        assert!(matches!(editor.end(b"look"), Ok(Cow::Borrowed(b"look"))));
        assert_eq!(editor.held_bytes(), 0);
    }
}
