use std::fmt;

use bytes::Bytes;

use crate::amp::error::{AmpError, BoxError, KEY_COST, MAX_KEY_LENGTH};
use crate::amp::value::{FromAmp, ToAmp, encode_part};

/// The unit that AMP sends: values by their keys, sorted by key. Twisted's `AmpBox`.
///
/// A key has 1 to 255 bytes, and a value up to 65,535. The two sides agree on the meaning of a value; [`ToAmp`] and
/// [`FromAmp`] convert the same types as Twisted's arguments.
///
/// ```
/// use protocols::amp::AmpBox;
///
/// let arguments = AmpBox::new().with("a", 13).with("name", "Ada").with("list", vec![1, 2, 3]);
/// assert_eq!(arguments.get::<i64>("a")?, 13);
/// assert_eq!(arguments.get::<Vec<i64>>("list")?, [1, 2, 3]);
/// assert_eq!(arguments.get::<i64>("name").unwrap_err().to_string(), "the value of \"name\" is not an integer: \"Ada\"");
/// assert_eq!(AmpBox::new().with("a", 13).encode()?, b"\0\x01a\0\x0213\0\0");
/// # Ok::<(), protocols::amp::AmpError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct AmpBox {
    /// Sorted by key; no key occurs twice.
    entries: Vec<(Bytes, Bytes)>,
}

impl AmpBox {
    /// An empty box.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the box with this value in it, replacing any value of the same key.
    ///
    /// # Panics
    ///
    /// If the key is empty or has more than 255 bytes.
    #[track_caller]
    #[must_use]
    pub fn with(mut self, key: impl AsRef<[u8]>, value: impl ToAmp) -> Self {
        self.set(key, value);
        self
    }

    /// Puts a value into the box, replacing any value of the same key. Its length is checked when the box is
    /// [encoded](Self::encode) or sent.
    ///
    /// # Panics
    ///
    /// If the key is empty or has more than 255 bytes.
    #[track_caller]
    pub fn set(&mut self, key: impl AsRef<[u8]>, value: impl ToAmp) {
        let key = key.as_ref();
        assert!((1..=MAX_KEY_LENGTH).contains(&key.len()), "a key has 1 to 255 bytes, but this one has {}", key.len());
        let value = value.to_value();
        match self.place_of(key) {
            Ok(place) => self.entries[place].1 = value,
            Err(place) => self.entries.insert(place, (Bytes::copy_from_slice(key), value)),
        }
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`AmpError::Malformed`] if the key is missing or its value is not a `T`.
    pub fn get<T: FromAmp>(&self, key: impl AsRef<[u8]>) -> Result<T, AmpError> {
        let key = key.as_ref();
        let value = self.get_optional(key)?;
        value.ok_or_else(|| AmpError::Malformed(format!("there is no value of \"{}\"", key.escape_ascii())))
    }

    /// The value of a key that the peer may leave out. Twisted's `optional=True`.
    ///
    /// # Errors
    ///
    /// [`AmpError::Malformed`] if there is a value that is not a `T`.
    pub fn get_optional<T: FromAmp>(&self, key: impl AsRef<[u8]>) -> Result<Option<T>, AmpError> {
        let key = key.as_ref();
        let Ok(place) = self.place_of(key) else { return Ok(None) };
        let value = &self.entries[place].1;
        T::from_value(value).map(Some).ok_or_else(|| {
            let shown = value.get(..SHOWN).unwrap_or(value).escape_ascii();
            AmpError::Malformed(format!("the value of \"{}\" is not {}: \"{shown}\"", key.escape_ascii(), T::KIND))
        })
    }

    /// Removes and returns a value.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> Option<Bytes> {
        let place = self.place_of(key.as_ref()).ok()?;
        Some(self.entries.remove(place).1)
    }

    /// The keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Bytes)> {
        self.entries.iter().map(|(key, value)| (&**key, value))
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the box is empty.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes on the wire. Twisted's `serialize`.
    ///
    /// # Errors
    ///
    /// [`AmpError::TooLong`] if a value has more than 65,535 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, AmpError> {
        if let Some((key, value)) = self.iter().find(|(_, value)| value.len() > MAX_VALUE_LENGTH) {
            return Err(AmpError::TooLong { key: key.to_vec(), length: value.len() });
        }
        let mut encoded = Vec::with_capacity(self.encoded_length());
        self.encode_into(&mut encoded);
        Ok(encoded)
    }

    /// A box of received keys and values, in any order.
    pub(crate) fn from_entries(mut entries: Vec<(Bytes, Bytes)>) -> Result<Self, BoxError> {
        entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if entries.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(BoxError::DuplicateKey);
        }
        Ok(Self { entries })
    }

    /// If a value is too long, the encoded form is too long as well.
    pub(crate) fn encode_into(&self, encoded: &mut Vec<u8>) {
        for (key, value) in &self.entries {
            for part in [key, value] {
                encode_part(part, encoded);
            }
        }
        encoded.extend([0, 0]);
    }

    /// The size that counts against the limit on boxes.
    pub(crate) fn size(&self) -> usize {
        self.encoded_length() + self.len() * KEY_COST
    }

    fn encoded_length(&self) -> usize {
        self.entries.iter().map(|(key, value)| key.len() + value.len() + 4).sum::<usize>() + 2
    }

    fn place_of(&self, key: &[u8]) -> Result<usize, usize> {
        self.entries.binary_search_by(|(other, _)| (**other).cmp(key))
    }
}

