use std::fmt;

use memchr::{memchr, memchr2};

use crate::irc::message::escaped::Escaped;

/// Who a message is from: a server's name, or a user's nick with user name and host. Twisted's `prefix`.
///
/// ```
/// use protocols::irc::Source;
///
/// let ann = Source::parse(b"ann!~a@example.org");
/// assert_eq!((ann.name(), ann.user(), ann.host()), (&b"ann"[..], Some(&b"~a"[..]), Some(&b"example.org"[..])));
/// let server = Source::parse(b"irc.example.org");
/// assert_eq!((server.name(), server.user(), server.host()), (&b"irc.example.org"[..], None, None));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    whole: &'a [u8],
    name: &'a [u8],
    user: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

impl<'a> Source<'a> {
    /// Takes `nick!user@host` apart. User and host may be missing, and hold any bytes.
    pub fn parse(whole: &'a [u8]) -> Self {
        let (name, rest) = whole.split_at(memchr2(b'!', b'@', whole).unwrap_or(whole.len()));
        let (user, host) = match rest {
            [b'!', rest @ ..] => match memchr(b'@', rest) {
                Some(at) => (Some(&rest[..at]), Some(&rest[at + 1..])),
                None => (Some(rest), None),
            },
            [_, host @ ..] => (None, Some(host)),
            [] => (None, None),
        };
        Self { whole, name, user, host }
    }

    /// The nick, or the server's name.
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// The user name.
    pub fn user(&self) -> Option<&'a [u8]> {
        self.user
    }

    /// The host as the server shows it, which need not be the name of one.
    pub fn host(&self) -> Option<&'a [u8]> {
        self.host
    }

    /// All of it: `nick!user@host`.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.whole
    }
}

impl AsRef<[u8]> for Source<'_> {
    fn as_ref(&self) -> &[u8] {
        self.whole
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&Escaped(self.whole)).finish()
    }
}
