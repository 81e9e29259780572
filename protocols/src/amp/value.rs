use std::str::FromStr;

use bytes::Bytes;

/// A type that can be put into an [`AmpBox`](crate::amp::AmpBox). Its values are sent as bytes, in the same form as
/// Twisted's argument types.
///
/// | here | Twisted | as bytes |
/// |---|---|---|
/// | `i32`, `i64`, `u64`, `i128` | `Integer` | the decimal digits |
/// | `f64` | `Float` | as Python shows it: `0.1`, `1e+16`, `nan`, `-inf` |
/// | `bool` | `Boolean` | `True` or `False` |
/// | `str`, `String` | `Unicode`, and `Path` and `Decimal` as text | UTF-8 |
/// | `[u8]`, `Vec<u8>`, [`Bytes`](https://docs.rs/bytes/1/bytes/struct.Bytes.html) | `String` | themselves |
/// | `Vec<T>` | `ListOf` | each preceded by its length in 16 bits |
/// | `Vec<AmpBox>` | `AmpList` | the boxes, one after another |
/// | [`DateTime<FixedOffset>`](chrono::DateTime) | `DateTime` | `2026-11-25T08:51:00.000000+01:00` |
///
/// Implement this and [`FromAmp`] for your own types. There is one rule: a value of more than 65,535 bytes cannot be
/// sent, so a conversion that contains such a value must itself exceed that length.
pub trait ToAmp {
    /// The value as bytes.
    fn to_value(&self) -> Bytes;
}

/// A type that can be taken out of an [`AmpBox`](crate::amp::AmpBox): see [`ToAmp`].
pub trait FromAmp: Sized {
    /// What an error calls the expected type: "an integer".
    const KIND: &'static str;

    /// Converts these bytes; `None` if they are not a value of this type.
    fn from_value(value: &Bytes) -> Option<Self>;
}

const INTEGER: &str = "an integer";

impl ToAmp for i32 {
    fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl FromAmp for i32 {
    const KIND: &'static str = INTEGER;

    fn from_value(value: &Bytes) -> Option<Self> {
        parse(value)
    }
}

impl ToAmp for i64 {
    fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl FromAmp for i64 {
    const KIND: &'static str = INTEGER;

    fn from_value(value: &Bytes) -> Option<Self> {
        parse(value)
    }
}

impl ToAmp for u64 {
    fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl FromAmp for u64 {
    const KIND: &'static str = INTEGER;

    fn from_value(value: &Bytes) -> Option<Self> {
        parse(value)
    }
}

impl ToAmp for i128 {
    fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl FromAmp for i128 {
    const KIND: &'static str = INTEGER;

    fn from_value(value: &Bytes) -> Option<Self> {
        parse(value)
    }
}

impl ToAmp for f64 {
    fn to_value(&self) -> Bytes {
        // Rust and Python show the same number of digits and switch to an exponent at the same places, but they write
        // it differently. Of two equally near texts Python takes the even one, as Rust does for a given precision.
        let text = format!("{self:?}");
        let decimals = |digits: &str| digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let Some((digits, exponent)) = text.split_once('e') else {
            return format!("{self:.*}", decimals(&text)).to_lowercase().into();
        };
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
        let digits = format!("{self:.*e}", decimals(digits));
        let digits = digits.split('e').next().unwrap_or_default();
        format!("{digits}e{sign}{exponent:0>2}").into()
    }
}

impl FromAmp for f64 {
    const KIND: &'static str = "a number";

    fn from_value(value: &Bytes) -> Option<Self> {
        parse(value)
    }
}

impl ToAmp for bool {
    fn to_value(&self) -> Bytes {
        Bytes::from_static(if *self { b"True" } else { b"False" })
    }
}

impl FromAmp for bool {
    const KIND: &'static str = "a boolean";

    fn from_value(value: &Bytes) -> Option<Self> {
        match &value[..] {
            b"True" => Some(true),
            b"False" => Some(false),
            _ => None,
        }
    }
}

impl ToAmp for str {
    fn to_value(&self) -> Bytes {
        Bytes::copy_from_slice(self.as_bytes())
    }
}

impl ToAmp for String {
    fn to_value(&self) -> Bytes {
        (**self).to_value()
    }
}

impl FromAmp for String {
    const KIND: &'static str = "a text in UTF-8";

