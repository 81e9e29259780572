//! What is specific to `CodecReceiver`, and third-party codecs in it.

use std::io;

use bytes::{Bytes, BytesMut};
use protocols::codec::{CodecHandler, CodecReceiver, Messages};
use protocols::string::StringFormat;
use protocols::{StringHandler, StringReceiver, Strings};
use reactor::testing::{StringTransport, every_cut};
use redis_protocol::codec::Resp2;
use redis_protocol::error::RedisProtocolError;
use redis_protocol::resp2::types::BytesFrame;
use tokio_util::codec::{Decoder, Encoder, LengthDelimitedCodec, LinesCodec, LinesCodecError};
use unsigned_varint::codec::UviBytes;

/// A store of one value: `SET value` and `GET`.
struct Store {
    messages: Messages<Resp2>,
    value: BytesFrame,
}

impl CodecHandler for Store {
    type Codec = Resp2;

    fn message_received(&mut self, message: BytesFrame) {
        let BytesFrame::Array(words) = message else { return self.messages.lose_connection() };
        let answer = match &words[..] {
            [BytesFrame::BulkString(word), value] if word == "SET" => {
                self.value = value.clone();
                BytesFrame::SimpleString("OK".into())
            }
            [BytesFrame::BulkString(word)] if word == "GET" => self.value.clone(),
            _ => BytesFrame::Error("ERR unknown command".into()),
        };
        self.messages.send(answer).unwrap();
    }

    fn decoding_failed(&mut self, error: RedisProtocolError) {
        self.messages.send(BytesFrame::Error(format!("ERR {}", error.details()).into())).unwrap();
    }
}

fn store(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let build = |messages| Store { messages, value: BytesFrame::Null };
    let mut wire = StringTransport::connect(CodecReceiver::factory(Resp2::default, build));
    pieces.iter().for_each(|piece| wire.receive(piece));
    (wire.take_written(), wire.close_reason().is_some())
}

#[test]
fn a_codec_of_redis_runs_a_server() {
    let commands = b"*1\r\n$3\r\nGET\r\n*2\r\n$3\r\nSET\r\n$5\r\nhello\r\n*1\r\n$3\r\nGET\r\n*1\r\n$4\r\nQUIT\r\n";
    let (answers, closed) = every_cut(commands, store);
    assert_eq!(answers.escape_ascii().to_string(), "$-1\\r\\n+OK\\r\\n$5\\r\\nhello\\r\\n-ERR unknown command\\r\\n");
    assert!(!closed);
}

#[test]
fn what_a_codec_cannot_decode_is_told_and_closes() {
    let (answers, closed) = every_cut("*1\r\n$3\r\nGET\r\n?", store);
    assert!(answers.starts_with(b"$-1\r\n-ERR "), "{}", answers.escape_ascii());
    assert!(closed);
}

/// Sends back what comes.
struct Echo<C> {
    messages: Messages<C>,
}

impl CodecHandler for Echo<UviBytes> {
    type Codec = UviBytes;

    fn message_received(&mut self, message: BytesMut) {
        self.messages.send(message.freeze()).unwrap();
    }
}

#[test]
fn a_codec_of_length_prefixed_bytes_gives_what_our_strings_give() {
    let lengths = [0, 1, 127, 128, 300];
    let stream: Vec<u8> = lengths
        .iter()
        .flat_map(|length| {
            let mut encoded = BytesMut::new();
            UviBytes::default().encode(Bytes::from(vec![b'x'; *length]), &mut encoded).unwrap();
            encoded
        })
        .collect();
    let echoed = every_cut(&stream, |pieces| {
        let factory = CodecReceiver::factory(UviBytes::default, |messages| Echo { messages });
        let mut wire = StringTransport::connect(factory);
        pieces.iter().for_each(|piece| wire.receive(piece));
        wire.take_written()
    });
    assert_eq!(echoed, stream);

    let mut ours =
        StringTransport::connect(StringReceiver::factory(StringFormat::Varint, |strings| Resend { strings }));
    ours.receive(&stream);
    assert_eq!(ours.written(), stream);
}

struct Resend {
    strings: Strings,
}

impl StringHandler for Resend {
    fn string_received(&mut self, string: &[u8]) {
        self.strings.send_string(string).unwrap();
    }
}

/// Writes down lines, and what else comes.
struct Log {
    messages: Messages<LinesCodec>,
    log: Vec<String>,
}

impl CodecHandler for Log {
    type Codec = LinesCodec;

    fn message_received(&mut self, message: String) {
        self.log.push(message);
    }

    fn decoding_failed(&mut self, error: LinesCodecError) {
        assert!(!self.messages.is_closing(), "there is still time to answer");
        self.messages.send(format!("{:?}: {error}", self.log)).unwrap();
    }
}

fn log(max_kept: usize) -> StringTransport {
    let factory = CodecReceiver::factory(LinesCodec::new, |messages| Log { messages, log: Vec::new() });
    StringTransport::connect(factory.max_kept(max_kept))
}

#[test]
fn no_more_is_kept_than_allowed_for_a_codec_without_a_limit() {
    let mut wire = log(10);
    wire.receive("a line in a single chunk\n0123456789");
    assert_eq!(wire.protocol::<Log>().log, ["a line in a single chunk"]);
    wire.receive("x");
    let answer = String::from_utf8_lossy(wire.written());
    assert!(answer.ends_with("the peer sent more than 10 bytes of an incomplete message\n"), "{answer}");
    assert_eq!(wire.close_reason().unwrap().to_string(), "the codec cannot decode what the peer sent");
}

#[test]
fn what_a_codec_cannot_encode_is_told_and_not_sent() {
    struct Limited(Messages<LengthDelimitedCodec>);

    impl CodecHandler for Limited {
        type Codec = LengthDelimitedCodec;

        fn message_received(&mut self, _message: BytesMut) {}
    }

    let new_codec = || LengthDelimitedCodec::builder().max_frame_length(3).new_codec();
    let mut wire = StringTransport::connect(CodecReceiver::factory(new_codec, Limited));
    let messages = wire.protocol::<Limited>().0.clone();
    let error: io::Error = messages.send(&b"abcd"[..]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    messages.send(&b"abc"[..]).unwrap();
    wire.settle();
    assert_eq!(wire.written(), b"\0\0\0\x03abc");
}

/// Unfinished bytes come one a message at the end of the stream.
struct Crumbs;

impl Decoder for Crumbs {
    type Item = u8;
    type Error = io::Error;

    fn decode(&mut self, _bytes: &mut BytesMut) -> io::Result<Option<u8>> {
        Ok(None)
    }

    fn decode_eof(&mut self, bytes: &mut BytesMut) -> io::Result<Option<u8>> {
        Ok((!bytes.is_empty()).then(|| bytes.split_to(1)[0]))
    }
}

#[test]
fn what_comes_at_the_end_of_the_stream_waits_while_reading_is_paused_too() {
    struct Pausing(Messages<Crumbs>);

    impl CodecHandler for Pausing {
        type Codec = Crumbs;

        fn message_received(&mut self, message: u8) {
            self.0.transport().write([message]);
            self.0.pause_reading();
        }
    }

    let mut wire = StringTransport::connect(CodecReceiver::factory(|| Crumbs, Pausing));
    let messages = wire.protocol::<Pausing>().0.clone();
    wire.receive("abc");
    wire.receive_eof();
    for came in ["a", "ab", "abc"] {
        assert_eq!(wire.written(), came.as_bytes());
        assert!(wire.close_reason().is_none());
        messages.resume_reading();
        wire.settle();
    }
    assert!(wire.close_reason().unwrap().is_clean());
}
