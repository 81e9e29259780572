//! What is specific to `StringReceiver`.

use protocols::string::{StringError, StringFormat};
use protocols::{StringHandler, StringReceiver, Strings};
use reactor::OnEof;
use reactor::testing::StringTransport;

/// Sends strings back, and says what it makes of others.
struct Echo {
    strings: Strings,
}

impl StringHandler for Echo {
    fn string_received(&mut self, string: &[u8]) {
        self.strings.send_string(string).unwrap();
    }

    fn string_rejected(&mut self, error: StringError) {
        assert!(!self.strings.is_closing(), "there is still time to answer");
        self.strings.send_string(error.to_string()).unwrap();
    }

    fn eof_received(&mut self, _unfinished: &[u8]) -> OnEof {
        panic!("a stream that was refused has no end");
    }
}

fn connect(format: StringFormat, max_length: Option<usize>) -> StringTransport {
    let factory = StringReceiver::factory(format, |strings| Echo { strings });
    StringTransport::connect(match max_length {
        Some(max_length) => factory.max_length(max_length),
        None => factory,
    })
}

#[test]
fn strings_are_sent_as_they_are_received_in_every_format() {
    for (format, stream) in [
        (StringFormat::Netstring, &b"0:,5:hello,12:hello world!,"[..]),
        (StringFormat::Int8, b"\0\x05hello"),
        (StringFormat::Int16, b"\0\0\0\x05hello"),
        (StringFormat::Int16Le, b"\0\0\x05\0hello"),
        (StringFormat::Int32, b"\0\0\0\0\0\0\0\x05hello"),
        (StringFormat::Int32Le, b"\0\0\0\0\x05\0\0\0hello"),
        (StringFormat::Varint, b"\0\x05hello"),
    ] {
        let mut wire = connect(format, None);
        wire.receive(stream);
        assert_eq!(wire.written(), stream, "{format:?}");
    }
}

#[test]
fn s236_a_string_that_is_refused_closes_when_what_was_written_is_sent() {
    for (format, stream, error) in [
        (StringFormat::Netstring, &b"1:a,11"[..], "the peer sent a string of 11 bytes or more: the maximum is 10"),
        (StringFormat::Netstring, b"1:a,-1:", "the peer sent an invalid string length"),
        (StringFormat::Netstring, b"1:a,1:b;", "the peer sent a netstring without a comma after it"),
        (StringFormat::Int8, b"\x01a\x0b", "the peer sent a string of 11 bytes or more: the maximum is 10"),
    ] {
        let mut wire = connect(format, Some(10));
        wire.stall(true);
        wire.receive(stream);
        wire.receive("1:a,");
        assert!(wire.close_reason().is_none());
        wire.stall(false);
        assert_eq!(wire.close_reason().unwrap().to_string(), error);
        assert!(!wire.was_reset());
        let mut answer = StringTransport::connect(StringReceiver::factory(format, |strings| Echo { strings }));
        answer.receive(wire.written());
        assert_eq!(answer.written(), wire.written());
        assert!(wire.written().windows(error.len()).any(|window| window == error.as_bytes()), "{error}");
    }
}

#[test]
fn s239_the_longest_string_has_99999_bytes_unless_another_length_is_set() {
    let mut wire = connect(StringFormat::Int32, None);
    wire.receive(99_999_u32.to_be_bytes());
    wire.receive([b'x'; 99_999]);
    assert_eq!(wire.take_written().len(), 100_003);
    wire.receive(100_000_u32.to_be_bytes());
    assert!(wire.close_reason().is_some(), "refused as soon as its length is there");
}

/// What comes back for a stream that is given in two pieces.
fn answers_to(format: StringFormat, pieces: [&[u8]; 2]) -> Vec<u8> {
    let mut wire = connect(format, Some(10));
    wire.stall(true);
    pieces.iter().for_each(|piece| wire.receive(piece));
    wire.stall(false);
    wire.take_written()
}

#[test]
fn s237_nothing_is_delivered_behind_a_string_that_is_bad() {
    let bad = answers_to(StringFormat::Netstring, [b"1:a,x", b""]);
    assert!(bad.starts_with(b"1:a,"));
    for more in [&b"1:b,"[..], b",1:b,", b"\n"] {
        assert_eq!(answers_to(StringFormat::Netstring, [b"1:a,x", more]), bad);
    }
}

#[test]
fn s243_strings_before_one_that_is_too_long_are_delivered_once() {
    let once = answers_to(StringFormat::Int8, [b"\x01a\x0b", b""]);
    assert_eq!(once[..2], *b"\x01a");
    assert_eq!(answers_to(StringFormat::Int8, [b"\x01a\x0b", b"more"]), once);
}

#[test]
fn s240_nothing_is_sent_of_a_string_that_is_longer_than_its_format_can_tell() {
    let mut wire = connect(StringFormat::Int8, None);
    let strings = wire.protocol::<Echo>().strings.clone();
    assert_eq!(strings.send_string([b'x'; 255]), Ok(()));
    let error = strings.send_string([b'x'; 256]).unwrap_err();
    assert_eq!(error.to_string(), "cannot send a string of 256 bytes: the maximum of its format is 255");
    wire.settle();
    assert_eq!(wire.written().len(), 256);
}

#[test]
fn a_string_beyond_the_output_limit_is_sent_whole_when_nothing_else_waits() {
    let mut wire = connect(StringFormat::Netstring, None);
    wire.transport().set_output_limit(10);
    let strings = wire.protocol::<Echo>().strings.clone();
    strings.send_string([b'x'; 20]).unwrap();
    wire.settle();
    assert_eq!(wire.written().len(), 24);
    assert!(wire.close_reason().is_none());
}
