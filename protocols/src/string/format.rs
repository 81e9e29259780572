use std::io::Write;

use crate::string::error::{StringError, StringTooLong};

/// How the length of a string is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StringFormat {
    /// The decimal length and a colon before the string, and a comma after it: `5:hello,`. A length has no sign and no
    /// leading zero. <https://cr.yp.to/proto/netstrings.txt>; Twisted's `NetstringReceiver`.
    Netstring,
    /// A prefix of one byte. Twisted's `Int8StringReceiver`.
    Int8,
    /// A prefix of two bytes, big-endian. Twisted's `Int16StringReceiver`.
    Int16,
    /// A prefix of four bytes, big-endian. Twisted's `Int32StringReceiver`.
    Int32,
    /// A prefix of two bytes, little-endian.
    Int16Le,
    /// A prefix of four bytes, little-endian.
    Int32Le,
    /// An unsigned LEB128 prefix of up to 64 bits, as in the delimited messages of Protocol Buffers.
    ///
    /// Sent in as few bytes as possible. Received in up to ten, as in Protocol Buffers: writers that fill in the length
    /// later use more bytes than needed.
    Varint,
}

/// The bytes before a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    /// The length of the prefix itself.
    pub(crate) bytes: usize,
    /// The length of the string.
    pub(crate) length: usize,
}

impl StringFormat {
    /// Takes the first string off `bytes`; `None` if it is incomplete. It is for bytes that no connection of a reactor
    /// brings: those of a file, a datagram, a buffer of another framework.
    ///
    /// ```
    /// use protocols::string::StringFormat;
    ///
    /// let mut bytes = &b"5:hello,3:w"[..];
    /// assert_eq!(StringFormat::Netstring.split_off_first(&mut bytes, 99)?, Some(&b"hello"[..]));
    /// assert_eq!(StringFormat::Netstring.split_off_first(&mut bytes, 99)?, None);
    /// assert_eq!(bytes, b"3:w");
    /// # Ok::<(), protocols::string::StringError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As soon as the bytes show it: if the string is longer than `max_length` bytes, or they are not of this format.
    pub fn split_off_first<'a>(self, bytes: &mut &'a [u8], max_length: usize) -> Result<Option<&'a [u8]>, StringError> {
        let first = &bytes[..bytes.len().min(self.longest_prefix())];
        let Some(prefix) = self.read_prefix(first, max_length)? else { return Ok(None) };
        let Some((string, behind)) = bytes[prefix.bytes..].split_at_checked(prefix.length) else { return Ok(None) };
        match behind.strip_prefix(self.suffix()) {
            Some(rest) => {
                *bytes = rest;
                Ok(Some(string))
            }
            None if behind.is_empty() => Ok(None),
            None => Err(StringError::NoComma),
        }
    }

    /// The bytes after a string.
    pub(crate) fn suffix(self) -> &'static [u8] {
        if self == Self::Netstring { b"," } else { b"" }
    }

    /// The maximum length of a prefix.
    pub(crate) fn longest_prefix(self) -> usize {
        match self {
            Self::Netstring => LONGEST_PREFIX,
            Self::Int8 => 1,
            Self::Int16 | Self::Int16Le => 2,
            Self::Int32 | Self::Int32Le => 4,
            Self::Varint => 10,
        }
    }

    /// Parses the prefix of a string of up to `max_length` bytes from the first `longest_prefix` received bytes, or from
    /// all of them. `None` if it is incomplete.
    pub(crate) fn read_prefix(self, bytes: &[u8], max_length: usize) -> Result<Option<Prefix>, StringError> {
        let (length, used) = match (self, bytes) {
            (Self::Netstring, _) => return netstring_prefix(bytes, max_length),
            (Self::Varint, _) => return varint_prefix(bytes, max_length),
            (Self::Int8, [a]) => (u32::from(*a), 1),
            (Self::Int16, [a, b]) => (u16::from_be_bytes([*a, *b]).into(), 2),
            (Self::Int16Le, [a, b]) => (u16::from_le_bytes([*a, *b]).into(), 2),
            (Self::Int32, [a, b, c, d]) => (u32::from_be_bytes([*a, *b, *c, *d]), 4),
            (Self::Int32Le, [a, b, c, d]) => (u32::from_le_bytes([*a, *b, *c, *d]), 4),
            _ => return Ok(None),
        };
        let length = within(length.into(), max_length)?;
        Ok(Some(Prefix { bytes: used, length }))
    }

    /// Writes the prefix of a string of this length.
    pub(crate) fn write_prefix(self, length: usize, room: &mut [u8; LONGEST_PREFIX]) -> Result<&[u8], StringTooLong> {
        let most = match self {
            Self::Int8 => u8::MAX.into(),
            Self::Int16 | Self::Int16Le => u16::MAX.into(),
            Self::Int32 | Self::Int32Le => u32::MAX as usize,
            Self::Netstring | Self::Varint => usize::MAX,
        };
        if length > most {
            return Err(StringTooLong { length, most });
        }
        let bytes = length.to_le_bytes();
        let used = match self {
            Self::Netstring => {
                let mut rest = &mut room[..];
                // The room suffices for the digits of any length.
                let _ = write!(rest, "{length}:");
                LONGEST_PREFIX - rest.len()
            }
            Self::Varint => write_varint(length, room),
            Self::Int8 | Self::Int16Le | Self::Int32Le => {
                let used = self.longest_prefix();
                room[..used].copy_from_slice(&bytes[..used]);
                used
            }
            Self::Int16 | Self::Int32 => {
                let used = self.longest_prefix();
                room[..used].copy_from_slice(&bytes[..used]);
                room[..used].reverse();
                used
            }
        };
        Ok(&room[..used])
    }
}

