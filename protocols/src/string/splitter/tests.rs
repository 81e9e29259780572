use proptest::collection::vec;
use proptest::prelude::*;
use reactor::testing::every_cut;

use super::*;
use crate::receiver::input::Buffer;

const FORMATS: [StringFormat; 7] = [
    StringFormat::Netstring,
    StringFormat::Int8,
    StringFormat::Int16,
    StringFormat::Int32,
    StringFormat::Int16Le,
    StringFormat::Int32Le,
    StringFormat::Varint,
];

/// The strings that come of the pieces, and the error that ended them.
type Came = (Vec<Vec<u8>>, Option<StringError>);

fn split(splitter: StringSplitter, pieces: &[&[u8]]) -> Came {
    let mut buffer = Buffer::default();
    let mut strings = Vec::new();
    for piece in pieces {
        let mut input = buffer.input(piece);
        loop {
            match splitter.string(&mut input) {
                Ok(Some(string)) => strings.push(string.to_vec()),
                Ok(None) => break,
                Err(error) => return (strings, Some(error)),
            }
        }
        input.finish();
    }
    (strings, None)
}

/// The rules again, with all the bytes at hand.
fn expected(splitter: StringSplitter, mut bytes: &[u8]) -> Came {
    let mut strings = Vec::new();
    let max = splitter.max_length as u128;
    let error = loop {
        let number = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
        let reversed = |bytes: &[u8]| number(&bytes.iter().rev().copied().collect::<Vec<_>>());
        let fixed = |size: usize, read: &dyn Fn(&[u8]) -> u128| bytes.get(..size).map(|bytes| (read(bytes), size));
        let prefix = match splitter.format {
            StringFormat::Int8 => fixed(1, &number),
            StringFormat::Int16 => fixed(2, &number),
            StringFormat::Int32 => fixed(4, &number),
            StringFormat::Int16Le => fixed(2, &reversed),
            StringFormat::Int32Le => fixed(4, &reversed),
            StringFormat::Netstring => {
                let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let wrong =
                    digits > 1 && bytes[0] == b'0' || digits < bytes.len() && (digits == 0 || bytes[digits] != b':');
                let value = |digits: usize| str::from_utf8(&bytes[..digits]).unwrap().parse::<u128>().unwrap();
                let refused = (1..=digits).find(|digits| value(*digits) > max);
                if let Some(refused) = refused.filter(|_| bytes[0] != b'0') {
                    break Some(too_long(value(refused), splitter));
                }
                if wrong {
                    break Some(StringError::NoLength);
                }
                (digits < bytes.len()).then(|| (value(digits), digits + 1))
            }
            StringFormat::Varint => {
                let more = bytes.iter().take_while(|byte| **byte >= 0x80).count();
                let value = |count: usize| {
                    bytes[..count].iter().rev().fold(0_u128, |value, byte| value << 7 | u128::from(byte & 0x7f))
                };
                let told = bytes.len().min(more + 1).min(10);
                if value(told) > u64::MAX.into() && (1..10).all(|count| value(count) <= max) {
                    break Some(StringError::NoLength);
                }
                if let Some(refused) = (1..=told).find(|count| value(*count) > max) {
                    break Some(too_long(value(refused), splitter));
                }
                if more >= 10 {
                    break Some(StringError::NoLength);
                }
                (more < bytes.len()).then(|| (value(more + 1), more + 1))
            }
        };
        let Some((length, size)) = prefix else { break None };
        if length > max {
            break Some(too_long(length, splitter));
        }
        let end = size + length as usize;
        let comma = usize::from(splitter.format == StringFormat::Netstring);
        if bytes.len() < end + comma {
            break None;
        }
        if comma == 1 && bytes[end] != b',' {
            break Some(StringError::NoComma);
        }
        strings.push(bytes[size..end].to_vec());
        bytes = &bytes[end + comma..];
    };
    (strings, error)
}

fn too_long(length: u128, splitter: StringSplitter) -> StringError {
    StringError::TooLong { length: length.try_into().unwrap(), max_length: splitter.max_length }
}

