//! Messages of web sockets, at both ends, and the heads of their handshakes.

use std::cell::RefCell;
use std::rc::Rc;

use protocols::web_socket::{CloseCode, WebSocket, WebSocketHandle, WebSocketHandler};
use reactor::testing::StringTransport;
use reactor::{CloseReason, Factory, Protocol, Transport};

use crate::receiving::alike_in_every_cut;

/// Two bytes select the end and where to cut; a handler of messages receives the others as frames, after the handshake.
pub fn web_messages(data: &[u8]) {
    let [end, cut, frames @ ..] = data else { return };
    let whole = alike_in_every_cut(frames, *cut, |pieces| match end & 1 {
        0 => by_server(pieces),
        _ => by_client(pieces),
    });
    let length: usize = whole.seen.iter().map(Seen::len).sum();
    assert!(length <= frames.len(), "more was received than sent: {:?}", whole.seen);
    let ends = |seen: &&Seen| matches!(seen, Seen::Closed(_) | Seen::Lost(_));
    let after = whole.seen.iter().skip_while(|seen| !ends(seen));
    assert!(after.clone().count() <= 2 && after.clone().all(|seen| ends(&seen)), "{:?}", whole.seen);
    assert!(matches!(whole.seen.last(), Some(Seen::Lost(_))), "{:?}", whole.seen);
}

/// One byte selects where to cut; a client receives the others as the server's answer.
pub fn web_answer(data: &[u8]) {
    let [cut, answer @ ..] = data else { return };
    let seen = alike_in_every_cut(answer, *cut, |pieces| {
        let log = Log::default();
        let mut wire = StringTransport::connect(client(&log));
        receive(&mut wire, pieces);
        wire.receive_eof();
        assert!(wire.close_reason().is_some_and(|reason| !reason.is_clean()));
        log.take()
    });
    // Nobody guesses the answer to a key.
    assert!(seen.is_empty(), "{seen:?}");
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    seen: Vec<Seen>,
    written: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Text(String),
    Bytes(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Closed(CloseCode),
    Lost(bool),
}

impl Seen {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(data) | Self::Ping(data) | Self::Pong(data) => data.len(),
            Self::Closed(_) | Self::Lost(_) => 0,
        }
    }
}

type Log = Rc<RefCell<Vec<Seen>>>;

fn server(log: &Log) -> WebSocket {
    let log = Rc::clone(log);
    WebSocket::messages(move |socket, _| Echo { socket, log: Rc::clone(&log) }).max_message(64)
}

fn client(log: &Log) -> WebSocket {
    let log = Rc::clone(log);
    WebSocket::client_messages("ws://here/", move |socket, _| Echo { socket, log: Rc::clone(&log) }).max_message(64)
}

fn by_server(pieces: &[&[u8]]) -> Outcome {
    let log = Log::default();
    let mut wire = StringTransport::connect(server(&log));
    wire.receive(request());
    assert!(wire.take_written().starts_with(b"HTTP/1.1 101 "));
    receive(&mut wire, pieces);
    wire.receive_eof();
    let written = if wire.was_reset() { Vec::new() } else { wire.take_written() };
    assert!(wire.close_reason().is_some());
    Outcome { seen: log.take(), written }
}

fn by_client(pieces: &[&[u8]]) -> Outcome {
    let log = Log::default();
    let mut wire = StringTransport::connect(client(&log));
    // A server computes the answer to the key.
    let mut other = StringTransport::connect(server(&Log::default()));
    other.receive(wire.take_written());
    wire.receive(other.take_written());
    receive(&mut wire, pieces);
    wire.receive_eof();
    assert!(wire.close_reason().is_some());
    // The masks are random.
    let written = if wire.was_reset() { Vec::new() } else { vec![0; wire.take_written().len()] };
    Outcome { seen: log.take(), written }
}

fn receive(wire: &mut StringTransport, pieces: &[&[u8]]) {
    for piece in pieces {
        wire.receive(piece);
    }
}

fn request() -> &'static [u8] {
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
}