    fn from_value(value: &Bytes) -> Option<Self> {
        str::from_utf8(value).ok().map(ToOwned::to_owned)
    }
}

impl ToAmp for [u8] {
    fn to_value(&self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl ToAmp for Vec<u8> {
    fn to_value(&self) -> Bytes {
        (**self).to_value()
    }
}

impl FromAmp for Vec<u8> {
    const KIND: &'static str = BYTES;

    fn from_value(value: &Bytes) -> Option<Self> {
        Some(value.to_vec())
    }
}

impl ToAmp for Bytes {
    fn to_value(&self) -> Bytes {
        self.clone()
    }
}

impl FromAmp for Bytes {
    const KIND: &'static str = BYTES;

    fn from_value(value: &Bytes) -> Option<Self> {
        Some(value.clone())
    }
}

impl<T: ToAmp> ToAmp for Vec<T> {
    fn to_value(&self) -> Bytes {
        let mut encoded = Vec::new();
        for element in self {
            encode_part(&element.to_value(), &mut encoded);
        }
        encoded.into()
    }
}

impl<T: FromAmp> FromAmp for Vec<T> {
    const KIND: &'static str = "such a list";

    fn from_value(value: &Bytes) -> Option<Self> {
        let mut elements = Self::new();
        let mut place = 0;
        while place < value.len() {
            let length = value.get(place..place + 2)?;
            let begin = place + 2;
            place = begin + usize::from(u16::from_be_bytes([length[0], length[1]]));
            if place > value.len() {
                return None;
            }
            elements.push(T::from_value(&value.slice(begin..place))?);
        }
        Some(elements)
    }
}

impl<T: ToAmp + ?Sized> ToAmp for &T {
    fn to_value(&self) -> Bytes {
        (**self).to_value()
    }
}

fn parse<T: FromStr>(value: &[u8]) -> Option<T> {
    str::from_utf8(value).ok()?.parse().ok()
}

/// A length of 16 bits, and the bytes. If there are more than 65,535 bytes, the length is wrong, and the whole is too
/// long to send.
pub(crate) fn encode_part(part: &[u8], encoded: &mut Vec<u8>) {
    encoded.extend((part.len() as u16).to_be_bytes());
    encoded.extend_from_slice(part);
}

const BYTES: &str = "bytes";

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;
    use crate::amp::amp_box::AmpBox;

    #[track_caller]
    fn round_trip<T: ToAmp + FromAmp + PartialEq + Debug>(value: T, bytes: impl AsRef<[u8]>) {
        let encoded = value.to_value();
        assert_eq!(encoded, bytes.as_ref(), "{}", encoded.escape_ascii());
        assert_eq!(T::from_value(&encoded), Some(value));
    }

    fn is_none<T: FromAmp>(value: &'static [u8]) -> bool {
        T::from_value(&Bytes::from_static(value)).is_none()
    }

    #[test]
    fn s282_integers_are_digits_that_fit_their_type() {
        round_trip(0, "0");
        round_trip(-13_i64, "-13");
        round_trip(u64::MAX, "18446744073709551615");
        round_trip(i128::MIN, "-170141183460469231731687303715884105728");
        assert!(is_none::<i64>(b"9223372036854775808") && is_none::<u64>(b"-1"));
        for text in [&b""[..], b" 1", b"1_000", b"1.0", b"0x1", b"\xff"] {
            assert!(is_none::<i64>(text), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn floats_are_what_python_shows() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1_552_798_990_003_272.0 + 0.25, "1552798990003272.2"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (-2.5e300, "-2.5e+300"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            round_trip(value, text);
        }
        assert_eq!(f64::NAN.to_value(), "nan");
        assert!(f64::from_value(&"nan".into()).is_some_and(f64::is_nan));
        assert!(is_none::<f64>(b"") && is_none::<f64>(b"1,5"));
    }

    #[test]
    fn booleans_are_pythons_words() {
        round_trip(true, "True");
        round_trip(false, "False");
        assert!(is_none::<bool>(b"true") && is_none::<bool>(b"1"));
    }

    #[test]
    fn texts_are_utf_8_and_bytes_are_anything() {
        round_trip("Grüße".to_owned(), "Grüße");
        round_trip(vec![0, 255_u8], [0, 255]);
        round_trip(Bytes::from_static(b"\0\xff"), b"\0\xff");
        assert!(is_none::<String>(b"\xff"));
    }

    #[test]
    fn elements_of_a_list_have_lengths() {
        round_trip(vec![3, 7, 15], b"\0\x013\0\x017\0\x0215");
        round_trip(Vec::<i64>::new(), b"");
        round_trip(vec![vec!["a".to_owned()], vec![]], b"\0\x03\0\x01a\0\0");
        round_trip(vec![b"x".to_vec(), b"".to_vec()], b"\0\x01x\0\0");
        for value in [&b"\0"[..], b"\0\x02x", b"\0\x01x", b"\0\x011\0"] {
            assert!(is_none::<Vec<i64>>(value), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn boxes_lie_one_behind_another() {
        let boxes = vec![AmpBox::new().with("a", 7), AmpBox::new()];
        round_trip(boxes, b"\0\x01a\0\x017\0\0\0\0");
        assert!(is_none::<Vec<AmpBox>>(b"\0") && is_none::<Vec<AmpBox>>(b"\0\x01a"));
    }
}
