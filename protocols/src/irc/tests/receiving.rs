//! What a receiver delivers, and when.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reactor::connection::Resumable;
use reactor::testing::{StringTransport, every_cut};
use reactor::{Factory, OnEof, Protocol, Transport};

use crate::irc::{Irc, IrcHandler, IrcReceiver, Message, MessageBuilder, ParseError};
use crate::policies::FirstMessageTimeout;

type Log = Rc<RefCell<Vec<String>>>;

struct Recorder {
    irc: Irc,
    log: Log,
}

impl IrcHandler for Recorder {
    fn message_received(&mut self, message: &Message<'_>) {
        let params: Vec<_> = message.params().iter().map(|param| param.escape_ascii().to_string()).collect();
        self.log.borrow_mut().push(format!("{} {}", message.command().escape_ascii(), params.join("|")));
        if message.is_command("PAUSE") {
            self.irc.pause_reading();
        } else if message.is_command("QUIT") {
            self.irc.send(MessageBuilder::new("ERROR").trailing("bye"));
            self.irc.lose_connection();
        }
    }

    fn line_rejected(&mut self, line: &[u8], error: ParseError) {
        self.log.borrow_mut().push(format!("rejected {}: {error}", line.escape_ascii()));
    }

    fn line_too_long(&mut self) {
        self.log.borrow_mut().push("too long".to_owned());
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.log.borrow_mut().push(format!("end {}", unfinished.escape_ascii()));
        OnEof::Close
    }
}

/// A receiver that takes 10 bytes of tags and 12 of what is behind them.
fn connect_with_small_limits() -> (StringTransport, Log) {
    connect(|build| IrcReceiver::factory(build).max_tags(10).max_body(12))
}

fn connect<F: Factory>(factory: impl FnOnce(Box<dyn FnMut(Irc) -> Recorder>) -> F) -> (StringTransport, Log) {
    let log = Log::default();
    let kept = Rc::clone(&log);
    let build = move |irc| Recorder { irc, log: Rc::clone(&kept) };
    (StringTransport::connect(factory(Box::new(build))), log)
}

#[test]
fn messages_are_the_same_however_they_are_cut() {
    let stream = "A b :c d\r\n\r\n  \nB\n@a=b C\r\n:x\r\nD\re\n0123456789\r\n0123456789x\r\n@2345678 \nE\n@23456789 F\n\
                  @234567890 G\n@2345678 0123456789\r\n@2345678 0123456789x\r\n@2345678901234567890123\nH\r\n\
                  0123456789012345678901234567890\nI\nJ";
    let log = every_cut(stream, |pieces| {
        let (mut wire, log) = connect_with_small_limits();
        pieces.iter().for_each(|piece| wire.receive(piece));
        wire.receive_eof();
        log.take()
    });
    let expected = [
        "A b|c d",
        "B ",
        "C ",
        "rejected :x: the line has no command",
        "rejected D\\re: the line has a NUL, or a CR or LF before its end",
        "0123456789 ",
        "too long",
        "rejected @2345678 : the line has no command",
        "E ",
        "F ",
        "too long",
        "0123456789 ",
        "too long",
        "too long",
        "H ",
        "too long",
        "I ",
        "end J",
    ];
    assert_eq!(log, expected);
}

/// Its state is its last command.
struct Session {
    irc: Irc,
    last: Vec<u8>,
    log: Log,
}

impl IrcHandler for Session {
    fn message_received(&mut self, message: &Message<'_>) {
        self.last = message.command().to_vec();
        self.log.borrow_mut().push(format!("{} {:?}", self.last.escape_ascii(), message.params()));
        if message.is_command("PAUSE") {
            self.irc.pause_reading();
        }
    }

    fn line_too_long(&mut self) {
        self.log.borrow_mut().push("too long".to_owned());
    }
}

impl Resumable for Session {
    fn state(&mut self) -> Option<Vec<u8>> {
        Some(self.last.clone())
    }
}

#[test]
fn a_connection_goes_on_in_another_process_wherever_it_is_cut() {
    let stream = b"A b\r\nC :d e\r\n@too=long 0123456789\r\nG\r\n".as_slice();
    for cut in 0..=stream.len() {
        let log = Log::default();
        let (new, old) = (Rc::clone(&log), Rc::clone(&log));
        let factory = IrcReceiver::factory(move |irc| Session { irc, last: Vec::new(), log: Rc::clone(&new) });
        let mut factory = factory
            .max_tags(5)
            .max_body(12)
            .resumable(move |irc, last| Some(Session { irc, last: last.to_vec(), log: Rc::clone(&old) }));
        let mut wire = StringTransport::connect(|_: Transport| Idle);
        let mut before = factory.build_protocol(wire.transport().clone()).expect("a session");
        before.data_received(&stream[..cut]);
        let resumption = factory.resumption().expect("it goes on");
        let state = resumption.save(&mut *before).expect("it is at rest");
        let mut after = resumption.resume(wire.transport().clone(), &state).expect("a session");
        let irc: Irc = wire.transport().handle().expect("a receiver's");
        // The length of what is kept follows the flag.
        assert_eq!(irc.0.delivery.keeps(), state[1..5] != [0; 4], "{cut}");
        assert_eq!(resumption.save(&mut *after), Some(state), "{cut}");
        after.data_received(&stream[cut..]);
        assert_eq!(log.take(), ["A [[98]]", "C [[100, 32, 101]]", "too long", "G []"], "{cut}");
        wire.settle();
    }
}

