//! Bytes that are carried by web sockets.

use std::io;

use reactor::testing::{Pair, Simulation, every_cut};

use super::handshake::accepting;
use super::*;
use crate::policies::IdleTimeout;
use crate::{LineHandler, LineReceiver, Lines};

#[test]
fn a_message_is_one_chunk_and_its_answer_one_message() {
    let mut test = Test::open(|socket| socket);
    assert_eq!(test.receive(&[frame(TEXT, "one"), frame(BINARY, b"\xff"), frame(TEXT, "")]), ["one", "\\xff"]);
    assert_eq!(test.sent(), [(BINARY, b"one".to_vec()), (BINARY, b"\xff".to_vec())]);
    let mut test = Test::open(WebSocket::text);
    test.receive(&[frame(TEXT, "one"), frame(TEXT, "two")]);
    assert_eq!(test.sent(), [(TEXT, b"one".to_vec()), (TEXT, b"two".to_vec())]);
}

#[test]
fn fragments_are_put_together_and_pings_between_them_answered() {
    let mut test = Test::open(|socket| socket);
    let frames = [frame(1, "he"), frame(PING, "?"), frame(CONTINUED, "ll"), frame(CONTINUED | FINAL, "o")];
    assert_eq!(test.receive(&frames), ["hello"]);
    assert_eq!(test.sent(), [(PONG, b"?".to_vec()), (BINARY, b"hello".to_vec())]);
}

#[test]
fn nothing_depends_on_how_a_conversation_is_cut() {
    let frames = [frame(1, "he"), frame(PING, "?"), frame(CONTINUED | FINAL, "llo"), frame(CLOSE, closing(1000))];
    let input = [format!("{REQUEST}\r\n").into_bytes(), frames.concat()].concat();
    let (log, written, clean) = every_cut(&input, |pieces| {
        let log = Log::default();
        let mut wire = StringTransport::connect(echo(&log));
        for piece in pieces {
            wire.receive(piece);
        }
        let written = wire.take_written();
        (log.take(), written, wire.close_reason().is_some_and(|reason| reason.is_clean()))
    });
    assert_eq!(log, ["made", "hello", "eof", "lost: connection closed cleanly"]);
    assert!(written.starts_with(ACCEPTED.as_bytes()) && clean);
}

#[test]
fn a_peer_that_closes_gets_what_was_written_and_the_same_code() {
    let mut test = Test::open(|socket| socket);
    let log = test.receive(&[frame(BINARY, "last"), frame(CLOSE, closing(1001)), frame(BINARY, "behind")]);
    assert_eq!(log, ["last", "eof", "lost: connection closed cleanly"]);
    assert_eq!(test.sent(), [(BINARY, b"last".to_vec()), (BINARY, b"bye".to_vec()), (CLOSE, closing(1001))]);
    assert!(test.wire.eof_written() && !test.wire.was_reset());
}

#[test]
fn a_close_on_this_side_is_over_when_the_peer_has_closed() {
    let mut test = Test::open(|socket| socket);
    assert_eq!(test.receive(&[frame(TEXT, "close"), frame(TEXT, "dropped")]), ["close"]);
    assert_eq!(test.sent(), [(CLOSE, closing(1000))]);
    assert!(test.wire.close_reason().is_none() && !test.wire.eof_written());
    assert_eq!(
        test.receive(&[frame(TEXT, "dropped"), frame(CLOSE, closing(1000))]),
        ["lost: connection closed cleanly"]
    );
    assert!(test.wire.eof_written());
}

#[test]
fn a_peer_that_does_not_close_is_given_ten_seconds() {
    let mut test = Test::open(|socket| socket);
    test.receive(&[frame(TEXT, "close")]);
    test.wire.advance(Duration::from_millis(9999));
    assert!(test.wire.close_reason().is_none());
    test.wire.advance(Duration::from_millis(1));
    assert_eq!(test.log.take(), ["lost: connection timed out"]);
    assert!(test.wire.was_reset());
}

#[test]
fn behind_the_end_of_its_own_stream_a_protocol_gets_what_comes_before_the_peers() {
    let mut test = Test::open(|socket| socket);
    assert_eq!(test.receive(&[frame(TEXT, "eof"), frame(TEXT, "more")]), ["eof", "more"]);
    assert_eq!(test.sent(), [(CLOSE, closing(1000))]);
    assert_eq!(test.receive(&[frame(CLOSE, closing(1000))]), ["eof", "lost: connection closed cleanly"]);
    assert_eq!(test.sent(), []);
}

