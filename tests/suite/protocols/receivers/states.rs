//! What is specific to `StatefulReceiver`.

use protocols::stateful::{State, StatefulHandler, StatefulReceiver, States};
use reactor::testing::StringTransport;

/// A message is the number of its fields, and for each its length and itself. Writes down what comes.
struct Fields {
    states: States,
    missing: u8,
    log: String,
}

impl StatefulHandler for Fields {
    fn initial_state(&mut self) -> State<Self> {
        State::new(1, Self::count_received)
    }

    fn length_limit_exceeded(&mut self, length: usize) {
        assert!(!self.states.is_closing(), "there is still time to answer");
        write!(self.states.transport(), "{}: {length} is too long", self.log);
    }
}

impl Fields {
    fn count_received(&mut self, count: &[u8]) -> Option<State<Self>> {
        self.missing = count[0];
        self.next()
    }

    fn next(&mut self) -> Option<State<Self>> {
        if self.missing > 0 {
            return Some(State::new(1, |_, length| Some(State::new(length[0].into(), Self::field_received))));
        }
        self.log.push(';');
        Some(self.initial_state())
    }

    fn field_received(&mut self, field: &[u8]) -> Option<State<Self>> {
        self.log.push_str(&format!("({})", String::from_utf8_lossy(field)));
        if field == b"pause" {
            self.states.pause_reading();
        }
        self.missing -= 1;
        self.next()
    }
}

fn connect() -> StringTransport {
    let factory = StatefulReceiver::factory(|states| Fields { states, missing: 0, log: String::new() });
    StringTransport::connect(factory.max_length(10))
}

#[test]
fn s245_a_part_of_no_bytes_is_delivered_at_once() {
    let mut wire = connect();
    wire.receive(b"\x03\x01a\x00");
    assert_eq!(wire.protocol::<Fields>().log, "(a)()");
    wire.receive(b"\x00\x00\x00\x01\x02bc");
    assert_eq!(wire.protocol::<Fields>().log, "(a)()();;;(bc);");
}

/// Waits for empty parts from the beginning, this many times in a row.
struct Empty {
    states: States,
    calls: u32,
    most: u32,
}

impl StatefulHandler for Empty {
    fn initial_state(&mut self) -> State<Self> {
        State::new(0, |this, nothing| {
            assert!(nothing.is_empty());
            this.calls += 1;
            if this.calls == 5 {
                this.states.pause_reading();
            }
            (this.calls == this.most).then(|| State::new(1, |_, _| None))
        })
    }
}

#[test]
fn parts_of_no_bytes_need_no_input_and_wait_while_it_is_paused() {
    let mut wire = StringTransport::connect(StatefulReceiver::factory(|states| Empty { states, calls: 0, most: 9000 }));
    assert_eq!(wire.protocol::<Empty>().calls, 5);
    wire.receive_eof();
    assert!(wire.close_reason().is_none(), "the end waits behind them");
    let states = wire.protocol::<Empty>().states.clone();
    states.resume_reading();
    wire.settle();
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn a_handler_that_waits_for_no_bytes_forever_is_stopped() {
    let mut wire = StringTransport::connect(StatefulReceiver::factory(|states| Empty { states, calls: 5, most: 0 }));
    wire.receive("x");
    let reason = wire.close_reason().unwrap().to_string();
    assert_eq!(reason, "10000 calls in a row asked for no bytes: the protocol makes no progress");
}

#[test]
fn a_part_that_is_too_long_closes_before_it_is_there() {
    let mut wire = connect();
    wire.receive(b"\x02\x0aabcdefghij\x0b");
    assert_eq!(wire.written(), b"(abcdefghij): 11 is too long");
    assert_eq!(wire.close_reason().unwrap().to_string(), "the handler waits for 11 bytes, and may for 10");
    assert!(!wire.was_reset());
}
