use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use futures_channel::oneshot;
use reactor::testing::{StringTransport, every_cut};

use super::*;
use crate::amp::AmpAnswer;

/// Answers as its commands say, and writes down what happens.
struct Probe {
    amp: Amp,
    seen: Rc<Seen>,
}

#[derive(Default)]
struct Seen {
    log: RefCell<Vec<String>>,
    later: RefCell<Vec<oneshot::Sender<Outcome>>>,
}

impl AmpHandler for Probe {
    fn call_received(&mut self, command: &str, arguments: AmpBox) -> Result<AmpAnswer, AmpError> {
        self.seen.log.borrow_mut().push(format!("{command} {arguments:?}"));
        match command {
            "echo" => Ok(arguments.into()),
            "later" => {
                let (sender, receiver) = oneshot::channel();
                self.seen.later.borrow_mut().push(sender);
                Ok(AmpAnswer::later(async { receiver.await.expect("the test answers") }))
            }
            "refuse" => Err(AmpError::remote("NO", "not today")),
            "fail" => arguments.get::<i64>("missing").map(|_| arguments.into()),
            "large" => Ok(AmpBox::new().with("a", vec![0_u8; 65_535]).into()),
            "too long" => Ok(AmpBox::new().with("a", vec![0_u8; 65_536]).into()),
            "close" => {
                self.amp.lose_connection();
                Ok(AmpBox::new().into())
            }
            _ => Err(AmpError::unhandled(command)),
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.seen.log.borrow_mut().push(reason.to_string());
    }
}

struct Test {
    wire: StringTransport,
    seen: Rc<Seen>,
    amp: Amp,
}

fn connect() -> Test {
    connect_with(|factory| factory)
}

type Build = Box<dyn FnMut(Amp) -> Probe>;

fn connect_with(change: fn(AmpFactory<Build>) -> AmpFactory<Build>) -> Test {
    let seen = Rc::new(Seen::default());
    let kept = Rc::clone(&seen);
    let build: Build = Box::new(move |amp| Probe { amp, seen: Rc::clone(&kept) });
    let wire = StringTransport::connect(change(AmpReceiver::factory(build)));
    let amp = wire.transport().handle().expect("an AMP receiver's");
    Test { wire, seen, amp }
}

impl Test {
    fn receive(&mut self, boxes: &[AmpBox]) -> Vec<AmpBox> {
        self.wire.receive(encode(boxes));
        self.written()
    }

    fn written(&mut self) -> Vec<AmpBox> {
        AmpBox::parse(&self.wire.take_written()).unwrap()
    }

    fn log(&self) -> Vec<String> {
        self.seen.log.take()
    }

    /// Answers the oldest call whose answer takes time.
    fn answer_later(&mut self, outcome: Outcome) -> Vec<AmpBox> {
        self.seen.later.borrow_mut().remove(0).send(outcome).unwrap();
        self.wire.settle();
        self.written()
    }

