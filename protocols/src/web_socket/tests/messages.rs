//! Messages for handlers.

use std::cell::Cell;

use http::StatusCode;
use reactor::testing::{Pair, every_cut};

use super::*;

/// Logs what happens, sends messages back, and does what texts say.
struct Chat {
    socket: WebSocketHandle,
    log: Log,
}

impl Chat {
    fn log(&self, line: String) {
        self.log.borrow_mut().push(line);
    }
}

impl WebSocketHandler for Chat {
    fn connection_made(&mut self) {
        self.log("made".to_owned());
    }

    fn text_received(&mut self, text: &str) {
        self.log(format!("text {text}"));
        match text {
            "close" => self.socket.close(CloseCode::new(4001).unwrap(), "enough"),
            "lose" => self.socket.lose_connection(),
            "silent" => self.socket.close(CloseCode::NO_STATUS, "not sent"),
            "pause" => self.socket.pause_reading(),
            "ping" => self.socket.send_ping("?").unwrap(),
            "later" => {
                drop(self.socket.call_later(Duration::from_secs(1), |this: &mut Self| this.socket.send_text("now")));
            }
            text => self.socket.send_text(text),
        }
    }

    fn bytes_received(&mut self, data: &[u8]) {
        self.log(format!("{} bytes", data.len()));
        self.socket.send_bytes(data);
    }

    fn ping_received(&mut self, data: &[u8]) {
        self.log(format!("ping {}", data.escape_ascii()));
    }

    fn pong_received(&mut self, data: &[u8]) {
        self.log(format!("pong {}", data.escape_ascii()));
    }

    fn closed(&mut self, code: CloseCode, reason: &str) {
        self.log(format!("closed {code} {reason}"));
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log(format!("lost: {reason}"));
    }
}

fn chat(log: &Log) -> WebSocket {
    let log = Rc::clone(log);
    WebSocket::messages(move |socket, _| Chat { socket, log: Rc::clone(&log) })
}

fn open() -> Test {
    let log = Log::default();
    let mut wire = StringTransport::connect(chat(&log));
    wire.receive(format!("{REQUEST}\r\n"));
    assert_eq!(String::from_utf8_lossy(&wire.take_written()), ACCEPTED);
    assert_eq!(log.take(), ["made"]);
    Test { wire, log }
}

#[test]
fn texts_and_bytes_are_told_apart_and_empty_ones_count() {
    let mut test = open();
    let long = vec![7; 65_536];
    let received = test.receive(&[
        frame(TEXT, "h\u{e9}"),
        frame(TEXT, ""),
        frame(BINARY, ""),
        frame(BINARY, b"\xff"),
        frame(BINARY, &long),
    ]);
    assert_eq!(received, ["text h\u{e9}", "text ", "0 bytes", "1 bytes", "65536 bytes"]);
    assert_eq!(
        test.sent(),
        [(TEXT, "h\u{e9}".into()), (TEXT, vec![]), (BINARY, vec![]), (BINARY, vec![0xff]), (BINARY, long)]
    );
}

#[test]
fn fragments_are_one_message_and_control_frames_between_them_come_first() {
    let mut test = open();
    let received = test.receive(&[
        frame(1, &"\u{20ac}".as_bytes()[..1]),
        frame(PING, "?"),
        frame(CONTINUED, ""),
        frame(PONG, "!"),
        frame(CONTINUED | FINAL, &"\u{20ac}".as_bytes()[1..]),
    ]);
    assert_eq!(received, ["ping ?", "pong !", "text \u{20ac}"]);
    assert_eq!(test.sent(), [(PONG, b"?".to_vec()), (TEXT, "\u{20ac}".into())]);
}

#[test]
fn nothing_depends_on_how_messages_are_cut() {
    let frames = [
        frame(1, &"\u{20ac}".as_bytes()[..2]),
        frame(PING, ""),
        frame(CONTINUED | FINAL, &"\u{20ac}".as_bytes()[2..]),
        frame(BINARY, ""),
        frame(CLOSE, [&closing(1001)[..], b"gone"].concat()),
        frame(TEXT, "behind"),
    ];
    let input = [format!("{REQUEST}\r\n").into_bytes(), frames.concat()].concat();
    let (log, written) = every_cut(&input, |pieces| {
        let log = Log::default();
        let mut wire = StringTransport::connect(chat(&log));
        for piece in pieces {
            wire.receive(piece);
        }
        let written = wire.take_written();
        (log.take(), written)
    });
    assert_eq!(
        log,
        ["made", "ping ", "text \u{20ac}", "0 bytes", "closed 1001 gone", "lost: connection closed cleanly"]
    );
    let sent = frames_behind_the_answer(&written);
    assert_eq!(sent, [(PONG, vec![]), (TEXT, "\u{20ac}".into()), (BINARY, vec![]), (CLOSE, closing(1001))]);
}