#[test]
fn what_is_left_to_deliver_goes_along_and_a_state_that_makes_no_sense_is_refused() {
    let session = |irc| Session { irc, last: Vec::new(), log: Log::default() };
    let mut factory = IrcReceiver::factory(session).resumable(move |irc, _| Some(session(irc)));
    let wire = StringTransport::connect(|_: Transport| Idle);
    let mut protocol = factory.build_protocol(wire.transport().clone()).expect("a session");
    protocol.data_received(b"PAUSE\r\nA\r\n");
    let resumption = factory.resumption().expect("it goes on");
    assert_eq!(resumption.save(&mut *protocol).as_deref(), Some(&b"\x02\0\0\0\x03A\r\nPAUSE"[..]));
    for broken in [&b""[..], b"\0", b"\0\0\0\0", b"\0\0\0\0\x05abc", b"\0\xff\xff\xff\xff"] {
        assert!(resumption.resume(wire.transport().clone(), broken).is_none(), "{broken:?}");
    }
}

struct Idle;

impl Protocol for Idle {
    fn data_received(&mut self, _data: &[u8]) {}
}

#[test]
fn a_line_that_never_ends_is_not_kept() {
    let (mut wire, log) = connect(IrcReceiver::factory);
    wire.receive("x".repeat(513));
    assert_eq!(log.take(), ["too long"]);
    let irc: Irc = wire.transport().handle().expect("a receiver's");
    for _ in 0..10 {
        wire.receive("x".repeat(60_000));
    }
    assert!(log.take().is_empty() && !irc.0.delivery.keeps());
    wire.receive("x\r\nPING 1\r\n");
    assert_eq!(log.take(), ["PING 1"]);
}

#[test]
fn a_client_may_send_4094_bytes_of_tags_and_510_of_a_message() {
    let (mut wire, log) = connect(IrcReceiver::factory);
    let message = |tags: usize, body: usize| format!("@{} {}\r\n", "t".repeat(tags), "X".repeat(body));
    wire.receive(message(4094, 510));
    assert_eq!(log.take()[0].len(), 511);
    for (tags, body) in [(4095, 510), (4094, 511), (4095, 1), (1, 511)] {
        wire.receive(message(tags, body));
        assert_eq!(log.take(), ["too long"], "{tags} {body}");
    }
}

#[test]
fn nothing_is_delivered_while_reading_is_paused_or_when_the_connection_closes() {
    let (mut wire, log) = connect(IrcReceiver::factory);
    wire.receive("PAUSE\nA\nQUIT\nB\n");
    assert_eq!(log.take(), ["PAUSE "]);
    let irc: Irc = wire.transport().handle().expect("a receiver's");
    irc.resume_reading();
    wire.settle();
    assert_eq!(log.take(), ["A ", "QUIT "]);
    assert_eq!(wire.written_text(), "ERROR :bye\r\n");
    assert!(wire.close_reason().is_some());
}

#[test]
fn a_message_for_many_is_formed_once() {
    let (mut wire, _) = connect(IrcReceiver::factory);
    let irc: Irc = wire.transport().handle().expect("a receiver's");
    let message = MessageBuilder::new("PRIVMSG").source("ann!a@example.org").param("#rust").trailing("hello");
    irc.send_raw(message.to_bytes());
    irc.send(message);
    wire.settle();
    assert_eq!(wire.written_text(), ":ann!a@example.org PRIVMSG #rust :hello\r\n".repeat(2));
}

#[test]
fn a_message_counts_as_one_for_policies_and_an_empty_line_does_not() {
    let limit = Duration::from_secs(10);
    for (said, stays) in [("\r\n \r\n:x\r\n", false), ("PING 1\r\n", true)] {
        let (mut wire, _log) = connect(|build| FirstMessageTimeout::around(limit, IrcReceiver::factory(build)));
        wire.receive(said);
        wire.advance(limit * 2);
        assert_eq!(wire.close_reason().is_none(), stays, "{said:?}");
    }
}
