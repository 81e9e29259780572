//! Receivers: here what all have in common, namely when they deliver and when they wait.

mod codecs;
mod probe;
mod segments;
mod states;
mod strings;
mod twisted;

use std::time::Duration;

use crate::protocols::receivers::probe::{KINDS, Test};
use reactor::testing::{every_cut, expect_panic};

#[test]
fn messages_are_the_same_however_the_stream_is_cut() {
    for kind in KINDS {
        let messages = ["a", "", "bcd", "\0\r\u{e9}", "e"];
        let stream = kind.encode(&messages);
        let came = every_cut(&stream[..stream.len().min(14)], |pieces| kind.play(pieces));
        assert_eq!(came[..3], ["a", "", "bcd"], "{}", kind.name);
        let came = every_cut(&stream, |pieces| kind.play(pieces));
        assert_eq!(came, messages, "{}", kind.name);
    }
}

#[test]
fn s241_a_pause_stops_delivery_at_once_and_what_is_left_comes_first_when_resumed() {
    for kind in KINDS {
        let mut test = kind.connect();
        let mut stream = kind.encode(&["a", "pause", "b", "pause", "c", "de"]);
        let end = stream.split_off(stream.len() - kind.encode(&["e"]).len());
        assert_eq!(test.receive(stream), ["a", "pause"], "{}", kind.name);
        assert_eq!(test.receive([end, kind.encode(&["f"])].concat()), [""; 0]);
        assert_eq!(test.resume(), ["b", "pause"]);
        assert_eq!(test.resume(), ["c", "de", "f"]);
        assert_eq!(test.resume(), [""; 0]);
        assert_eq!(test.receive(kind.encode(&["g"])), ["g"]);
    }
}

#[test]
fn s242_nothing_is_delivered_after_lose_connection_and_what_was_written_is_sent() {
    for kind in KINDS {
        let mut test = kind.connect();
        let log = test.receive(kind.encode(&["a", "lose", "b", "c"]));
        assert_eq!(log, ["a", "lose", "lost connection closed cleanly"], "{}", kind.name);
        assert_eq!(test.receive(kind.encode(&["d"])), [""; 0]);
        assert_eq!(test.wire.written(), b"bye");
    }
}

#[test]
fn nothing_is_delivered_after_abort_connection() {
    for kind in KINDS {
        let mut test = kind.connect();
        let log = test.receive(kind.encode(&["a", "abort", "b"]));
        assert_eq!(log, ["a", "abort", "lost connection aborted on this side"], "{}", kind.name);
        assert!(test.wire.was_reset());
    }
}

#[test]
fn the_end_of_the_stream_comes_with_what_is_unfinished() {
    for kind in KINDS {
        let mut test = kind.connect();
        let stream = kind.encode(&["a", "b"]);
        assert_eq!(test.receive(&stream[..stream.len() - 1]), ["a"], "{}", kind.name);
        test.wire.receive_eof();
        assert_eq!(test.log(), kind.at_the_end, "{}", kind.name);
        assert!(test.wire.close_reason().unwrap().is_clean());
    }
}

#[test]
fn the_end_of_the_stream_waits_behind_messages_that_wait() {
    for kind in KINDS {
        let mut test = kind.connect();
        assert_eq!(test.receive(kind.encode(&["pause", "a", "pause", "b"])), ["pause"], "{}", kind.name);
        test.wire.receive_eof();
        assert_eq!(test.log(), [""; 0]);
        assert_eq!(test.resume(), ["a", "pause"]);
        assert_eq!(test.resume(), ["b", "eof", "lost connection closed cleanly"]);
    }
}

#[test]
fn the_end_of_the_stream_is_not_told_after_lose_connection() {
    for kind in KINDS {
        let mut test = kind.connect();
        assert_eq!(test.receive(kind.encode(&["pause", "lose", "a"])), ["pause"], "{}", kind.name);
        test.wire.receive_eof();
        assert_eq!(test.resume(), ["lose", "lost connection closed cleanly"]);
    }
}

#[test]
fn calls_and_futures_reach_the_handler_between_messages() {
    for kind in KINDS {
        let mut test = kind.connect();
        assert_eq!(test.receive(kind.encode(&["later", "defer", "a"])), ["later", "defer", "a", "deferred 5"]);
        test.wire.advance(Duration::from_secs(1));
        assert_eq!(test.log(), ["called later"], "{}", kind.name);
    }
}

#[test]
fn a_panic_ends_the_connection_and_only_connection_lost_follows() {
    for kind in KINDS {
        let mut test = kind.connect();
        let log = expect_panic("as the message says", || test.receive(kind.encode(&["a", "panic", "b"])));
        assert_eq!(log[..2], ["a", "panic"], "{}", kind.name);
        assert!(log[2].starts_with("lost a callback panicked: "), "{log:?}");
        assert_eq!(log.len(), 3);
        assert!(test.wire.was_reset());
        assert_eq!(test.resume(), [""; 0]);
    }
}

#[test]
fn messages_wait_while_the_answers_to_others_fill_the_output() {
    for kind in KINDS {
        let mut test = kind.connect();
        test.wire.stall(true);
        let log = test.receive(kind.encode(&["big", "a", "big", "b", "pause", "c"]));
        assert_eq!(log, ["big", "pause_writing"], "{}", kind.name);
        test.wire.stall(false);
        assert_eq!(test.log(), ["resume_writing", "a", "big", "pause_writing", "resume_writing", "b", "pause"]);
        assert_eq!(test.resume(), ["c"]);
        assert_eq!(test.wire.written().len(), 600_000);
    }
}

#[test]
fn policies_are_told_of_messages_and_not_of_parts_of_them() {
    for kind in KINDS.into_iter().filter(|kind| kind.name != "states") {
        let mut test = kind.connect();
        let message = kind.encode(&["abc"]);
        let (first, rest) = message.split_at(message.len() - 1);
        test.receive(first);
        assert_eq!(test.messages.get(), 0, "{}", kind.name);
        test.receive(rest);
        assert_eq!(test.messages.get(), 1, "{}", kind.name);
    }
}

#[test]
fn a_closure_that_returns_none_refuses() {
    for kind in KINDS {
        let refused = std::panic::catch_unwind(|| (kind.connect)(false));
        let message = *refused.err().unwrap().downcast::<&str>().unwrap();
        assert_eq!(message, "the factory refused the connection", "{}", kind.name);
    }
}

impl Test {
    /// What was called since this was last asked.
    fn log(&self) -> Vec<String> {
        self.log.take()
    }

    fn receive(&mut self, data: impl AsRef<[u8]>) -> Vec<String> {
        self.wire.receive(data);
        self.log()
    }

    fn resume(&mut self) -> Vec<String> {
        (self.resume)();
        assert_eq!(self.log(), [""; 0], "never called from inside a call of the handle");
        self.wire.settle();
        self.log()
    }
}
