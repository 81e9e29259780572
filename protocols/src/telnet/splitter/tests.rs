use proptest::collection::vec;
use proptest::prelude::*;
use reactor::testing::every_cut;

use super::*;

/// A piece with its bytes, for comparisons.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Data(Vec<u8>),
    LineEnd,
    Command(u8),
    Negotiation(Verb, u8),
    Subnegotiation(u8, Vec<u8>),
    TooLong(usize),
}

/// All that comes of these pieces, data that follows each other as one.
fn split(mode: Mode, pieces: &[&[u8]]) -> Vec<Part> {
    let mut splitter = Splitter::new(8);
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match splitter.next(&mut input, mode) {
                Ok(None) => break,
                Ok(Some(Piece::Data { bytes, ends_line })) => {
                    assert!(!bytes.is_empty() || ends_line);
                    match parts.last_mut() {
                        Some(Part::Data(data)) => data.extend_from_slice(bytes),
                        _ if bytes.is_empty() => {}
                        _ => parts.push(Part::Data(bytes.to_vec())),
                    }
                    parts.extend(ends_line.then_some(Part::LineEnd));
                }
                Ok(Some(Piece::Command(command))) => parts.push(Part::Command(command.0)),
                Ok(Some(Piece::Negotiation(verb, option))) => parts.push(Part::Negotiation(verb, option.0)),
                Ok(Some(Piece::Subnegotiation(option, data))) => {
                    parts.push(Part::Subnegotiation(option.0, data.to_vec()));
                }
                Err(error) => {
                    parts.push(Part::TooLong(error.0));
                    return parts;
                }
            }
        }
        assert!(input.is_empty(), "everything is taken");
        assert!(splitter.held_bytes() <= 16);
    }
    parts
}

#[track_caller]
fn parts(mode: Mode, stream: impl AsRef<[u8]>) -> Vec<Part> {
    every_cut(stream, |pieces| split(mode, pieces))
}

fn data(bytes: impl AsRef<[u8]>) -> Part {
    Part::Data(bytes.as_ref().to_vec())
}

#[test]
fn a_line_ends_with_any_of_four_ends_however_the_stream_is_cut() {
    for end in ["\r\n", "\r\0", "\r", "\n"] {
        let expected = [data("a"), Part::LineEnd, data("b"), Part::LineEnd, Part::LineEnd];
        assert_eq!(parts(Mode::Lines, format!("a{end}b{end}{end}")), expected, "{end:?}");
    }
    assert_eq!(parts(Mode::Lines, "a\n\rb"), [data("a"), Part::LineEnd, Part::LineEnd, data("b")]);
}

#[test]
fn raw_data_is_what_was_sent_without_the_nul_behind_a_return() {
    assert_eq!(parts(Mode::Raw, "a\r\0b\r\nc\rd\0"), [data("a\rb\r\nc\rd\0")]);
    assert_eq!(parts(Mode::Raw, b"\r\0\0\xff\xff\0"), [data(b"\r\0\xff\0")]);
    assert_eq!(parts(Mode::Binary, "a\r\0b"), [data("a\r\0b")]);
}

#[test]
fn commands_and_negotiations_are_taken_out_of_the_data_around_them() {
    let stream = b"a\xff\xf6b\xff\xffc\xff\xfd\x01\xff\xfb\xff\xff\xfe\x03\xff\xfc\x18d";
    let expected = [
        data("a"),
        Part::Command(246),
        data(b"b\xffc"),
        Part::Negotiation(Verb::Do, 1),
        Part::Negotiation(Verb::Will, 255),
        Part::Negotiation(Verb::Dont, 3),
        Part::Negotiation(Verb::Wont, 24),
        data("d"),
    ];
    for mode in [Mode::Lines, Mode::Raw, Mode::Binary] {
        assert_eq!(parts(mode, stream), expected);
    }
}

