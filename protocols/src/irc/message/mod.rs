//! One line as it is on the wire, and what it is made of.

pub(crate) mod builder;
pub(crate) mod escaped;
pub(crate) mod source;
pub(crate) mod tags;

use std::fmt;

use memchr::{memchr, memchr3};

use crate::irc::message::escaped::Escaped;
use crate::irc::message::source::Source;
use crate::irc::message::tags::Tags;

/// One message, borrowed from the line that it came in. Twisted's `parsemsg`.
///
/// Everything in it is bytes: nothing on IRC says which encoding a text has. Most of it is UTF-8.
///
/// ```
/// use protocols::irc::Message;
///
/// let message = Message::parse(b"@time=2026-11-30T12:00:00.000Z :ann!a@example.org PRIVMSG #rust :good morning")?;
/// assert_eq!(message.tags().get(b"time").as_deref(), Some(&b"2026-11-30T12:00:00.000Z"[..]));
/// assert_eq!(message.source().map(|source| source.name()), Some(&b"ann"[..]));
/// assert_eq!(message.command(), b"PRIVMSG");
/// assert_eq!(message.params(), [&b"#rust"[..], b"good morning"]);
/// # Ok::<(), protocols::irc::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    tags: Tags<'a>,
    source: Option<Source<'a>>,
    command: &'a [u8],
    params: [&'a [u8]; MAX_PARAMS],
    param_count: usize,
}

/// The most parameters that a message has (RFC 2812, section 2.3.1).
const MAX_PARAMS: usize = 15;

impl<'a> Message<'a> {
    /// Reads a line: tags, a source, a command and parameters. It may still have its end.
    ///
    /// It is lenient, as servers are: several spaces are one, a command may be any word, and spaces at the end are no
    /// parameter. Only the space is one; a tab is like any other byte. Of more than 15 parameters the last takes all
    /// the rest, with its spaces (RFC 2812, section 2.3.1). Nothing is copied, and lengths do not matter.
    ///
    /// # Errors
    ///
    /// If there is no command, or a byte that no message can have.
    pub fn parse(line: &'a [u8]) -> Result<Self, ParseError> {
        let mut rest = without_end(line);
        if memchr3(b'\r', b'\n', 0, rest).is_some() {
            return Err(ParseError::ForbiddenByte);
        }
        skip_spaces(&mut rest);
        if rest.is_empty() {
            return Err(ParseError::Empty);
        }
        let tags = prefixed(b'@', &mut rest).unwrap_or_default();
        let source = prefixed(b':', &mut rest);
        let command = word(&mut rest);
        if command.is_empty() {
            return Err(ParseError::NoCommand);
        }
        let mut message = Self {
            tags: Tags::new(tags),
            source: source.filter(|source| !source.is_empty()).map(Source::parse),
            command,
            params: [&[]; MAX_PARAMS],
            param_count: 0,
        };
        while !rest.is_empty() {
            let param = match rest {
                [b':', trailing @ ..] => {
                    rest = &[];
                    trailing
                }
                // There is no room for what may come behind it.
                last if message.param_count == MAX_PARAMS - 1 => {
                    rest = &[];
                    last
                }
                _ => word(&mut rest),
            };
            message.params[message.param_count] = param;
            message.param_count += 1;
        }
        Ok(message)
    }

    /// The tags (IRCv3's `message-tags`); there may be none.
    pub fn tags(&self) -> Tags<'a> {
        self.tags
    }

    /// Who it is from. Clients do not say, and servers do not believe them.
    pub fn source(&self) -> Option<Source<'a>> {
        self.source
    }

    /// The command as it was sent, at least one byte: a word in any case, such as `PRIVMSG`, or a [numeric](super::numeric).
    pub fn command(&self) -> &'a [u8] {
        self.command
    }

    /// Whether the command is this one, in any case.
    pub fn is_command(&self, command: &str) -> bool {
        self.command.eq_ignore_ascii_case(command.as_bytes())
    }

    /// The parameters, at most 15. Only the last can be empty, begin with a colon or contain a space.
    pub fn params(&self) -> &[&'a [u8]] {
        &self.params[..self.param_count]
    }

    /// The parameter with this number, the first being 0.
    pub fn param(&self, n: usize) -> Option<&'a [u8]> {
        self.params().get(n).copied()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params: Vec<_> = self.params().iter().map(|param| Escaped(param)).collect();
        f.debug_struct("Message")
            .field("tags", &self.tags)
            .field("source", &self.source)
            .field("command", &Escaped(self.command))
            .field("params", &params)
            .finish()
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    &line[..end]
}

/// Takes a word off that begins with this byte, and returns it without.
fn prefixed<'a>(first: u8, rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    *rest = rest.strip_prefix(&[first])?;
    Some(word(rest))
}

/// Takes a word and the spaces behind it.
fn word<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (word, behind) = rest.split_at(memchr(b' ', rest).unwrap_or(rest.len()));
    *rest = behind;
    skip_spaces(rest);
    word
}

fn skip_spaces(rest: &mut &[u8]) {
    let begin = rest.iter().position(|byte| *byte != b' ').unwrap_or(rest.len());
    *rest = &rest[begin..];
}

/// Why a line is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseError {
    /// There is nothing but spaces. Servers ignore such lines.
    Empty,
    /// There are tags or a source, and no command.
    NoCommand,
    /// A NUL, or a CR or LF that is not at the end.
    ForbiddenByte,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the line is empty",
            Self::NoCommand => "the line has no command",
            Self::ForbiddenByte => "the line has a NUL, or a CR or LF before its end",
        })
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests;
