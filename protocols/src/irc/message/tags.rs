//! Tags (IRCv3's `message-tags`), and how their values are escaped.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

use crate::irc::message::escaped::Escaped;

/// The tags of a message, an iterator over them: keys, and values as they were sent. [`unescape_tag`] gives what a value
/// stands for, and [`get`](Self::get) does both.
///
/// ```
/// use protocols::irc::Message;
///
/// let message = Message::parse(br"@+draft/reply=a1;label=x\sy;label=z\:w TAGMSG #rust")?;
/// let tags = message.tags();
/// assert_eq!(tags.get(b"label").as_deref(), Some(&b"z;w"[..]));
/// assert_eq!(tags.count(), 3);
/// # Ok::<(), protocols::irc::ParseError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Tags<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// What the tag with this key stands for, unescaped; empty if it has no value. If there are several, the last.
    pub fn get(self, key: &[u8]) -> Option<Cow<'a, [u8]>> {
        self.get_raw(key).map(unescape_tag)
    }

    /// The same as it was sent.
    pub fn get_raw(self, key: &[u8]) -> Option<&'a [u8]> {
        self.filter(|(other, _)| *other == key).last().map(|(_, value)| value)
    }

    /// The tags as they were sent, without the `@` and the space behind them. Of an iterator, those that are left.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let (tag, rest) = split_once(b';', self.rest);
            self.rest = rest;
            if !tag.is_empty() {
                return Some(split_once(b'=', tag));
            }
        }
    }
}

impl fmt::Debug for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = self.map(|(key, value)| (Escaped(key), Escaped(value)));
        f.debug_map().entries(escaped).finish()
    }
}

fn split_once(byte: u8, bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr(byte, bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// What the value of a tag stands for: `\:` is a semicolon, `\s` a space, `\r` CR, `\n` LF, and any other byte behind a
/// backslash is itself.
pub fn unescape_tag(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', value) else { return Cow::Borrowed(value) };
    let mut unescaped = value[..first].to_vec();
    let mut rest = value[first..].iter();
    while let Some(byte) = rest.next() {
        if *byte == b'\\' {
            unescaped.extend(rest.next().map(|escaped| match escaped {
                b':' => b';',
                b's' => b' ',
                b'r' => b'\r',
                b'n' => b'\n',
                other => *other,
            }));
        } else {
            unescaped.push(*byte);
        }
    }
    Cow::Owned(unescaped)
}

/// Appends a value in the form in which tags have it.
pub(crate) fn escape_tag(value: &[u8], out: &mut Vec<u8>) {
    for byte in value {
        let escaped = match byte {
            b';' => b':',
            b' ' => b's',
            b'\r' => b'r',
            b'\n' => b'n',
            b'\\' => b'\\',
            other => {
                out.push(*other);
                continue;
            }
        };
        out.extend([b'\\', escaped]);
    }
}