#[test]
fn what_belongs_to_a_return_is_left_out_behind_a_command_too() {
    assert_eq!(parts(Mode::Lines, b"a\r\xff\xf1\nb"), [data("a"), Part::LineEnd, Part::Command(241), data("b")]);
    assert_eq!(parts(Mode::Raw, b"\r\xff\xf1\0b"), [data("\r"), Part::Command(241), data("b")]);
}

#[test]
fn a_code_without_a_meaning_is_skipped() {
    for code in 0..236_u8 {
        assert_eq!(parts(Mode::Raw, [b'a', IAC, code, b'b']), [data("ab")], "{code}");
    }
    // An end without a beginning.
    assert_eq!(parts(Mode::Raw, b"\xff\xf0b"), [data("b")]);
}

#[test]
fn a_subnegotiation_is_its_option_and_unescaped_bytes() {
    let stream = b"a\xff\xfa\x1f\0\x50\xff\xff\x18\xff\xf0b\xff\xfa\x01\xff\xf0";
    let expected =
        [data("a"), Part::Subnegotiation(31, b"\0\x50\xff\x18".into()), data("b"), Part::Subnegotiation(1, vec![])];
    assert_eq!(parts(Mode::Raw, stream), expected);
    // The option may be any byte, too.
    assert_eq!(parts(Mode::Raw, b"\xff\xfa\xff\xff\xf0"), [Part::Subnegotiation(255, vec![])]);
}

#[test]
fn a_subnegotiation_whose_end_is_missing_is_dropped_at_the_next_command() {
    let stream = b"\xff\xfa\x18abc\xff\xfd\x01d\xff\xfa\x18abc\xff\xfa\x18x\xff\xf0";
    let expected = [Part::Negotiation(Verb::Do, 1), data("d"), Part::Subnegotiation(24, b"x".into())];
    assert_eq!(parts(Mode::Raw, stream), expected);
}

#[test]
fn a_subnegotiation_has_up_to_its_maximum_of_bytes() {
    let of = |bytes: &[u8]| [b"\xff\xfa\x18", bytes, b"\xff\xf0a"].concat();
    assert_eq!(parts(Mode::Raw, of(b"12345678")), [Part::Subnegotiation(24, b"12345678".into()), data("a")]);
    assert_eq!(parts(Mode::Raw, of(b"1234567\xff\xff")).len(), 2);
    for long in [&b"123456789"[..], b"12345678\xff\xff", b"1234567890123456789"] {
        assert_eq!(parts(Mode::Raw, of(long)), [Part::TooLong(8)]);
    }
}

#[test]
fn what_is_sent_is_escaped() {
    let escaped = |data: &[u8], binary| {
        let mut out = Vec::new();
        escape(data, binary, &mut out);
        out
    };
    assert_eq!(escaped(b"a\nb\r\nc\rd\xff\r", false), b"a\r\nb\r\nc\r\0d\xff\xff\r\0");
    assert_eq!(escaped(b"a\nb\r\nc\rd\xff\r", true), b"a\nb\r\nc\rd\xff\xff\r");
}

proptest! {
    #[test]
    fn data_arrives_as_it_was_whatever_is_negotiated_meanwhile(
        chunks in vec((vec(prop_oneof![Just(IAC), Just(b'\r'), Just(0), any::<u8>()], 0..20), any::<u8>()), 0..10),
        cuts in vec(1..9_usize, 1..9),
    ) {
        let (mut stream, mut sent) = (Vec::new(), Vec::new());
        for (chunk, option) in chunks {
            escape(&chunk, true, &mut stream);
            sent.extend(chunk);
            stream.extend([IAC, Verb::Do as u8, option]);
        }
        let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
        for cut in cuts.iter().cycle().take_while(|_| !stream.is_empty()) {
            let (piece, after) = rest.split_at(rest.len().min(*cut));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let received = split(Mode::Binary, &pieces);
        let received = received.iter().flat_map(|part| if let Part::Data(data) = part { &data[..] } else { &[] });
        prop_assert_eq!(received.copied().collect::<Vec<_>>(), sent);
    }
}