#[test]
fn a_stream_that_ends_without_a_close_is_truncated_and_a_connection_that_breaks_is_lost() {
    let mut test = Test::open(|socket| socket);
    test.wire.receive_eof();
    let truncated = "lost: the peer ended its stream without saying so: the rest may have been cut off";
    assert_eq!(test.log.take(), [truncated]);
    let mut test = Test::open(|socket| socket);
    test.wire.break_connection(io::ErrorKind::ConnectionReset.into());
    assert_eq!(test.log.take(), ["lost: connection lost: connection reset"]);
    let mut test = Test::open(|socket| socket);
    test.receive(&[frame(TEXT, "close")]);
    test.wire.receive_eof();
    assert!(matches!(test.wire.close_reason(), Some(CloseReason::Truncated)));
}

#[test]
fn a_peer_that_breaks_the_rules_is_told_why_it_ends() {
    let unmasked = vec![BINARY, 1, b'x'];
    let claimed = [&[BINARY, FINAL | 127][..], &[0x7f; 8], &[0; 4]].concat();
    let long = vec![b'x'; 40_000];
    for (code, sent) in [
        (1002, vec![unmasked]),
        (1009, vec![claimed]),
        (1009, vec![frame(BINARY, vec![b'x'; 65_537])]),
        (1009, vec![frame(2, &long), frame(CONTINUED | FINAL, &long)]),
        (1007, vec![frame(TEXT, b"\xff")]),
        (1007, vec![frame(1, b"\xe2"), frame(CONTINUED | FINAL, b"\x82")]),
        (1002, vec![frame(CONTINUED | FINAL, "x")]),
        (1002, vec![frame(1, "x"), frame(TEXT, "x")]),
        (1002, vec![frame(PING & !FINAL, "x")]),
        (1002, vec![frame(PING, [b'x'; 126])]),
        (1002, vec![frame(BINARY | 0x40, "x")]),
        (1002, vec![frame(0x83, "x")]),
        (1002, vec![frame(0x8b, "x")]),
    ] {
        let mut test = Test::open(|socket| socket);
        let log = test.receive(&sent);
        assert!(log.len() == 1 && log[0].starts_with("lost: "), "{log:?}");
        assert_eq!(test.sent(), [(CLOSE, closing(code))], "{log:?}");
        assert!(test.wire.eof_written() && !test.wire.was_reset());
    }
}

#[test]
fn the_longest_message_can_be_set() {
    let mut test = Test::open(|socket| socket.max_message(200_000));
    let long = vec![b'x'; 200_000];
    assert_eq!(test.receive(&[frame(BINARY, &long)]), ["65536 bytes", "65536 bytes", "65536 bytes", "3392 bytes"]);
    assert!(test.sent().iter().map(|(_, data)| data.len()).sum::<usize>() == long.len());
    assert_eq!(test.receive(&[frame(BINARY, vec![b'x'; 200_001])]).len(), 1);
    assert_eq!(test.sent(), [(CLOSE, closing(1009))]);
}

#[test]
fn text_is_sent_in_whole_characters_or_not_at_all() {
    let mut test = Test::open(WebSocket::text);
    test.receive(&[frame(TEXT, "half")]);
    assert_eq!(test.sent(), []);
    test.receive(&[frame(TEXT, "other half")]);
    assert_eq!(test.sent_texts(), ["\u{20ac}!"]);
    for bad in ["broken", "half"] {
        let mut test = Test::open(WebSocket::text);
        let log = test.receive(&[frame(TEXT, bad), frame(TEXT, "close")]);
        assert_eq!(log.last().unwrap(), "lost: cannot send text that is not UTF-8");
        assert!(test.wire.was_reset());
    }
}

