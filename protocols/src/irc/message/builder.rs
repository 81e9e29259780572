use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use crate::irc::message::escaped::Escaped;
use crate::irc::message::tags::escape_tag;

/// A message to send. Twisted's `sendMessage`.
///
/// Whatever it is given, it makes one message that is well formed, so that a name or a text from a peer cannot add
/// parameters or lines:
///
/// - CR, LF and NUL end a value: it is cut before the first of them. So does a space in a command or a source.
/// - A parameter that only the last can be (empty, with a space, or with a colon in front) is `*` elsewhere, as servers
///   write it.
/// - What stands behind the tags is cut to 512 bytes with CR LF, not inside a character of UTF-8.
/// - A tag that makes the tags longer than 8,191 bytes is left out, and so is one whose key cannot be one.
///
/// ```
/// use protocols::irc::{MessageBuilder, numeric};
///
/// let welcome = MessageBuilder::new(numeric::RPL_WELCOME).source("irc.example.org").param("ann").trailing("Welcome");
/// assert_eq!(welcome.to_bytes(), ":irc.example.org 001 ann :Welcome\r\n");
///
/// let said = MessageBuilder::new("PRIVMSG").tag("label", "a;b").param("#rust").param("good morning");
/// assert_eq!(said.to_bytes(), "@label=a\\:b PRIVMSG #rust :good morning\r\n");
///
/// let joined = MessageBuilder::new("JOIN").source("ann!a@example.org").param("#rust");
/// assert_eq!(joined.to_bytes(), ":ann!a@example.org JOIN #rust\r\n");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct MessageBuilder {
    /// Without the `@`.
    tags: Vec<u8>,
    /// The source, the command and the parameters, the last without a colon.
    body: Vec<u8>,
    /// Where the last parameter begins.
    last: Option<usize>,
    /// The last parameter has a colon, whether it needs one or not.
    trailing: bool,
}

/// The most bytes of a message behind its tags, with CR LF.
pub(crate) const MAX_BODY: usize = 512;

/// The most bytes of the tags of a message, with the `@` and the space behind them, if a server sends it: 4,096 for its own
/// and 4,095 for what a client gave it.
pub(crate) const MAX_TAGS: usize = 8191;

impl MessageBuilder {
    /// A message with this command: a word or a [numeric](super::super::numeric). If it cannot be one, it is `*`.
    pub fn new(command: impl AsRef<[u8]>) -> Self {
        let command = match word_in(command.as_ref()) {
            [] | [b':' | b'@', ..] => b"*",
            command => command,
        };
        Self { tags: Vec::new(), body: command.to_vec(), last: None, trailing: false }
    }

    /// Adds a tag, escaped. A value that is empty is left out, with its `=`.
    pub fn tag(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let (key, value) = (key.as_ref(), value.as_ref());
        let is_key = |byte: &u8| !matches!(byte, b' ' | b';' | b'=' | b'\\' | b'\0' | b'\r' | b'\n');
        if key.is_empty() || !key.iter().all(is_key) {
            return self;
        }
        let begin = self.tags.len();
        if begin > 0 {
            self.tags.push(b';');
        }
        self.tags.extend_from_slice(key);
        if let value @ [_, ..] = &value[..memchr(0, value).unwrap_or(value.len())] {
            self.tags.push(b'=');
            escape_tag(value, &mut self.tags);
        }
        if self.tags.len() + "@ ".len() > MAX_TAGS {
            self.tags.truncate(begin);
        }
        self
    }

    /// Says who the message is from: `nick!user@host`, or a server's name. Clients say nothing. Call it once, before the
    /// parameters.
    pub fn source(mut self, source: impl AsRef<[u8]>) -> Self {
        let source = word_in(source.as_ref());
        if !source.is_empty() {
            let before = self.body.len();
            self.body.splice(..0, [b":", source, b" "].concat());
            self.last = self.last.map(|last| last + self.body.len() - before);
        }
        self
    }

    /// Adds a parameter. The last gets a colon if it must have one.
    pub fn param(mut self, param: impl AsRef<[u8]>) -> Self {
        self.push(param.as_ref());
        self.trailing = false;
        self
    }

    /// Adds the last parameter, with a colon in any case. For texts of people, which servers send so.
    pub fn trailing(mut self, text: impl AsRef<[u8]>) -> Self {
        self.push(text.as_ref());
        self.trailing = true;
        self
    }

    fn push(&mut self, param: &[u8]) {
        if let Some(last) = self.last.filter(|last| needs_colon(&self.body[*last..])) {
            self.body.truncate(last);
            self.body.push(b'*');
        }
        self.body.push(b' ');
        self.last = Some(self.body.len());
        self.body.extend_from_slice(line_in(param));
    }

    /// Appends the message, with CR LF.
    pub fn write_to(&self, out: &mut BytesMut) {
        let pieces = self.pieces();
        out.reserve(pieces.iter().map(|piece| piece.len()).sum());
        pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    }

    /// The message, with CR LF. To send it to many, send clones of these [`Bytes`].
    pub fn to_bytes(&self) -> Bytes {
        Bytes::from(self.pieces().concat())
    }

    /// What it consists of, in order.
    pub(crate) fn pieces(&self) -> [&[u8]; 7] {
        let (at, space) = if self.tags.is_empty() { (&b""[..], &b""[..]) } else { (&b"@"[..], &b" "[..]) };
        let (before, last) = self.body.split_at(self.last.unwrap_or(self.body.len()));
        let has_colon = self.last.is_some() && (self.trailing || needs_colon(last));
        let colon = if has_colon { &b":"[..] } else { b"" };
        let before = cut(before, MAX_BODY - "\r\n".len() - colon.len());
        let last = cut(last, MAX_BODY - "\r\n".len() - colon.len() - before.len());
        [at, &self.tags, space, before, colon, last, b"\r\n"]
    }
}

impl fmt::Debug for MessageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageBuilder").field(&Escaped(&self.to_bytes())).finish()
    }
}

fn needs_colon(param: &[u8]) -> bool {
    param.is_empty() || param[0] == b':' || param.contains(&b' ')
}

/// The part of a value that can stand in a line.
fn line_in(value: &[u8]) -> &[u8] {
    &value[..memchr::memchr3(b'\r', b'\n', 0, value).unwrap_or(value.len())]
}

/// The part of a value that can be a word.
fn word_in(value: &[u8]) -> &[u8] {
    let line = line_in(value);
    &line[..memchr(b' ', line).unwrap_or(line.len())]
}

/// At most `most` bytes from the front, and no beginning of a character.
pub(crate) fn cut(bytes: &[u8], most: usize) -> &[u8] {
    let Some(cut) = bytes.get(..most).filter(|cut| cut.len() < bytes.len()) else { return bytes };
    let is_continuation = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
    // A character has up to four bytes. What is not UTF-8 is cut anywhere.
    let begin = cut.iter().rev().take(3).position(|byte| !is_continuation(byte)).map(|back| cut.len() - back - 1);
    match begin.map(|begin| (begin, str::from_utf8(&cut[begin..]))) {
        Some((begin, Err(error))) if error.error_len().is_none() => &cut[..begin],
        _ => cut,
    }
}
