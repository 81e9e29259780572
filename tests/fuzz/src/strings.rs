//! Strings: the results of a receiver, however the stream is cut.

use protocols::string::{StringError, StringFormat};
use protocols::{StringHandler, StringReceiver, Strings};
use reactor::OnEof;

use crate::receiving::{CLOSE, Log, in_every_cut, obey, receive};

/// Three bytes select the options and the cuts; the others are received.
pub fn strings(data: &[u8]) {
    let [kind, max_length, cut, stream @ ..] = data else { return };
    let format = FORMATS[usize::from(*kind) % FORMATS.len()];
    let max_length = usize::from(*max_length) % 32;
    in_every_cut(stream, *cut, &expected(format, max_length, stream), |pieces| {
        receive(pieces, |told| {
            let build = move |new: Strings| {
                let (strings, came) = told(new);
                Handler { strings, came }
            };
            StringReceiver::factory(format, build).max_length(max_length)
        })
    });
}

const FORMATS: [StringFormat; 7] = [
    StringFormat::Netstring,
    StringFormat::Int8,
    StringFormat::Int16,
    StringFormat::Int32,
    StringFormat::Int16Le,
    StringFormat::Int32Le,
    StringFormat::Varint,
];

#[derive(Debug, PartialEq, Eq)]
enum Came {
    String(Vec<u8>),
    TooLong,
    Malformed,
    Unfinished(Vec<u8>),
}

/// The rules, applied to the whole stream at once.
fn expected(format: StringFormat, max_length: usize, stream: &[u8]) -> Vec<Came> {
    let mut came = Vec::new();
    let mut rest = stream;
    loop {
        let (length, behind) = match length(format, max_length, rest) {
            Ok(Some(told)) => told,
            Ok(None) => {
                came.push(Came::Unfinished(rest.to_vec()));
                return came;
            }
            Err(error) => {
                came.push(error);
                return came;
            }
        };
        let comma = usize::from(format == StringFormat::Netstring);
        if behind.len() < length + comma {
            came.push(Came::Unfinished(rest.to_vec()));
            return came;
        }
        let (string, behind) = behind.split_at(length);
        if comma == 1 && behind[0] != b',' {
            came.push(Came::Malformed);
            return came;
        }
        came.push(Came::String(string.to_vec()));
        if string == CLOSE {
            return came;
        }
        rest = &behind[comma..];
    }
}

/// A length and the bytes after it, as far as it is complete.
fn length(format: StringFormat, max_length: usize, bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Came> {
    let size = match format {
        StringFormat::Int8 => 1,
        StringFormat::Int16 | StringFormat::Int16Le => 2,
        StringFormat::Int32 | StringFormat::Int32Le => 4,
        StringFormat::Netstring => return netstring_length(max_length, bytes),
        StringFormat::Varint => return varint_length(max_length, bytes),
        other => unreachable!("{other:?} has no rule"),
    };
    let Some((prefix, behind)) = bytes.split_at_checked(size) else { return Ok(None) };
    let mut prefix = prefix.to_vec();
    if matches!(format, StringFormat::Int16Le | StringFormat::Int32Le) {
        prefix.reverse();
    }
    let length = prefix.iter().fold(0, |length, byte| length * 256 + usize::from(*byte));
    if length > max_length { Err(Came::TooLong) } else { Ok(Some((length, behind))) }
}

/// One more digit at a time: no length above 31 is parsed to its end.
fn netstring_length(max_length: usize, bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Came> {
    let mut digits = String::new();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if digits != "0" => digits.push(char::from(*byte)),
            b':' if !digits.is_empty() => return Ok(Some((digits.parse().unwrap(), &bytes[at + 1..]))),
            _ => return Err(Came::Malformed),
        }
        if digits.parse::<usize>().unwrap() > max_length {
            return Err(Came::TooLong);
        }
    }
    Ok(None)
}

/// Any group of bits after the second makes a length of more than 31, unless all are zero.
fn varint_length(max_length: usize, bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Came> {
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let bits = usize::from(*byte) % 128;
        // The tenth byte has room for a single bit.
        if at == 9 && bits > 1 {
            return Err(Came::Malformed);
        }
        if at == 0 {
            length = bits;
        }
        if length > max_length || at > 0 && bits > 0 {
            return Err(Came::TooLong);
        }
        if *byte < 128 {
            return Ok(Some((length, &bytes[at + 1..])));
        }
        if at == 9 {
            return Err(Came::Malformed);
        }
    }
    Ok(None)
}

struct Handler {
    strings: Strings,
    came: Log<Came>,
}

impl StringHandler for Handler {
    fn string_received(&mut self, string: &[u8]) {
        self.came.borrow_mut().push(Came::String(string.to_vec()));
        obey(string, &self.strings);
    }

    fn string_rejected(&mut self, error: StringError) {
        self.came.borrow_mut().push(match error {
            StringError::TooLong { .. } => Came::TooLong,
            _ => Came::Malformed,
        });
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.came.borrow_mut().push(Came::Unfinished(unfinished.to_vec()));
        OnEof::Close
    }
}
