//! What is specific to `TerminatorReceiver`.

use protocols::segment::{Segments, Terminator, TerminatorHandler, TerminatorReceiver};
use reactor::testing::StringTransport;

/// Writes down what comes, and sets terminators in turn.
struct Collector {
    segments: Segments,
    log: String,
    /// The next is the last.
    terminators: Vec<Terminator>,
}

impl TerminatorHandler for Collector {
    fn collect_incoming_data(&mut self, data: &[u8]) {
        self.log.push_str(&String::from_utf8_lossy(data));
        if data.ends_with(b"!") {
            self.segments.set_terminator("?");
        }
    }

    fn found_terminator(&mut self) {
        self.log.push('|');
        if let Some(terminator) = self.terminators.pop() {
            self.segments.set_terminator(terminator);
        }
    }
}

struct Test {
    wire: StringTransport,
    segments: Segments,
}

impl Test {
    fn new<const N: usize>(mut terminators: [Terminator; N]) -> Self {
        terminators.reverse();
        let mut wire = StringTransport::connect(TerminatorReceiver::factory(move |segments: Segments| {
            let mut terminators = terminators.to_vec();
            segments.set_terminator(terminators.pop().unwrap_or_default());
            Collector { segments, log: String::new(), terminators }
        }));
        let segments = wire.protocol::<Collector>().segments.clone();
        Self { wire, segments }
    }

    fn receive(&mut self, data: &str) -> String {
        self.wire.receive(data);
        std::mem::take(&mut self.wire.protocol::<Collector>().log)
    }
}

#[test]
fn data_is_handed_over_as_it_comes_but_for_what_may_begin_a_terminator() {
    let mut test = Test::new(["\r\n.\r\n".into()]);
    assert_eq!(test.receive("abc\r"), "abc");
    assert_eq!(test.receive("\r\n"), "\r");
    assert_eq!(test.receive(".\r"), "");
    assert_eq!(test.receive("x"), "\r\n.\rx");
    assert_eq!(test.receive("\r\n.\r\n\r"), "|");
    assert_eq!(test.receive("y"), "\ry");
}

#[test]
fn a_count_is_used_up_and_bytes_stay() {
    let mut test = Test::new([4.into(), ";".into()]);
    assert_eq!(test.receive("ab"), "ab");
    assert_eq!(test.receive("cde;f;;g"), "cd|e|f||g");
    let mut test = Test::new([2.into()]);
    assert_eq!(test.receive("abcdef"), "ab|cdef", "nothing takes its place");
}

#[test]
fn a_count_of_none_is_found_at_once() {
    let mut test = Test::new([0.into(), "\n".into(), 0.into(), 0.into(), 1.into(), "\n".into()]);
    assert_eq!(test.receive(""), "|");
    assert_eq!(test.receive("head\nabc\n"), "head|||a|bc|");
}

#[test]
fn a_terminator_set_while_data_is_handed_over_holds_from_there_on() {
    let mut test = Test::new(["\n".into()]);
    assert_eq!(test.receive("a\nb!"), "a|b!");
    assert_eq!(test.receive("c\nd?e"), "c\nd|e");
}

#[test]
fn a_terminator_set_from_outside_cuts_what_was_held_back() {
    for (terminator, log) in
        [(Terminator::None, "\r\n"), ("\n".into(), "\r|"), (1.into(), "\r|\n"), ("".into(), "\r\n")]
    {
        let mut test = Test::new(["\r\n.".into()]);
        assert_eq!(test.receive("a\r\n"), "a");
        test.segments.set_terminator(terminator);
        assert_eq!(test.receive(""), log);
    }
}

#[test]
fn a_count_of_none_waits_while_reading_is_paused() {
    let mut test = Test::new([Terminator::None]);
    test.segments.pause_reading();
    test.segments.set_terminator(0);
    assert_eq!(test.receive(""), "");
    test.wire.receive_eof();
    assert!(test.wire.close_reason().is_none(), "the end waits behind it");
    test.segments.resume_reading();
    test.wire.settle();
    assert!(test.wire.close_reason().unwrap().is_clean());
}

/// Asks for nothing again and again.
struct Empty {
    segments: Segments,
}

impl TerminatorHandler for Empty {
    fn collect_incoming_data(&mut self, _data: &[u8]) {}

    fn found_terminator(&mut self) {
        self.segments.set_terminator(0);
    }
}

#[test]
fn a_handler_that_asks_for_no_bytes_forever_is_stopped() {
    let mut wire = StringTransport::connect(TerminatorReceiver::factory(|segments: Segments| {
        segments.set_terminator(1);
        Empty { segments }
    }));
    assert!(wire.close_reason().is_none());
    wire.receive("x");
    let reason = wire.close_reason().unwrap().to_string();
    assert_eq!(reason, "10000 calls in a row asked for no bytes: the protocol makes no progress");
}
