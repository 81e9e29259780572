use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::irc::case_mapping::CaseMapping;
use crate::irc::message::Message;
use crate::irc::message::escaped::Escaped;
use crate::irc::mode_changes::{ModeKinds, prefix_modes};

/// What a server supports, as it says in its messages [`RPL_ISUPPORT`](super::numeric::RPL_ISUPPORT) (005). Twisted's
/// `ServerSupportedFeatures`.
///
/// ```
/// use protocols::irc::{CaseMapping, Message, ServerSupport};
///
/// let mut support = ServerSupport::default();
/// assert_eq!(support.case_mapping(), CaseMapping::Rfc1459);
/// support.update(&Message::parse(b":irc.example.org 005 ann CASEMAPPING=ascii NICKLEN=20 NETWORK=My\\x20Net :are supported")?);
/// assert_eq!(support.case_mapping(), CaseMapping::Ascii);
/// assert_eq!(support.number(b"NICKLEN"), Some(20));
/// assert_eq!(support.get(b"NETWORK").as_deref(), Some(&b"My Net"[..]));
/// # Ok::<(), protocols::irc::ParseError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ServerSupport(BTreeMap<Vec<u8>, Vec<u8>>);

/// The most that is kept; far more than any server has.
const MOST_TOKENS: usize = 256;

impl ServerSupport {
    /// Takes over what a message 005 says: the first parameter is the client's nick and the last a text. `-KEY` takes a key
    /// back. At most 256 keys are kept.
    pub fn update(&mut self, message: &Message<'_>) {
        let [_, tokens @ .., _] = message.params() else { return };
        for token in tokens {
            let (key, value) = match token.iter().position(|byte| *byte == b'=') {
                Some(at) => (&token[..at], &token[at + 1..]),
                None => (*token, &b""[..]),
            };
            if let Some(key) = key.strip_prefix(b"-") {
                self.0.remove(&key.to_ascii_uppercase());
            } else if !key.is_empty() && (self.0.len() < MOST_TOKENS || self.has(key)) {
                self.0.insert(key.to_ascii_uppercase(), value.to_vec());
            }
        }
    }

    /// Whether the server has said this key, such as `WHOX`.
    pub fn has(&self, key: &[u8]) -> bool {
        self.get_raw(key).is_some()
    }

    /// The value of a key, in which `\x20` is a space and so on; empty if it has none.
    pub fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.get_raw(key).map(unescape)
    }

    fn get_raw(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(&*key.to_ascii_uppercase()).map(Vec::as_slice)
    }

    /// The value of a key as a number, such as `NICKLEN`.
    pub fn number(&self, key: &[u8]) -> Option<usize> {
        str::from_utf8(self.get_raw(key)?).ok()?.parse().ok()
    }

    /// All keys and their values as they were sent, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (&key[..], &value[..]))
    }

    /// How names are compared: `CASEMAPPING`, otherwise as RFC 1459 has it.
    pub fn case_mapping(&self) -> CaseMapping {
        self.get_raw(b"CASEMAPPING").and_then(CaseMapping::from_name).unwrap_or_default()
    }

    /// The characters that channels begin with: `CHANTYPES`, otherwise `#&`.
    pub fn channel_types(&self) -> &[u8] {
        self.get_raw(b"CHANTYPES").unwrap_or(b"#&")
    }

    /// Whether this is a channel rather than a user.
    pub fn is_channel(&self, name: &[u8]) -> bool {
        name.first().is_some_and(|first| self.channel_types().contains(first))
    }

    /// The modes of channels: `CHANMODES` and `PREFIX`, otherwise those of RFC 1459.
    pub fn channel_modes(&self) -> ModeKinds {
        ModeKinds::parse(self.get_raw(b"CHANMODES").unwrap_or(b"b,k,l,imnpst"), self.prefix())
    }

    /// The modes that give users a status in a channel, and the characters that stand before their nicks then, the highest
    /// first: `PREFIX`, otherwise `o` with `@` and `v` with `+`.
    pub fn prefixes(&self) -> impl Iterator<Item = (u8, u8)> {
        let modes = prefix_modes(self.prefix());
        let characters = self.prefix().get(modes.len() + "()".len()..).unwrap_or_default();
        modes.iter().copied().zip(characters.iter().copied())
    }

    fn prefix(&self) -> &[u8] {
        self.get_raw(b"PREFIX").unwrap_or(b"(ov)@+")
    }
}

/// `\xHH` is the byte with this hexadecimal number.
fn unescape(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'\\') {
        return Cow::Borrowed(value);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, behind @ ..] = rest {
        rest = behind;
        if let (b'\\', [b'x', high, low, behind @ ..]) = (first, behind)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            plain.push(high << 4 | low);
            rest = behind;
        } else {
            plain.push(*first);
        }
    }
    Cow::Owned(plain)
}

impl fmt::Debug for ServerSupport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, value)| (Escaped(key), Escaped(value)))).finish()
    }
}