fn encode(format: StringFormat, string: &[u8]) -> Vec<u8> {
    let mut room = [0; LONGEST_PREFIX];
    [format.write_prefix(string.len(), &mut room).unwrap(), string, format.suffix()].concat()
}

#[test]
fn short_inputs_give_the_same_strings_in_every_cut() {
    let inputs: [&[u8]; 14] = [
        b"0:,1:a,2:bc,3:",
        b"3:abc,01:a,",
        b"1:a;",
        b"-1:",
        b"+1:a,",
        b" 1:a,",
        b":,",
        b"00:,",
        b"99999999999:",
        b"10\n:",
        b"\x01a\x00\x02bc\x05d",
        b"\0\x01a\0\0\0\x02bc",
        b"\0\0\0\x01a\x02\0\0\0bc",
        b"\x81\x80\x00a\x00\x82\x00bc\xff\xff\xff\xff\xff",
    ];
    for input in inputs {
        for format in FORMATS {
            for max_length in [0, 2, 10, usize::MAX] {
                let splitter = StringSplitter { format, max_length };
                let came = every_cut(input, |pieces| split(splitter, pieces));
                assert_eq!(came, expected(splitter, input), "{splitter:?} {}", input.escape_ascii());
            }
        }
    }
}

#[test]
fn s239_exactly_the_maximum_is_accepted_wherever_the_string_is_cut() {
    for format in FORMATS {
        for max_length in [9, 99, 127, 200] {
            let splitter = StringSplitter { format, max_length };
            for length in [max_length - 1, max_length, max_length + 1] {
                let input = [encode(format, b"first"), encode(format, &vec![b','; length])].concat();
                let (strings, error) = if length > max_length {
                    // A digit and a group of seven bits fewer do not tell yet.
                    (vec![b"first".to_vec()], Some(too_long(length as u128, splitter)))
                } else {
                    (vec![b"first".to_vec(), vec![b','; length]], None)
                };
                for at in 0..=input.len() {
                    let (one, two) = input.split_at(at);
                    assert_eq!(split(splitter, &[one, two]), (strings.clone(), error), "{splitter:?} {length} {at}");
                }
                let bytes: Vec<_> = input.chunks(1).collect();
                assert_eq!(split(splitter, &bytes), (strings, error));
            }
        }
    }
}

/// How many bytes it takes until the stream is refused, coming one by one.
fn refused_after(format: StringFormat, max_length: usize, input: &[u8]) -> usize {
    let splitter = StringSplitter { format, max_length };
    let refused = |count: &usize| split(splitter, &input[..*count].chunks(1).collect::<Vec<_>>()).1.is_some();
    (1..=input.len()).find(refused).expect("it is refused")
}

#[test]
fn s235_a_stream_is_refused_at_the_first_byte_that_says_so() {
    use StringFormat::*;
    for (input, after) in [("99999999999:", 6), ("100000", 6), ("-1:", 1), ("01:", 2), ("00:", 2), (":", 1), ("12a", 3)]
    {
        assert_eq!(refused_after(Netstring, 99_999, input.as_bytes()), after, "{input}");
    }
    assert_eq!(refused_after(Netstring, 99_999, b"5:hello;"), 8);
    assert_eq!(refused_after(Netstring, usize::MAX, b"99999999999999999999"), 20);
    assert_eq!(refused_after(Netstring, 0, b"1"), 1);
    assert_eq!(refused_after(Int8, 10, b"\x0b"), 1);
    assert_eq!(refused_after(Int16, 10, b"\0\x0b"), 2);
    assert_eq!(refused_after(Int16Le, 10, b"\x0b\0"), 2);
    assert_eq!(refused_after(Int32, 99_999, b"\xff\xff\xff\xff"), 4);
    assert_eq!(refused_after(Int32Le, 99_999, b"\xff\xff\xff\xff"), 4);
    assert_eq!(refused_after(Varint, 99_999, b"\xff\xff\xff\xff"), 3);
    assert_eq!(refused_after(Varint, usize::MAX, &[0x80; 11]), 10);
    assert_eq!(refused_after(Varint, usize::MAX, &[0xff; 11]), 10);
}