impl ToAmp for Vec<AmpBox> {
    fn to_value(&self) -> Bytes {
        let mut encoded = Vec::new();
        for element in self {
            element.encode_into(&mut encoded);
        }
        encoded.into()
    }
}

impl fmt::Debug for AmpBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(key, value)| (key, value))).finish()
    }
}

const MAX_VALUE_LENGTH: usize = 65_535;

/// How many bytes of a value an error message shows.
const SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_each_is_there_once() {
        let mut one = AmpBox::new().with("b", 1).with("a", 2).with("c", 3);
        one.set("b", "new");
        let entries: Vec<_> = one.iter().map(|(key, value)| (key, &**value)).collect();
        assert_eq!(entries, [(&b"a"[..], &b"2"[..]), (b"b", b"new"), (b"c", b"3")]);
        assert_eq!((one.len(), one.is_empty()), (3, false));
        assert_eq!(one.remove("b").as_deref(), Some(&b"new"[..]));
        assert_eq!(one.remove("b"), None);
        assert_eq!(format!("{one:?}"), r#"{b"a": b"2", b"c": b"3"}"#);
    }

    #[test]
    fn what_is_encoded_is_parsed_again() {
        let one = AmpBox::new().with("key", "value").with([0, 255], [255, 0].as_slice()).with("empty", "");
        let two = AmpBox::new().with("k".repeat(255), "v".repeat(65_535));
        let bytes = [one.encode().unwrap(), AmpBox::new().encode().unwrap(), two.encode().unwrap()].concat();
        assert_eq!(AmpBox::parse(&bytes).unwrap(), [one, AmpBox::new(), two]);
    }

    #[test]
    fn a_missing_value_is_an_error_unless_it_is_optional() {
        let one = AmpBox::new().with("a", "x");
        assert_eq!(one.get::<i64>("b").unwrap_err().to_string(), "there is no value of \"b\"");
        assert_eq!(one.get_optional::<i64>("b").unwrap(), None);
        assert_eq!(one.get_optional::<String>("a").unwrap().as_deref(), Some("x"));
        assert!(one.get_optional::<i64>("a").is_err());
    }

    #[test]
    fn an_error_shows_only_the_beginning_of_a_value() {
        let error = AmpBox::new().with("a", "x".repeat(60_000)).get::<bool>("a").unwrap_err().to_string();
        assert_eq!(error, format!("the value of \"a\" is not a boolean: \"{}\"", "x".repeat(40)));
    }

    #[test]
    fn a_value_that_is_too_long_cannot_be_encoded_wherever_it_lies() {
        let long = "x".repeat(65_536);
        let inside = vec![AmpBox::new().with("inner", &long)];
        for one in [
            AmpBox::new().with("key", &long),
            AmpBox::new().with("key", vec![&long]),
            AmpBox::new().with("key", vec![vec![&long]]),
            AmpBox::new().with("key", inside),
        ] {
            let error = one.encode().unwrap_err();
            assert!(matches!(&error, AmpError::TooLong { key, length } if key == b"key" && *length > 65_535));
        }
    }

    #[test]
    #[should_panic(expected = "a key has 1 to 255 bytes, but this one has 256")]
    fn a_key_that_is_too_long_is_refused() {
        AmpBox::new().set("k".repeat(256), 1);
    }

    #[test]
    #[should_panic(expected = "a key has 1 to 255 bytes, but this one has 0")]
    fn s283_an_empty_key_is_refused() {
        AmpBox::new().set("", 1);
    }

    #[test]
    fn bytes_that_are_no_whole_boxes_are_not_parsed() {
        for (bytes, reason) in [
            (&b"\0\x01a\0\x01b"[..], "the last box is incomplete"),
            (b"\0", "the last box is incomplete"),
            (b"\x01\0", "a key of 256 bytes: the maximum is 255"),
            (b"\0\x01a\0\0\0\x01a\0\0\0\0", "a duplicate key"),
        ] {
            assert_eq!(AmpBox::parse(bytes).unwrap_err().to_string(), reason);
        }
    }
}
