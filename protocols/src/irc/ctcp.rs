//! CTCP: questions, answers and actions inside of `PRIVMSG` and `NOTICE`.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

use crate::irc::message::escaped::Escaped;

/// A CTCP message: the text of a `PRIVMSG` (a query, or an `ACTION`) or a `NOTICE` (a reply) that stands between bytes 0x01.
///
/// As clients of today do, it takes a text for one such message or for none, the byte at the end may be missing, and
/// nothing is quoted. Twisted's `ctcpExtract` finds several in one text, and unquotes them: [`dequote`](Self::dequote).
///
/// ```
/// use protocols::irc::Ctcp;
///
/// let waves = Ctcp::parse(b"\x01ACTION waves\x01").expect("a CTCP message");
/// assert!(waves.is_command("ACTION"));
/// assert_eq!(waves.params(), b"waves");
/// assert_eq!(Ctcp::parse(b"hello"), None);
/// assert_eq!(Ctcp::text("VERSION", ""), b"\x01VERSION\x01");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ctcp<'a> {
    command: &'a [u8],
    params: &'a [u8],
}

const DELIMITER: u8 = 1;

impl<'a> Ctcp<'a> {
    /// Takes a text apart that begins with 0x01; `None` for any other, and if there is no command.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let inside = text.strip_prefix(&[DELIMITER])?;
        let inside = &inside[..memchr(DELIMITER, inside).unwrap_or(inside.len())];
        let (command, params) = match memchr(b' ', inside) {
            Some(at) => (&inside[..at], &inside[at + 1..]),
            None => (inside, &b""[..]),
        };
        (!command.is_empty()).then_some(Self { command, params })
    }

    /// The command as it was sent, at least one byte, such as `VERSION`.
    pub fn command(&self) -> &'a [u8] {
        self.command
    }

    /// Whether the command is this one, in any case.
    pub fn is_command(&self, command: &str) -> bool {
        self.command.eq_ignore_ascii_case(command.as_bytes())
    }

    /// All that stands behind the command and a space; may be empty.
    pub fn params(&self) -> &'a [u8] {
        self.params
    }

    /// The text of a CTCP message to send. Both are cut before a byte 0x01, which nothing inside can have. Twisted's
    /// `ctcpStringify`.
    pub fn text(command: impl AsRef<[u8]>, params: impl AsRef<[u8]>) -> Vec<u8> {
        let mut text = vec![DELIMITER];
        text.extend_from_slice(inside(command.as_ref()));
        if let params @ [_, ..] = inside(params.as_ref()) {
            text.push(b' ');
            text.extend_from_slice(params);
        }
        text.push(DELIMITER);
        text
    }

    /// What a text stands for by the quoting of old clients, Twisted's among them: behind a backslash, `a` is 0x01, and
    /// any other byte itself. Twisted's `ctcpDequote`.
    pub fn dequote(text: &[u8]) -> Cow<'_, [u8]> {
        dequote(text, b'\\', |byte| if byte == b'a' { DELIMITER } else { byte })
    }

    /// The reverse of [`dequote`](Self::dequote). Twisted's `ctcpQuote`.
    pub fn quote(text: &[u8]) -> Cow<'_, [u8]> {
        quote(text, &[(b'\\', b'\\'), (DELIMITER, b'a')], b'\\')
    }
}

fn inside(text: &[u8]) -> &[u8] {
    &text[..memchr(DELIMITER, text).unwrap_or(text.len())]
}

impl fmt::Debug for Ctcp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctcp").field("command", &Escaped(self.command)).field("params", &Escaped(self.params)).finish()
    }
}

/// What a line stands for by the lower quoting of CTCP, with 0x10: `0` is NUL, `n` LF, `r` CR, and any other byte itself.
/// Twisted does this to each line that comes; clients of today do not. Twisted's `lowDequote`.
///
/// ```
/// use protocols::irc::{low_dequote, low_quote};
///
/// assert_eq!(*low_quote(b"two\nlines"), *b"two\x10nlines");
/// assert_eq!(*low_dequote(b"two\x10nlines"), *b"two\nlines");
/// ```
pub fn low_dequote(line: &[u8]) -> Cow<'_, [u8]> {
    dequote(line, LOW_QUOTE, |byte| match byte {
        b'0' => 0,
        b'n' => b'\n',
        b'r' => b'\r',
        other => other,
    })
}

/// The reverse of [`low_dequote`]. Twisted's `lowQuote`.
pub fn low_quote(line: &[u8]) -> Cow<'_, [u8]> {
    quote(line, &[(LOW_QUOTE, LOW_QUOTE), (0, b'0'), (b'\n', b'n'), (b'\r', b'r')], LOW_QUOTE)
}

const LOW_QUOTE: u8 = 0o20;

/// A quote at the end stands for itself, as in Twisted.
fn dequote(text: &[u8], quote: u8, meaning: impl Fn(u8) -> u8) -> Cow<'_, [u8]> {
    if memchr(quote, text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match rest.as_slice().first() {
            Some(quoted) if *byte == quote => {
                plain.push(meaning(*quoted));
                rest.next();
            }
            _ => plain.push(*byte),
        }
    }
    Cow::Owned(plain)
}

fn quote<'a>(text: &'a [u8], table: &[(u8, u8)], quote: u8) -> Cow<'a, [u8]> {
    let quoted = |byte: u8| table.iter().find(|(plain, _)| *plain == byte).map(|(_, quoted)| *quoted);
    if !text.iter().any(|byte| quoted(*byte).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut all = Vec::with_capacity(text.len() + 8);
    for byte in text {
        match quoted(*byte) {
            Some(quoted) => all.extend([quote, quoted]),
            None => all.push(*byte),
        }
    }
    Cow::Owned(all)
}