/// Digits and a colon. A length that is too long is rejected as soon as its digits show it.
fn netstring_prefix(bytes: &[u8], max_length: usize) -> Result<Option<Prefix>, StringError> {
    let mut length = 0_u64;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if at == 0 || length > 0 => {
                let longer = length.checked_mul(10).and_then(|tens| tens.checked_add(u64::from(byte - b'0')));
                length = longer.ok_or(StringError::TooLong { length: u64::MAX, max_length })?;
                within(length, max_length)?;
            }
            b':' if at > 0 => return Ok(Some(Prefix { bytes: at + 1, length: within(length, max_length)? })),
            _ => return Err(StringError::NoLength),
        }
    }
    Ok(None)
}

/// Seven bits per byte, the lowest first; the highest bit says that another byte follows.
fn varint_prefix(bytes: &[u8], max_length: usize) -> Result<Option<Prefix>, StringError> {
    let mut length = 0_u64;
    for (at, byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        length |= bits
            .checked_shl(7 * at as u32)
            .filter(|shifted| shifted >> (7 * at) == bits)
            .ok_or(StringError::NoLength)?;
        let length = within(length, max_length)?;
        if byte & 0x80 == 0 {
            return Ok(Some(Prefix { bytes: at + 1, length }));
        }
    }
    if bytes.len() < StringFormat::Varint.longest_prefix() { Ok(None) } else { Err(StringError::NoLength) }
}

fn write_varint(mut length: usize, room: &mut [u8; LONGEST_PREFIX]) -> usize {
    let mut at = 0;
    while length > 0x7f {
        room[at] = length as u8 | 0x80;
        length >>= 7;
        at += 1;
    }
    room[at] = length as u8;
    at + 1
}

fn within(length: u64, max_length: usize) -> Result<usize, StringError> {
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= max_length)
        .ok_or(StringError::TooLong { length, max_length })
}

/// Twenty digits, enough for any length, and a colon.
pub(crate) const LONGEST_PREFIX: usize = 21;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_length_of_a_format_can_be_told_and_no_greater() {
        for (format, most, prefix) in [
            (StringFormat::Int8, 255, &b"\xff"[..]),
            (StringFormat::Int16, 65_535, b"\xff\xff"),
            (StringFormat::Int16Le, 65_535, b"\xff\xff"),
            (StringFormat::Int32, 4_294_967_295, b"\xff\xff\xff\xff"),
            (StringFormat::Int32Le, 4_294_967_295, b"\xff\xff\xff\xff"),
        ] {
            let mut room = [0; LONGEST_PREFIX];
            assert_eq!(format.write_prefix(most, &mut room), Ok(prefix));
            assert_eq!(format.write_prefix(most + 1, &mut room), Err(StringTooLong { length: most + 1, most }));
        }
    }

    #[test]
    fn lengths_are_told_in_the_order_and_form_of_the_format() {
        for (format, length, prefix) in [
            (StringFormat::Netstring, 0, &b"0:"[..]),
            (StringFormat::Netstring, usize::MAX, b"18446744073709551615:"),
            (StringFormat::Int8, 0x12, b"\x12"),
            (StringFormat::Int16, 0x1234, b"\x12\x34"),
            (StringFormat::Int16Le, 0x1234, b"\x34\x12"),
            (StringFormat::Int32, 0x1234_5678, b"\x12\x34\x56\x78"),
            (StringFormat::Int32Le, 0x1234_5678, b"\x78\x56\x34\x12"),
            (StringFormat::Varint, 0, b"\0"),
            (StringFormat::Varint, 127, b"\x7f"),
            (StringFormat::Varint, 128, b"\x80\x01"),
            (StringFormat::Varint, 300, b"\xac\x02"),
            (StringFormat::Varint, usize::MAX, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ] {
            let mut room = [0; LONGEST_PREFIX];
            assert_eq!(format.write_prefix(length, &mut room), Ok(prefix));
            let read = Prefix { bytes: prefix.len(), length };
            assert_eq!(format.read_prefix(prefix, usize::MAX), Ok(Some(read)));
        }
    }
}