#[test]
fn a_protocol_that_pauses_gets_nothing_until_it_resumes() {
    let mut test = Test::open(|socket| socket);
    let frames: Vec<_> = ["pause", "one", "pause", "two"].map(|text| frame(TEXT, text)).into();
    assert_eq!(test.receive(&frames), ["pause"]);
    assert_eq!(test.receive(&[frame(TEXT, "three"), frame(CLOSE, closing(1000))]), [""; 0]);
    test.wire.receive_eof();
    assert!(test.wire.close_reason().is_none());
    for expected in [&["one", "pause"][..], &["two", "three", "eof", "lost: connection closed cleanly"]] {
        test.wire.protocol::<Echo>().transport.resume_reading();
        test.wire.settle();
        assert_eq!(test.log.take(), expected);
    }
}

#[test]
fn a_peer_that_does_not_read_is_not_read_either() {
    let mut test = Test::open(|socket| socket);
    test.wire.stall(true);
    let message = frame(BINARY, vec![7; 8192]);
    for _ in 0..1024 {
        test.wire.receive(&message);
    }
    assert!(test.wire.transport().unsent_bytes() < 200_000, "{}", test.wire.transport().unsent_bytes());
    assert!(test.log.borrow().len() < 40, "{}", test.log.borrow().len());
    test.wire.stall(false);
    let sent: usize = test.sent().iter().map(|(_, data)| data.len()).sum();
    assert_eq!(sent, 1024 * 8192);
}

#[test]
fn pings_whose_answers_are_not_read_do_not_pile_up() {
    let mut test = Test::open(|socket| socket);
    test.wire.stall(true);
    for _ in 0..10_000 {
        test.wire.receive(frame(PING, [7; 125]));
    }
    assert!(test.wire.transport().unsent_bytes() < 200_000, "{}", test.wire.transport().unsent_bytes());
}

#[test]
fn a_close_from_outside_tells_the_peer_that_this_side_goes_away() {
    let mut test = Test::open(|socket| socket);
    test.wire.transport().lose_connection();
    test.wire.settle();
    assert_eq!(test.sent(), [(CLOSE, closing(1001))]);
    assert_eq!(test.log.take(), ["lost: connection closed cleanly"]);

    let log = Log::default();
    let mut wire = StringTransport::connect(IdleTimeout::around(Duration::from_secs(15), echo(&log)));
    wire.receive(format!("{REQUEST}\r\n"));
    wire.take_written();
    wire.advance(Duration::from_secs(15));
    assert_eq!(frames(wire.written()), [(CLOSE, closing(1001))]);
    assert!(wire.eof_written());
}

#[test]
fn policies_stand_inside_as_well() {
    let log = Log::default();
    let inside = Rc::clone(&log);
    let echo = move |transport| Echo { transport, log: Rc::clone(&inside), on_eof: OnEof::Close };
    let factory = WebSocket::around(IdleTimeout::around(Duration::from_secs(15), echo));
    let mut test = Test { wire: StringTransport::connect(factory), log };
    test.wire.receive(format!("{REQUEST}\r\n"));
    test.wire.take_written();
    assert_eq!(test.receive(&[frame(TEXT, "hi")]), ["made", "hi"]);
    test.wire.advance(Duration::from_secs(15));
    assert_eq!(test.sent(), [(BINARY, b"hi".to_vec()), (CLOSE, closing(1000))]);
}

struct Shout(Lines);

impl LineHandler for Shout {
    fn line_received(&mut self, line: &[u8]) {
        self.0.send_line(line.to_ascii_uppercase());
    }
}

#[test]
fn a_receiver_inside_finds_its_lines_wherever_messages_end() {
    let factory = WebSocket::around(LineReceiver::factory(Shout)).text();
    let mut test = Test { wire: StringTransport::connect(factory), log: Log::default() };
    test.wire.receive(format!("{REQUEST}\r\n"));
    test.wire.take_written();
    test.receive(&[frame(TEXT, "on"), frame(TEXT, "e\r\ntwo\r\nth"), frame(TEXT, "ree\r\n")]);
    assert_eq!(test.sent_texts().concat(), "ONE\r\nTWO\r\nTHREE\r\n");
}