#[test]
fn a_varint_may_be_longer_than_it_needs_to_be() {
    let splitter = StringSplitter { format: StringFormat::Varint, max_length: 10 };
    assert_eq!(split(splitter, &[b"\x81\x80\x80\x80\x80\x80\x80\x80\x80\0a"]), (vec![b"a".to_vec()], None));
}

#[test]
fn what_is_announced_takes_no_memory() {
    for format in FORMATS {
        let splitter = StringSplitter { format, max_length: usize::MAX };
        let prefix = encode(format, &[0; 255]);
        let mut room = [0; LONGEST_PREFIX];
        let large = format.write_prefix(1 << 40, &mut room).map_or_else(|_| prefix[..4].to_vec(), <[u8]>::to_vec);
        let mut buffer = Buffer::default();
        for piece in [&large[..], b"and little more"] {
            let mut input = buffer.input(piece);
            while matches!(splitter.string(&mut input), Ok(Some(_))) {}
            input.finish();
        }
        assert!(buffer.capacity() < 100, "{format:?}: {}", buffer.capacity());
    }
}

#[test]
fn the_effort_is_proportional_to_the_bytes_however_they_are_cut() {
    for format in FORMATS {
        for length in [0, 1, 30, 255, 16_000] {
            let mut room = [0; LONGEST_PREFIX];
            if format.write_prefix(length, &mut room).is_err() {
                continue;
            }
            let input = encode(format, &vec![b'x'; length]).repeat((1 << 15) / (length + 1));
            for chunk in [1, 2, 3, 100, 1460, 65_536] {
                let splitter = StringSplitter { format, max_length: 16_000 };
                let mut buffer = Buffer::default();
                for chunk in input.chunks(chunk) {
                    let mut input = buffer.input(chunk);
                    while splitter.string(&mut input).unwrap().is_some() {}
                    input.finish();
                }
                assert!(buffer.kept().is_empty());
                assert!(buffer.effort <= 2 * input.len(), "{format:?} {length} {chunk}: {}", buffer.effort);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn s234_any_bytes_give_what_the_rules_say(
        format in prop::sample::select(&FORMATS[..]),
        max_length in prop_oneof![0..12_usize, Just(usize::MAX)],
        chunks in vec(vec(prop_oneof![0..4_u8, b'0'..b'4', Just(b':'), Just(b','), any::<u8>()], 0..12), 0..8),
    ) {
        let splitter = StringSplitter { format, max_length };
        let pieces: Vec<_> = chunks.iter().map(|chunk| &chunk[..]).collect();
        prop_assert_eq!(split(splitter, &pieces), expected(splitter, &chunks.concat()));
    }

    #[test]
    fn bytes_at_hand_give_the_same_strings_as_those_that_come(
        format in prop::sample::select(&FORMATS[..]),
        max_length in prop_oneof![0..12_usize, Just(usize::MAX)],
        bytes in vec(prop_oneof![0..4_u8, b'0'..b'4', Just(b':'), Just(b','), any::<u8>()], 0..60),
    ) {
        let (mut rest, mut strings) = (&bytes[..], Vec::new());
        let error = loop {
            match format.split_off_first(&mut rest, max_length) {
                Ok(Some(string)) => strings.push(string.to_vec()),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        prop_assert_eq!((strings, error), split(StringSplitter { format, max_length }, &[&bytes]));
    }

    #[test]
    fn what_is_sent_is_received(
        format in prop::sample::select(&FORMATS[..]),
        strings in vec(vec(any::<u8>(), 0..255), 0..6),
        chunk in 1..300_usize,
    ) {
        let splitter = StringSplitter { format, max_length: 255 };
        let stream = strings.iter().flat_map(|string| encode(format, string)).collect::<Vec<_>>();
        let pieces: Vec<_> = stream.chunks(chunk).collect();
        prop_assert_eq!(split(splitter, &pieces), (strings, None));
    }
}