struct Echo {
    socket: WebSocketHandle,
    log: Log,
}

impl Echo {
    fn saw(&self, seen: Seen) {
        self.log.borrow_mut().push(seen);
    }
}

impl WebSocketHandler for Echo {
    fn text_received(&mut self, text: &str) {
        self.saw(Seen::Text(text.to_owned()));
        self.socket.send_text(text);
        if text == "close" {
            self.socket.close(CloseCode::NORMAL, "as it was told to");
        }
    }

    fn bytes_received(&mut self, data: &[u8]) {
        self.saw(Seen::Bytes(data.to_vec()));
        self.socket.send_bytes(data);
    }

    fn ping_received(&mut self, data: &[u8]) {
        self.saw(Seen::Ping(data.to_vec()));
    }

    fn pong_received(&mut self, data: &[u8]) {
        self.saw(Seen::Pong(data.to_vec()));
    }

    fn closed(&mut self, code: CloseCode, _reason: &str) {
        self.saw(Seen::Closed(code));
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.saw(Seen::Lost(reason.is_clean()));
    }
}

/// One byte selects where to cut; a server of web sockets, with another protocol for other requests, receives the others
/// as the head of a request.
pub fn http_head(data: &[u8]) {
    let [cut, head @ ..] = data else { return };
    let (written, other) = alike_in_every_cut(head, *cut, |pieces| {
        let log = Rc::<RefCell<Vec<u8>>>::default();
        let mut wire = StringTransport::connect(factory(&log));
        receive(&mut wire, pieces);
        let written = wire.take_written();
        wire.receive_eof();
        assert!(wire.close_reason().is_some());
        (written, log.take())
    });
    assert!(other.is_empty() || other == head && written.is_empty(), "the other protocol gets everything");
    if written.starts_with(b"HTTP/1.1 101 ") {
        assert!(is_right(head), "accepted: {:?}", head.escape_ascii().to_string());
    } else {
        assert!(written.is_empty() || written.starts_with(b"HTTP/1.1 4") || written.starts_with(b"HTTP/1.1 5"));
    }
}

fn factory(log: &Rc<RefCell<Vec<u8>>>) -> impl Factory + use<> {
    let log = Rc::clone(log);
    WebSocket::around(Silent::new).path("/socket").host("here").otherwise(move |_| Silent(Rc::clone(&log)))
}

struct Silent(Rc<RefCell<Vec<u8>>>);

impl Silent {
    fn new(_transport: Transport) -> Self {
        Self(Rc::default())
    }
}

impl Protocol for Silent {
    fn data_received(&mut self, data: &[u8]) {
        self.0.borrow_mut().extend_from_slice(data);
    }
}

/// Whether a request meets RFC 6455, section 4.2.1, and RFC 9112, section 3.2, by a parser of its own.
fn is_right(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    // A line may end with a line feed alone (RFC 9112, section 2.2).
    let lines: Vec<_> = text.lines().skip_while(|line| line.is_empty()).collect();
    let Some(end) = lines.iter().position(|line| line.is_empty()) else { return false };
    let [request, fields @ ..] = &lines[..end] else { return false };
    let fields: Vec<_> = fields.iter().filter_map(|line| line.split_once(':')).collect();
    let all = |name: &str| {
        let named = fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect::<Vec<_>>()
    };
    let has = |name: &str, token: &str| {
        all(name).iter().flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    let [host] = all("host")[..] else { return false };
    // The host of an absolute target takes precedence (RFC 9112, section 3.2.2).
    let target = request.split(' ').nth(1).unwrap_or_default();
    let host = target.split_once("://").map_or(host, |(_, rest)| rest.split('/').next().unwrap_or_default());
    request.starts_with("GET ")
        && request.ends_with("HTTP/1.1")
        && host.split(':').next().is_some_and(|host| host.eq_ignore_ascii_case("here"))
        && has("upgrade", "websocket")
        && has("connection", "upgrade")
        && all("sec-websocket-version") == ["13"]
        && matches!(all("sec-websocket-key")[..], [key] if key.len() == 24)
}