fn frames_behind_the_answer(written: &[u8]) -> Vec<(u8, Vec<u8>)> {
    frames(written.strip_prefix(ACCEPTED.as_bytes()).unwrap())
}

#[test]
fn a_handler_closes_with_a_code_and_a_reason_and_hears_what_the_peer_answers() {
    let reason = [&closing(4001)[..], b"enough"].concat();
    for (text, sent) in [("close", reason), ("lose", closing(1000)), ("silent", vec![])] {
        let mut test = open();
        assert_eq!(test.receive(&[frame(TEXT, text), frame(TEXT, "dropped"), frame(PING, "")]).len(), 1);
        assert_eq!(test.sent(), [(CLOSE, sent)]);
        assert!(test.wire.close_reason().is_none());
        assert_eq!(test.receive(&[frame(CLOSE, closing(1000))]), ["closed 1000 ", "lost: connection closed cleanly"]);
    }
    let mut test = open();
    test.receive(&[frame(TEXT, "close")]);
    test.wire.advance(Duration::from_secs(10));
    assert_eq!(test.log.take(), ["lost: connection timed out"]);
}

#[test]
fn a_peer_that_closes_is_answered_with_its_code_behind_what_was_sent() {
    let mut test = open();
    let received = test.receive(&[frame(TEXT, "last"), frame(CLOSE, [&closing(3000)[..], b"bye"].concat())]);
    assert_eq!(received, ["text last", "closed 3000 bye", "lost: connection closed cleanly"]);
    assert_eq!(test.sent(), [(TEXT, b"last".to_vec()), (CLOSE, closing(3000))]);
    let mut test = open();
    assert_eq!(test.receive(&[frame(CLOSE, "")]), ["closed 1005 ", "lost: connection closed cleanly"]);
    assert_eq!(test.sent(), [(CLOSE, vec![])]);
}

#[test]
fn a_peer_that_breaks_the_rules_has_not_closed() {
    let mut test = open();
    let received = test.receive(&[frame(TEXT, "one"), frame(TEXT, b"\xff"), frame(CLOSE, closing(1000))]);
    assert_eq!(received, ["text one", "lost: the peer sent a text message that is not UTF-8"]);
    assert_eq!(test.sent(), [(TEXT, b"one".to_vec()), (CLOSE, closing(1007))]);
}

#[test]
fn the_code_of_a_handler_that_closes_is_sent_before_a_violation_behind_is_noticed() {
    let reason = [&closing(4001)[..], b"enough"].concat();
    let wrong = [frame(TEXT, b"\xff"), frame(0x83, ""), frame(PING & !FINAL, ""), vec![BINARY, 1, b'x']];
    for wrong in wrong {
        let input = [format!("{REQUEST}\r\n").into_bytes(), frame(TEXT, "close"), wrong].concat();
        let (log, written) = every_cut(&input, |pieces| {
            let log = Log::default();
            let mut wire = StringTransport::connect(chat(&log));
            for piece in pieces {
                wire.receive(piece);
            }
            (log.take(), wire.take_written())
        });
        assert_eq!(log[..2], ["made", "text close"]);
        assert!(log.len() == 3 && log[2].starts_with("lost: "), "{log:?}");
        assert_eq!(frames_behind_the_answer(&written), [(CLOSE, reason.clone())]);
    }
}

#[test]
fn a_handler_pings_and_times_and_pauses() {
    let mut test = open();
    test.receive(&[frame(TEXT, "ping"), frame(TEXT, "later")]);
    assert_eq!(test.sent(), [(PING, b"?".to_vec())]);
    test.wire.advance(Duration::from_secs(1));
    assert_eq!(test.sent(), [(TEXT, b"now".to_vec())]);
    assert_eq!(test.receive(&[frame(TEXT, "pause"), frame(TEXT, "one"), frame(PING, "")]), ["text pause"]);
    test.wire.protocol::<Chat>().socket.resume_reading();
    test.wire.settle();
    assert_eq!(test.log.take(), ["text one", "ping "]);
    let socket = test.wire.protocol::<Chat>().socket.clone();
    let error = socket.send_ping([0; 126]).unwrap_err();
    assert_eq!(error.to_string(), "cannot send a ping of 126 bytes: the maximum is 125");
}