    /// What becomes of a call.
    fn call(&self, command: &str, arguments: AmpBox) -> Rc<RefCell<Option<Outcome>>> {
        let outcome = Rc::new(RefCell::new(None));
        let (call, kept) = (self.amp.call(command, arguments), Rc::clone(&outcome));
        self.wire.reactor().spawn(async move {
            kept.replace(Some(call.await));
        });
        outcome
    }
}

fn encode(boxes: &[AmpBox]) -> Vec<u8> {
    boxes.iter().flat_map(|one| one.encode().unwrap()).collect()
}

fn ask(tag: &str, command: &str) -> AmpBox {
    AmpBox::new().with("_ask", tag).with("_command", command)
}

fn answer(tag: &str) -> AmpBox {
    AmpBox::new().with("_answer", tag)
}

fn error(tag: &str, code: &str, description: &str) -> AmpBox {
    AmpBox::new().with("_error", tag).with("_error_code", code).with("_error_description", description)
}

#[test]
fn calls_are_answered_with_their_tags() {
    let mut test = connect();
    let asked = [ask("1", "echo").with("x", 1), ask("any", "refuse"), ask("", "what")];
    let answers = [
        answer("1").with("x", 1),
        error("any", "NO", "not today"),
        error("", "UNHANDLED", "Unhandled Command: \"what\""),
    ];
    assert_eq!(test.receive(&asked), answers);
    assert_eq!(test.log(), ["echo {b\"x\": b\"1\"}", "refuse {}", "what {}"]);
    assert!(test.wire.close_reason().is_none());
}

#[test]
fn calls_are_received_however_they_are_cut() {
    let asked = encode(&[ask("1", "echo").with("x", 1), ask("2", "later"), ask("3", "close"), ask("4", "echo")]);
    let written = every_cut(&asked, |pieces| {
        let mut test = connect();
        for piece in pieces {
            test.wire.receive(piece);
        }
        (test.written(), test.log())
    });
    let log = ["echo {b\"x\": b\"1\"}", "later {}", "close {}", "connection closed cleanly"];
    assert_eq!(written, (vec![answer("1").with("x", 1)], log.map(str::to_owned).to_vec()));
}

#[test]
fn an_error_that_is_not_for_the_peer_is_answered_as_unknown_and_closes() {
    for command in ["fail", "too long"] {
        let mut test = connect();
        let answers = test.receive(&[ask("1", command), ask("2", "echo")]);
        assert_eq!(answers, [error("1", "UNKNOWN", "Unknown Error")]);
        assert!(test.wire.close_reason().is_some_and(|reason| reason.is_clean()));
        assert_eq!(test.log(), [format!("{command} {{}}"), "connection closed cleanly".to_owned()]);
    }
}

#[test]
fn a_call_that_is_not_to_be_answered_closes_when_it_fails() {
    let mut test = connect();
    let call = |command| AmpBox::new().with("_command", command);
    assert_eq!(test.receive(&[call("echo")]), []);
    assert!(test.wire.close_reason().is_none());
    assert_eq!(test.receive(&[call("refuse")]), []);
    assert!(test.wire.close_reason().is_some_and(|reason| reason.is_clean()));
}

#[test]
fn answers_that_take_time_come_in_any_order() {
    let mut test = connect();
    let answers = test.receive(&[ask("1", "later"), ask("2", "later"), ask("3", "echo")]);
    assert_eq!(answers, [answer("3")]);
    test.seen.later.borrow_mut().swap(0, 1);
    assert_eq!(test.answer_later(Ok(AmpBox::new().with("x", 2))), [answer("2").with("x", 2)]);
    assert_eq!(test.answer_later(Err(AmpError::remote("LATE", ""))), [error("1", "LATE", "")]);
}

#[test]
fn an_answer_that_takes_time_can_fail_and_close() {
    let mut test = connect();
    test.receive(&[ask("1", "later")]);
    let lost = AmpError::ConnectionLost(CloseReason::TimedOut);
    assert_eq!(test.answer_later(Err(lost)), [error("1", "UNKNOWN", "Unknown Error")]);
    assert!(test.wire.close_reason().is_some_and(|reason| reason.is_clean()));
}

#[test]
fn no_more_calls_are_received_than_may_be_answered_at_a_time() {
    let mut test = connect_with(|factory| factory.max_answering(2));
    let asked = [ask("1", "later"), ask("2", "later"), ask("3", "later"), ask("4", "echo")];
    assert_eq!(test.receive(&asked), []);
    assert_eq!(test.receive(&[ask("5", "echo")]), []);
    assert_eq!(test.log(), ["later {}", "later {}"]);
    assert_eq!(test.answer_later(Ok(AmpBox::new())), [answer("1")]);
    assert_eq!(test.log(), ["later {}"]);
    assert_eq!(test.answer_later(Ok(AmpBox::new())), [answer("2"), answer("4"), answer("5")]);
}

#[test]
fn calls_wait_while_those_that_are_being_answered_are_as_large_as_one_may_be() {
    let mut test = connect_with(|factory| factory.max_box_size(1000));
    let large = |tag| ask(tag, "later").with("x", vec![0_u8; 500]);
    test.receive(&[large("1"), large("2"), ask("3", "echo")]);
    assert_eq!(test.log().len(), 2);
    assert_eq!(test.answer_later(Ok(AmpBox::new())), [answer("1"), answer("3")]);
}

#[test]
fn calls_wait_while_answers_fill_the_output() {
    let mut test = connect();
    test.wire.stall(true);
    let asked = [ask("1", "large"), ask("2", "large"), ask("3", "echo"), ask("4", "echo")];
    assert_eq!(test.receive(&asked), []);
    assert_eq!(test.log(), ["large {}"]);
    test.wire.stall(false);
    assert_eq!(test.written().len(), 4);
}

#[test]
fn calls_wait_while_answers_that_took_time_fill_the_output() {
    let mut test = connect();
    test.wire.stall(true);
    test.receive(&[ask("1", "later"), ask("2", "later")]);
    for _ in 0..2 {
        test.answer_later(Ok(AmpBox::new().with("a", vec![0_u8; 60_000])));
    }
    test.log();
    assert_eq!(test.receive(&[ask("3", "echo")]), []);
    assert_eq!(test.log(), [""; 0]);
    test.wire.stall(false);
    assert_eq!(test.written().len(), 3);
}

#[test]
fn answers_that_become_ready_together_wait_for_room_in_the_output() {
    let mut test = connect();
    test.amp.transport().set_output_limit(150_000);
    test.wire.stall(true);
    let asked: Vec<_> = ["1", "2", "3", "4", "5"].map(|tag| ask(tag, "later")).to_vec();
    test.receive(&asked);
    for _ in 0..5 {
        test.answer_later(Ok(AmpBox::new().with("a", vec![0_u8; 60_000])));
    }
    assert!(test.amp.transport().unsent_bytes() < 130_000);
    test.wire.receive_eof();
    assert!(test.wire.close_reason().is_none(), "{:?}", test.wire.close_reason());
    test.wire.stall(false);
    assert_eq!(test.written().len(), 5);
    assert!(test.wire.close_reason().is_some_and(|reason| reason.is_clean()));
}

#[test]
fn an_answer_waits_while_this_sides_calls_fill_the_output() {
    let mut test = connect();
    test.amp.transport().set_output_limit(150_000);
    test.wire.stall(true);
    test.amp.call_without_answer("bulk", AmpBox::new().with("a", vec![0_u8; 60_000])).unwrap();
    test.amp.call_without_answer("bulk", AmpBox::new().with("a", vec![0_u8; 60_000])).unwrap();
    test.receive(&[ask("1", "large")]);
    assert!(test.wire.close_reason().is_none(), "{:?}", test.wire.close_reason());
    test.wire.stall(false);
    assert_eq!(test.written().len(), 3);
}

#[test]
fn a_close_sends_the_answers_that_wait() {
    let mut test = connect();
    test.wire.stall(true);
    test.receive(&[ask("1", "later"), ask("2", "later"), ask("3", "later")]);
    for _ in 0..3 {
        test.answer_later(Ok(AmpBox::new().with("a", vec![0_u8; 60_000])));
    }
    test.amp.lose_connection();
    test.wire.stall(false);
    assert_eq!(test.written().len(), 3);
}

#[test]
fn the_end_of_the_stream_comes_behind_calls_that_wait() {
    let mut test = connect_with(|factory| factory.max_answering(1));
    test.receive(&[ask("1", "later"), ask("2", "echo")]);
    test.wire.receive_eof();
    assert!(test.wire.close_reason().is_none());
    assert_eq!(test.answer_later(Ok(AmpBox::new())), [answer("1"), answer("2")]);
    assert!(test.wire.close_reason().is_some_and(|reason| reason.is_clean()));
}

#[test]
fn no_more_is_read_while_calls_wait_than_a_peer_needs_that_waits_too() {
    let mut test = connect_with(|factory| factory.max_answering(1));
    test.receive(&[ask("1", "later")]);
    let many: Vec<_> = (0..200).map(|_| ask("", "echo").with("x", vec![0_u8; 10_000])).collect();
    test.receive(&many);
    let size = test.wire.protocol::<AmpReceiver<Probe>>().waiting_size;
    assert!((READ_AHEAD..READ_AHEAD + 80_000).contains(&size), "{size}");
    assert_eq!(test.answer_later(Ok(AmpBox::new())).len(), 201);
    let receiver = test.wire.protocol::<AmpReceiver<Probe>>();
    assert_eq!((receiver.waiting.capacity(), receiver.waiting_size, receiver.paused), (0, 0, false));
}

#[test]
fn answers_do_not_wait_where_calls_do() {
    let mut test = connect_with(|factory| factory.max_answering(1));
    let call = test.call("one", AmpBox::new());
    test.receive(&[ask("1", "later"), ask("2", "echo"), answer("1").with("x", 1)]);
    assert_eq!(call.take().unwrap().unwrap(), AmpBox::new().with("x", 1));
    assert_eq!(test.log(), ["later {}"]);
}

#[test]
fn what_is_wrong_behind_calls_that_wait_ends_the_connection_behind_them() {
    let mut test = connect_with(|factory| factory.max_answering(1));
    test.receive(&[ask("1", "later"), ask("2", "echo"), answer("no"), ask("3", "echo")]);
    assert!(test.wire.close_reason().is_none());
    test.answer_later(Ok(AmpBox::new()));
    assert_eq!(test.log(), ["later {}", "echo {}", "an answer to a call that was not made: \"no\""]);
}

#[test]
fn calls_are_sent_at_once_and_resolve_with_their_answers() {
    let mut test = connect();
    let calls = ["one", "two", "three"].map(|command| test.call(command, AmpBox::new().with("x", 1)));
    test.wire.settle();
    assert_eq!(test.written(), [("1", "one"), ("2", "two"), ("3", "three")].map(|(t, c)| ask(t, c).with("x", 1)));
    test.receive(&[answer("3"), error("1", "NO", "\u{e9}"), answer("2").with("y", 2)]);
    let [one, two, three] = calls.map(|call| call.take().unwrap());
    let Err(AmpError::Remote { code, description }) = one else { panic!("{one:?}") };
    assert_eq!((&*code, &*description), ("NO", "é"));
    assert_eq!(two.unwrap().get::<i64>("y").unwrap(), 2);
    assert!(three.unwrap().is_empty());
}

#[test]
fn a_call_whose_future_was_dropped_is_answered_all_the_same() {
    let mut test = connect();
    drop(test.amp.call("one", AmpBox::new()));
    test.amp.call_without_answer("two", AmpBox::new()).unwrap();
    test.wire.settle();
    assert_eq!(test.written(), [ask("1", "one"), AmpBox::new().with("_command", "two")]);
    test.receive(&[answer("1")]);
    assert!(test.wire.close_reason().is_none());
}

#[test]
fn a_call_that_is_too_long_is_not_sent() {
    let mut test = connect();
    let long = AmpBox::new().with("x", vec![0_u8; 65_536]);
    let call = test.call("one", long.clone());
    assert!(matches!(test.amp.call_without_answer("one", long), Err(AmpError::TooLong { .. })));
    test.wire.settle();
    assert_eq!(test.written(), []);
    let outcome = call.take().unwrap().unwrap_err();
    assert_eq!(outcome.to_string(), "the value of \"x\" has 65536 bytes: the maximum is 65,535");
}

#[test]
fn with_the_connection_all_calls_are_lost_that_wait_and_all_later_ones() {
    let mut test = connect();
    let calls = [test.call("one", AmpBox::new()), test.call("two", AmpBox::new())];
    test.wire.break_connection(io::ErrorKind::ConnectionReset.into());
    let late = test.call("three", AmpBox::new());
    test.wire.settle();
    for call in calls.iter().chain([&late]) {
        let error = call.take().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "no answer: connection lost: connection reset");
    }
}

