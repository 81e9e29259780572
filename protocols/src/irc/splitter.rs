//! Bytes in, lines out: no transport, no callbacks.

use crate::irc::message::builder::{MAX_BODY, MAX_TAGS};
use crate::line::splitter::{Delimiter, Framing, LineTooLong};
use crate::receiver::input::Input;

/// How long the peer's lines may be. Tags are counted apart.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The most bytes of tags, with the `@` and the space behind them.
    max_tags: usize,
    /// The most bytes of what stands behind the tags, without its end.
    max_body: usize,
    /// Of a line without tags.
    plain: Framing,
    /// Of a line with tags.
    tagged: Framing,
}

/// What is known of the line that is being received.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    /// The line is too long: what comes of it is left out.
    pub(crate) skips: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A line without its end.
    Line(&'a [u8]),
    /// A line is too long. It is left out.
    TooLong,
}

impl Limits {
    /// `max_body` counts the end of a line, CR LF.
    pub(crate) fn new(max_tags: usize, max_body: usize) -> Self {
        let max_body = max_body.saturating_sub(END);
        let of = |max_length| Framing { delimiter: Delimiter::AnyNewline, max_length };
        Self { max_tags, max_body, plain: of(max_body), tagged: of(max_body.saturating_add(max_tags)) }
    }

    pub(crate) fn with_max_tags(&self, max_tags: usize) -> Self {
        Self::new(max_tags, self.max_body + END)
    }

    pub(crate) fn with_max_body(&self, max_body: usize) -> Self {
        Self::new(self.max_tags, max_body)
    }

    /// Whether a line, without its end, has too long a part.
    fn has_long_part(&self, line: &[u8]) -> bool {
        let after_tags = || memchr::memchr(b' ', line).map_or(line.len(), |space| space + 1);
        let tags = if line.starts_with(TAGS) { after_tags() } else { 0 };
        tags > self.max_tags || line.len() - tags > self.max_body
    }
}

/// Whether a line, without its end, is longer than clients may send: 4,096 bytes of tags, with the `@` and the space behind them,
/// and 510 of the rest. For lines that come in another way than a stream, such as messages of a web socket.
///
/// ```
/// use protocols::irc::is_too_long;
///
/// assert!(!is_too_long(b"@label=1 PRIVMSG #rust :good morning"));
/// assert!(is_too_long("x".repeat(511).as_bytes()));
/// ```
pub fn is_too_long(line: &[u8]) -> bool {
    Limits::default().has_long_part(line)
}

/// What a client may send: 4,094 bytes of tags, the `@` and the space.
impl Default for Limits {
    fn default() -> Self {
        Self::new(MAX_TAGS / 2 + 1, MAX_BODY)
    }
}

const TAGS: &[u8] = b"@";

/// The length of CR LF.
const END: usize = 2;

impl Splitter {
    /// Takes the next line off the input; `None` if it is incomplete.
    pub(crate) fn next<'a>(&mut self, limits: &Limits, input: &'a mut Input<'_>) -> Option<Piece<'a>> {
        if self.skips {
            let Some(at) = input.find(&limits.plain.delimiter, usize::MAX) else {
                input.clear();
                return None;
            };
            input.take(at + 1);
            self.skips = false;
        }
        let has_tags = input.len() > 0 && input.byte(0) == TAGS[0];
        let framing = if has_tags { &limits.tagged } else { &limits.plain };
        match framing.line(input) {
            Ok(Some(line)) if limits.has_long_part(line) => Some(Piece::TooLong),
            Ok(line) => line.map(Piece::Line),
            Err(LineTooLong) => {
                self.skips = true;
                Some(Piece::TooLong)
            }
        }
    }
}