#[test]
fn questions_whose_answers_are_not_read_are_not_read_either() {
    for question in [frame(BINARY, vec![7; 8192]), frame(PING, [7; 125])] {
        let mut test = open();
        test.wire.stall(true);
        for _ in 0..2000 {
            test.wire.receive(&question);
        }
        assert!(test.wire.transport().unsent_bytes() < 200_000, "{}", test.wire.transport().unsent_bytes());
        let delivered = test.log.borrow().len();
        assert!(delivered < 1100, "{delivered}");
        test.wire.stall(false);
        assert_eq!(test.sent().len(), 2000);
    }
}

#[test]
fn a_ping_is_never_sent_between_the_parts_of_a_message() {
    let mut test = open();
    test.wire.stall(true);
    let long = "x".repeat(1_000_000);
    test.wire.protocol::<Chat>().socket.send_text(&long);
    test.wire.settle();
    test.wire.advance(Duration::from_secs(40));
    test.wire.stall(false);
    let sent = test.sent();
    assert_eq!(sent, [(TEXT, long.into_bytes()), (PING, vec![])]);
}

#[test]
fn the_closure_sees_what_was_asked_for_and_may_refuse_it() {
    let seen = Log::default();
    let kept = Rc::clone(&seen);
    let log = Log::default();
    let socket = WebSocket::messages(move |socket, opening| {
        let cookie = opening.headers().get("cookie").map(|value| value.to_str().unwrap().to_owned());
        kept.borrow_mut().push(format!(
            "{} {:?} {:?} {:?} {cookie:?}",
            opening.path(),
            opening.query(),
            opening.origin(),
            opening.subprotocol()
        ));
        if cookie.is_some() { Ok(Chat { socket, log: Rc::clone(&log) }) } else { Err(StatusCode::UNAUTHORIZED) }
    });
    let socket = socket.subprotocol("chat");
    let ask = |fields: &str| {
        let mut wire = StringTransport::connect(socket.clone());
        wire.receive(format!("{REQUEST}{fields}\r\n"));
        String::from_utf8(wire.take_written()).unwrap()
    };
    let fields = "Cookie: a=b\r\nOrigin: http://example.org:80\r\nSec-WebSocket-Protocol: x, chat\r\n";
    assert!(ask(fields).starts_with("HTTP/1.1 101 "));
    assert!(ask("").starts_with("HTTP/1.1 401 Unauthorized\r\n"));
    assert_eq!(
        seen.take(),
        [
            "/socket Some(\"x=1\") Some(\"http://example.org:80\") Some(\"chat\") Some(\"a=b\")",
            "/socket Some(\"x=1\") None None None"
        ]
    );
}

#[test]
fn a_client_of_messages_and_a_server_of_them_talk_and_close_in_order() {
    let (log, server_log) = (Log::default(), Log::default());
    let kept = Rc::clone(&log);
    let chosen = Rc::new(Cell::new(false));
    let seen = Rc::clone(&chosen);
    let client = WebSocket::client_messages("ws://here/socket", move |socket: WebSocketHandle, opening| {
        seen.set(opening.subprotocol() == Some("b") && opening.headers().contains_key("upgrade"));
        socket.send_text("");
        socket.send_text("\u{20ac}");
        socket.send_bytes(vec![7; 50_000]);
        Asking { socket, log: Rc::clone(&kept), left: 3 }
    });
    let server = chat(&server_log).subprotocol("b");
    let mut pair = Pair::connect(client.subprotocol("a").subprotocol("b"), server);
    pair.run_until_quiet();
    assert!(chosen.get());
    assert_eq!(
        log.take(),
        ["text ", "text \u{20ac}", "50000 bytes", "closed 1000 ", "lost: connection closed cleanly"]
    );
    assert_eq!(
        server_log.take(),
        ["made", "text ", "text \u{20ac}", "50000 bytes", "closed 1000 bye", "lost: connection closed cleanly"]
    );
}

/// Closes after this many answers.
struct Asking {
    socket: WebSocketHandle,
    log: Log,
    left: u32,
}

impl Asking {
    fn came(&mut self, line: String) {
        self.log.borrow_mut().push(line);
        self.left -= 1;
        if self.left == 0 {
            self.socket.close(CloseCode::NORMAL, "bye");
        }
    }
}

impl WebSocketHandler for Asking {
    fn text_received(&mut self, text: &str) {
        self.came(format!("text {text}"));
    }

    fn bytes_received(&mut self, data: &[u8]) {
        self.came(format!("{} bytes", data.len()));
    }

    fn closed(&mut self, code: CloseCode, reason: &str) {
        self.log.borrow_mut().push(format!("closed {code} {reason}"));
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.borrow_mut().push(format!("lost: {reason}"));
    }
}