#[test]
fn a_peer_that_does_not_speak_amp_is_reset() {
    for (bytes, reason) in [
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "a key of 18245 bytes: the maximum is 255"),
        (b"\0\0".to_vec(), "there is no value of \"_command\""),
        (encode(&[AmpBox::new().with("_ask", "1")]), "there is no value of \"_command\""),
        (
            encode(&[AmpBox::new().with("_command", b"\xff".as_slice())]),
            "the value of \"_command\" is not a text in UTF-8: \"\\xff\"",
        ),
        (encode(&[answer("1")]), "an answer to a call that was not made: \"1\""),
        (encode(&[error("\n", "", "")]), "an answer to a call that was not made: \"\\n\""),
        (encode(&[AmpBox::new().with("_error", "1")]), "there is no value of \"_error_code\""),
    ] {
        let mut test = connect();
        test.wire.receive(bytes);
        assert_eq!(test.wire.close_reason().unwrap().to_string(), reason);
        assert!(test.wire.was_reset());
    }
}

#[test]
fn a_box_that_is_larger_than_it_may_be_ends_the_connection() {
    let mut test = connect_with(|factory| factory.max_box_size(300));
    assert_eq!(test.receive(&[ask("1", "echo").with("x", "x".repeat(50))]).len(), 1);
    test.receive(&[ask("2", "echo").with("x", "x".repeat(200))]);
    let reason = test.wire.close_reason().unwrap().to_string();
    assert_eq!(reason, "a box larger than 300 bytes, 64 for each key included");
}

#[test]
#[should_panic(expected = "the factory refused the connection")]
fn a_closure_that_returns_none_refuses() {
    StringTransport::connect(AmpReceiver::factory(|_| None::<Probe>));
}

#[test]
#[should_panic(expected = "the maximum number of calls being answered is 0: it must be at least 1")]
fn a_receiver_that_may_answer_nothing_is_refused() {
    let _ = AmpReceiver::factory(|_| None::<Probe>).max_answering(0);
}

#[test]
fn a_call_that_would_pass_the_output_limit_is_refused_alone() {
    let test = connect();
    test.amp.transport().set_output_limit(100_000);
    let large = || AmpBox::new().with("a", vec![0_u8; 60_000]);
    let sent = [large(), large(), AmpBox::new()].map(|arguments| test.amp.call_without_answer("echo", arguments));
    assert!(sent[0].is_ok() && sent[2].is_ok());
    assert!(matches!(sent[1], Err(AmpError::Full(60_000..))), "{sent:?}");
    assert!(!test.amp.transport().is_closing());
}