#[test]
fn a_client_and_a_server_talk_and_close_in_order() {
    let (log, server_log) = (Log::default(), Log::default());
    let kept = Rc::clone(&log);
    let client = move |transport: Transport| {
        transport.write("he\u{20ac}o");
        transport.call_later(Duration::from_secs(1), |this: &mut Quiet| this.0.lose_connection());
        Quiet(transport, Rc::clone(&kept))
    };
    let client = WebSocket::client("ws://here/socket", client).text().subprotocol("a").subprotocol("b");
    let mut pair = Pair::connect(client, echo(&server_log).path("/socket").text().subprotocol("b"));
    pair.run_until_quiet();
    assert_eq!(log.take(), ["he\u{20ac}o"]);
    pair.advance(Duration::from_secs(1));
    pair.run_until_quiet();
    assert_eq!(log.take(), ["connection closed cleanly"]);
    assert_eq!(server_log.take().last().unwrap(), "lost: connection closed cleanly");
}

/// Only listens.
struct Quiet(Transport, Log);

impl Protocol for Quiet {
    fn data_received(&mut self, data: &[u8]) {
        self.1.borrow_mut().push(String::from_utf8_lossy(data).into_owned());
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.1.borrow_mut().push(reason.to_string());
    }
}

#[test]
fn many_bytes_pass_a_client_and_a_server_that_pushes_them() {
    let log = Log::default();
    let kept = Rc::clone(&log);
    let server = WebSocket::around(|transport: Transport| {
        transport.write(vec![b'x'; 1_000_000]);
        transport.lose_connection();
        Quiet(transport, Log::default())
    });
    let client = WebSocket::client("ws://here/", move |transport| Quiet(transport, Rc::clone(&kept)));
    let mut pair = Pair::connect(client, server);
    pair.run_until_quiet();
    let mut log = log.take();
    assert_eq!(log.pop().unwrap(), "connection closed cleanly");
    assert_eq!(log.concat().len(), 1_000_000);
}

/// A client whose protocol closes when it is sent "close", and which has shaken hands.
fn open_client() -> StringTransport {
    let client =
        WebSocket::client("ws://here/", |transport| Echo { transport, log: Log::default(), on_eof: OnEof::Close });
    let mut wire = StringTransport::connect(client);
    let asked = wire.take_written_text();
    let chosen = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    wire.receive(accepting(&key::accept(chosen)));
    wire
}

#[test]
fn a_client_waits_for_the_server_to_close_the_connection_but_not_for_ever() {
    let almost = Duration::from_millis(9_999);
    let close = [&[CLOSE, 2], &closing(1000)[..]].concat();
    for asks in [false, true] {
        for server_closes in [false, true] {
            let mut wire = open_client();
            if asks {
                wire.receive([&[BINARY, 5], &b"close"[..]].concat());
            }
            wire.receive(&close);
            assert!(!wire.written().is_empty() && wire.close_reason().is_none());
            wire.advance(almost);
            assert!(wire.close_reason().is_none() && !wire.eof_written());
            if server_closes {
                wire.receive_eof();
            } else {
                wire.advance(Duration::from_millis(1));
            }
            assert!(wire.close_reason().is_some_and(|reason| reason.is_clean()), "{:?}", wire.close_reason());
        }
    }
    let mut wire = open_client();
    wire.receive([&[BINARY, 5], &b"close"[..]].concat());
    wire.advance(almost + Duration::from_millis(1));
    assert!(matches!(wire.close_reason(), Some(CloseReason::TimedOut)));
}

/// Accepts, and breaks the rules at once.
struct Rude(Transport);

impl Protocol for Rude {
    fn data_received(&mut self, asked: &[u8]) {
        let asked = String::from_utf8_lossy(asked);
        // What comes later is the client's closing frame.
        let Some(chosen) = asked.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")) else { return };
        self.0.write([accepting(&key::accept(chosen)).as_bytes(), &[PING, 126, 0, 126], &[0; 126]].concat());
    }
}

#[test]
fn a_violation_right_behind_the_servers_answer_ends_a_connection_that_was_established() {
    let (sim, log) = (Simulation::new(1), Log::default());
    sim.host("server").listen_tcp(80, Rude).unwrap();
    let kept = Rc::clone(&log);
    let client = WebSocket::client("ws://server/", move |transport| Quiet(transport, Rc::clone(&kept)));
    let host = sim.host("client");
    let ended = host.run_until(host.connect_tcp("server:80", client).finished()).unwrap();
    assert!(ended.is_ok(), "{ended:?}");
    assert_eq!(log.take(), ["the peer sent a control frame of more than 125 bytes"]);
}
