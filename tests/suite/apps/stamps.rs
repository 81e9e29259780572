//! Stamped text in the server's format.

use chrono::NaiveDateTime;

/// Takes a stamp off the front of `reply`: the time it shows, and what is behind it.
#[track_caller]
pub(crate) fn split_stamp(reply: &[u8]) -> (NaiveDateTime, &[u8]) {
    let parts = reply.split_at_checked(27).and_then(|(stamp, rest)| {
        let time = str::from_utf8(stamp.strip_prefix(b"[")?.strip_suffix(b"] ")?).ok()?;
        Some((NaiveDateTime::parse_from_str(time, "%a %b %e %H:%M:%S %Y").ok()?, rest))
    });
    parts.unwrap_or_else(|| panic!("no stamp in front of {}", reply.escape_ascii()))
}

/// The text in `reply`, which has a stamp in front and may have more inside; the text itself holds no `[`.
#[track_caller]
pub(crate) fn without_stamps(reply: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut rest = reply;
    while !rest.is_empty() {
        let (_, behind) = split_stamp(rest);
        let end = behind.iter().position(|byte| *byte == b'[').unwrap_or(behind.len());
        text.extend_from_slice(&behind[..end]);
        rest = &behind[end..];
    }
    text
}

/// Whether `reply` is one stamp and `text`.
#[track_caller]
pub(crate) fn is_stamped(reply: impl AsRef<[u8]>, text: impl AsRef<[u8]>) -> bool {
    split_stamp(reply.as_ref()).1 == text.as_ref()
}
