mod handshake;
mod life;
mod messages;
mod stream;

use std::cell::RefCell;

use reactor::testing::StringTransport;
use reactor::{CloseReason, OnEof};

use super::handshake::key;
use super::*;

const REQUEST: &str = "GET /socket?x=1 HTTP/1.1\r\nHost: example.org:80\r\nConnection: keep-alive, Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The example of RFC 6455.
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

type Log = Rc<RefCell<Vec<String>>>;

/// Logs what happens, and sends everything back.
struct Echo {
    transport: Transport,
    log: Log,
    on_eof: OnEof,
}

impl Echo {
    fn log(&self, line: String) {
        self.log.borrow_mut().push(line);
    }
}

impl Protocol for Echo {
    fn connection_made(&mut self) {
        self.log("made".to_owned());
    }

    fn data_received(&mut self, data: &[u8]) {
        self.log(if data.len() > 64 { format!("{} bytes", data.len()) } else { data.escape_ascii().to_string() });
        match data {
            b"close" => self.transport.lose_connection(),
            b"eof" => self.transport.write_eof(),
            b"pause" => self.transport.pause_reading(),
            b"broken" => self.transport.write(b"\xff"),
            b"half" => self.transport.write(b"\xe2\x82"),
            b"other half" => self.transport.write(b"\xac!"),
            _ => self.transport.write(data),
        }
    }

    fn eof_received(&mut self) -> OnEof {
        self.log("eof".to_owned());
        self.transport.write("bye");
        self.on_eof
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log(format!("lost: {reason}"));
    }
}

fn echo(log: &Log) -> WebSocket {
    let log = Rc::clone(log);
    WebSocket::around(move |transport| Echo { transport, log: Rc::clone(&log), on_eof: OnEof::KeepWriting })
}

struct Test {
    wire: StringTransport,
    log: Log,
}

impl Test {
    fn open(set: impl FnOnce(WebSocket) -> WebSocket) -> Self {
        let log = Log::default();
        let mut wire = StringTransport::connect(set(echo(&log)));
        wire.receive(format!("{REQUEST}\r\n"));
        assert_eq!(String::from_utf8_lossy(&wire.take_written()), ACCEPTED);
        assert_eq!(log.take(), ["made"]);
        Self { wire, log }
    }

    fn receive(&mut self, frames: &[Vec<u8>]) -> Vec<String> {
        self.wire.receive(frames.concat());
        self.log.take()
    }

    /// The frames that were written, and what they carry.
    fn sent(&mut self) -> Vec<(u8, Vec<u8>)> {
        frames(&self.wire.take_written())
    }

    fn sent_texts(&mut self) -> Vec<String> {
        self.sent().into_iter().map(|(_, data)| String::from_utf8(data).unwrap()).collect()
    }
}

const CONTINUED: u8 = 0;
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const FINAL: u8 = 0x80;

/// A frame as a client sends it, masked.
fn frame(first: u8, data: impl AsRef<[u8]>) -> Vec<u8> {
    let (data, mask) = (data.as_ref(), [1, 2, 3, 4]);
    let mut frame = vec![first];
    match data.len() {
        short @ ..126 => frame.push(FINAL | short as u8),
        middle @ ..65_536 => {
            frame.push(FINAL | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(FINAL | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(data.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn frames(mut data: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some(first) = data.first() {
        let (start, length) = match data[1] {
            126 => (4, u16::from_be_bytes([data[2], data[3]]).into()),
            127 => (10, u64::from_be_bytes(*data[2..].first_chunk().unwrap()) as usize),
            short @ ..126 => (2, short.into()),
            _ => panic!("a server's frames are not masked"),
        };
        frames.push((*first, data[start..start + length].to_vec()));
        data = &data[start + length..];
    }
    frames
}

fn closing(code: u16) -> Vec<u8> {
    code.to_be_bytes().to_vec()
}
