//! Displaying untrusted text to people.

use std::fmt;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Displays untrusted bytes, such as a peer's, for people to read: on a terminal they move no cursor and change no
/// colour, in a log they begin no line, and they read in the order in which they are stored.
///
/// Control characters, characters that reorder text, and line separators become `\n`, `\x1b` or `\u{202e}`; invalid
/// UTF-8 becomes `\xff`. Everything else, even a backslash, stays as it is: the result is for reading, not for parsing.
/// Leave text for programs unescaped.
///
/// ```
/// use reactor::text::escaped;
///
/// let reply = b"all is well\x1b[2J\xff";
/// assert_eq!(escaped(reply).to_string(), "all is well\\x1b[2J\\xff");
/// assert_eq!(escaped("größer \\ 1\t\u{202e}").to_string(), "größer \\ 1\\t\\u{202e}");
/// assert_eq!(escaped("one\r\n\ttwo\r").multiline().to_string(), "one\r\n\ttwo\\r");
/// ```
pub fn escaped<T: AsRef<[u8]> + ?Sized>(text: &T) -> Escaped<'_> {
    Escaped { text: text.as_ref(), multiline: false }
}

/// The same for a path.
pub(crate) fn escaped_path<P: AsRef<Path> + ?Sized>(path: &P) -> Escaped<'_> {
    escaped(path.as_ref().as_os_str().as_bytes())
}

/// The displayable result of [`escaped`].
#[derive(Clone, Copy)]
#[must_use]
pub struct Escaped<'a> {
    text: &'a [u8],
    multiline: bool,
}

impl Escaped<'_> {
    /// Leaves line ends and tabs as they are: for a text that stands by itself.
    pub fn multiline(mut self) -> Self {
        self.multiline = true;
        self
    }

    /// Whether `character` is shown as it is, before `next`.
    fn shows(self, character: char, next: Option<char>) -> bool {
        match character {
            '\n' | '\t' => self.multiline,
            '\r' => self.multiline && next == Some('\n'),
            _ => !character.is_control() && !misleads(character),
        }
    }
}

/// Whether it changes the order in which others are displayed (Unicode's `Bidi_Control`), or separates lines.
fn misleads(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.text.utf8_chunks() {
            let mut characters = chunk.valid().chars().peekable();
            while let Some(character) = characters.next() {
                match character {
                    _ if self.shows(character, characters.peek().copied()) => f.write_char(character)?,
                    '\n' | '\r' | '\t' => write!(f, "{}", character.escape_default())?,
                    _ if character.is_ascii() => write!(f, "\\x{:02x}", u32::from(character))?,
                    _ => write!(f, "{}", character.escape_unicode())?,
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Formats as it displays, in quotes.
impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_ends_a_line_is_shown_as_a_number() {
        for (text, shown) in [
            (&b"\x00\x07\x08\x1b\x7f"[..], "\\x00\\x07\\x08\\x1b\\x7f"),
            (b"a\nb\rc\td", "a\\nb\\rc\\td"),
            // The sequence introducer in one character, and in a byte that is none.
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            (b"\x9b31m", "\\x9b31m"),
            ("\u{2028}\u{202e}\u{2066}\u{200f}".as_bytes(), "\\u{2028}\\u{202e}\\u{2066}\\u{200f}"),
            (b"\xe2\x82", "\\xe2\\x82"),
        ] {
            assert_eq!(escaped(text).to_string(), shown);
        }
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["", "C:\\a \"b\" 'c'", "größer, e\u{301}, 日本語, 👩\u{200d}👩\u{200d}👧, עברית"] {
            assert_eq!(escaped(text).to_string(), text);
            assert_eq!(escaped(text).multiline().to_string(), text);
        }
    }

    #[test]
    fn in_a_text_of_its_own_lines_end_and_nothing_is_written_over() {
        assert_eq!(escaped("a\nb\r\n\tc\rd\r").multiline().to_string(), "a\nb\r\n\tc\\rd\\r");
        assert_eq!(escaped("\r\r\n\x1b").multiline().to_string(), "\\r\r\n\\x1b");
    }
}
