//! Heads of messages, RFC 9112: how they arrive, and what requests and answers have in common.

use http::header::AsHeaderName;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memmem;

/// The head of a request or an answer while it arrives.
#[derive(Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Takes the bytes of the head; returns the remaining bytes when it is complete.
    pub(crate) fn fill<'a>(&mut self, data: &'a [u8]) -> Option<&'a [u8]> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(data);
        // The end may have begun in earlier bytes.
        let from = before.saturating_sub(2);
        let ends = [&b"\n\r\n"[..], b"\n\n"];
        let end =
            ends.iter().filter_map(|end| Some(memmem::find(&self.bytes[from..], end)? + from + end.len())).min()?;
        self.bytes.truncate(end);
        Some(&data[end - before..])
    }

    /// The memory that it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.bytes.len() > LONGEST
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The fields that `httparse` found: it rejects folded lines, blanks before colons and control characters.
pub(crate) fn fields(parsed: &[httparse::Header<'_>]) -> Result<HeaderMap, http::Error> {
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes())?;
        fields.append(name, HeaderValue::from_bytes(field.value)?);
    }
    Ok(fields)
}

/// The value of a field that must occur exactly once.
pub(crate) fn single<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, String> {
    at_most_one(fields, name)?.ok_or_else(|| format!("has no field {}", capitalized(name)))
}

pub(crate) fn at_most_one<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, String> {
    let mut values = fields.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(format!("has the field {} more than once", capitalized(name)));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(format!("has a field {} that is not ASCII", capitalized(name))),
    }
}

/// The elements of a list field (RFC 9110, section 5.6.1), on any number of lines.
pub(crate) fn elements(fields: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = &str> {
    let values = fields.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|it| !it.is_empty())
}

pub(crate) fn has_element(fields: &HeaderMap, name: impl AsHeaderName, element: &str) -> bool {
    elements(fields, name).any(|it| it.eq_ignore_ascii_case(element))
}

/// Whether it is a token (RFC 9110, section 5.6.2), like the names of subprotocols.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A field's name as written in the specifications.
pub(crate) fn capitalized(name: &HeaderName) -> String {
    let mut name = name.as_str().replace("websocket", "webSocket");
    let mut begins = true;
    // Field names are ASCII.
    let capitalized = name.drain(..).map(|letter| {
        let was_first = std::mem::replace(&mut begins, letter == '-');
        if was_first { letter.to_ascii_uppercase() } else { letter }
    });
    capitalized.collect()
}

/// The maximum length of a head.
const LONGEST: usize = 8 * 1024;

/// The maximum number of fields.
pub(crate) const MOST_FIELDS: usize = 64;
