//! Nicks and names of channels: what is one, and which are the same.

use std::sync::Arc;

/// A nick or the name of a channel in lower case: two that are the same to people are equal. The case mapping is `ascii`.
pub type Key = Arc<[u8]>;

/// Bytes that many places share.
pub type Name = Arc<[u8]>;

/// The key of a name.
#[must_use]
pub fn key(name: &[u8]) -> Key {
    name.to_ascii_lowercase().into()
}

/// Whether a client may have this nick: letters, digits, the usual punctuation and, since the server speaks UTF-8 alone, any
/// other character that is neither white space nor a control; not first a digit, a hyphen or what begins a channel.
#[must_use]
pub(in crate::server) fn is_nick(nick: &[u8], longest: usize) -> bool {
    let Ok(text) = std::str::from_utf8(nick) else { return false };
    let punctuation = |c| matches!(c, '[' | ']' | '\\' | '`' | '_' | '^' | '{' | '|' | '}' | '-');
    !nick.is_empty()
        && nick.len() <= longest
        && !text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || punctuation(c) || c.is_alphanumeric())
}

/// Whether this is the name of a channel.
#[must_use]
pub(in crate::server) fn is_channel(name: &[u8], longest: usize) -> bool {
    name.len() > 1
        && name.len() <= longest
        && looks_like_channel(name)
        && std::str::from_utf8(name).is_ok_and(|text| {
            !text.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, ',' | ':' | '*' | '?'))
        })
}

/// Whether a target means a channel, good or bad.
#[must_use]
pub(in crate::server) fn looks_like_channel(target: &[u8]) -> bool {
    target.first() == Some(&b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nicks_and_channels_are_told_from_what_looks_like_them() {
        for good in ["a", "Alice", "[x]", "a-1", "зоя", "_"] {
            assert!(is_nick(good.as_bytes(), 32), "{good}");
        }
        for bad in ["", "1a", "-a", "#a", "a b", "a!b", "a@b", "a,b", "*", "a.b", "a:b", "\u{2028}", "$a", "a\u{7}"] {
            assert!(!is_nick(bad.as_bytes(), 32), "{bad}");
        }
        assert!(!is_nick(b"abc", 2));
        assert!(!is_nick(b"\xff", 32));
        for good in ["#a", "##", "#зоя"] {
            assert!(is_channel(good.as_bytes(), 64), "{good}");
        }
        for bad in ["", "#", "a", "#a b", "#a,b", "#a\u{7}b", "&a", "#a*", "#a:"] {
            assert!(!is_channel(bad.as_bytes(), 64), "{bad}");
        }
    }

    #[test]
    fn case_is_that_of_ascii() {
        assert_eq!(key(b"Foo[]"), key(b"fOO[]"));
        assert_ne!(key(b"a{}"), key(b"a[]"));
    }
}
