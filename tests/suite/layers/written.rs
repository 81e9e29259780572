//! Layers written by users, with as little code as possible.

use std::cell::{Cell, RefCell};
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use reactor::connection::Connection;
use reactor::layer::{Layer, Nested};
use reactor::testing::StringTransport;
use reactor::{CloseReason, Factory, OnEof, Protocol, Transport};

/// Flips every bit on the wire, behind one byte that it keeps to itself.
struct Flip<F> {
    outer: Transport,
    factory: F,
    nested: Option<Nested>,
}

fn flip(data: &[u8]) -> Vec<u8> {
    data.iter().map(|byte| !byte).collect()
}

impl<F: Factory> Protocol for Flip<F> {
    fn data_received(&mut self, data: &[u8]) {
        if let Some(nested) = &mut self.nested {
            return nested.received(&flip(data));
        }
        self.nested = Nested::build(&self.outer, &mut self.factory);
        if let Some(nested) = &mut self.nested {
            nested.inside().made();
            nested.received(&flip(&data[1..]));
        }
    }

    fn eof_received(&mut self) -> OnEof {
        self.nested.as_mut().map_or(OnEof::Close, Nested::received_eof)
    }

    fn layer(&mut self) -> Option<&mut dyn Layer> {
        Some(self)
    }
}

impl<F: Factory> Layer for Flip<F> {
    fn inside(&mut self) -> Option<&mut Connection> {
        self.nested.as_mut().map(Nested::inside)
    }

    fn pass(&mut self) {
        if let Some(nested) = &mut self.nested {
            nested.pass(|outer, data| {
                outer.write_from_inside(&flip(data));
                data.len()
            });
        }
    }
}

type Events = Rc<RefCell<Vec<&'static str>>>;

struct Inside {
    transport: Transport,
    events: Events,
}

impl Protocol for Inside {
    fn connection_made(&mut self) {
        self.events.borrow_mut().push("made");
    }

    fn data_received(&mut self, data: &[u8]) {
        match data {
            b"much" => self.transport.write(vec![b'x'; MUCH]),
            b"later" => {
                self.transport.call_later(Duration::from_secs(1), |this: &mut Self| this.transport.write("timed"));
                self.transport.defer(ready("deferred"), |this: &mut Self, text| this.transport.write(text));
            }
            data => self.transport.write(data),
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.events.borrow_mut().push("lost");
    }
}

const MUCH: usize = 1 << 20;

/// A connection with two such layers around a protocol, both behind their first byte.
fn connect() -> (StringTransport, Events) {
    let events = Events::default();
    let seen = Rc::clone(&events);
    let wire = StringTransport::connect(move |outer: Transport| {
        let events = Rc::clone(&seen);
        let inner = move |outer: Transport| {
            let events = Rc::clone(&events);
            let inside = move |transport| Inside { transport, events: Rc::clone(&events) };
            Flip { outer, factory: inside, nested: None }
        };
        Flip { outer, factory: inner, nested: None }
    });
    (wire, events)
}

#[test]
fn what_is_built_late_is_made_driven_and_lost_like_any_other_connection() {
    let (mut wire, events) = connect();
    assert!(events.borrow().is_empty());
    wire.receive(b"..hello");
    assert_eq!(wire.take_written(), b"hello");
    wire.receive("later");
    assert_eq!(wire.take_written(), b"deferred");
    wire.advance(Duration::from_secs(1));
    assert_eq!(wire.take_written(), b"timed");
    wire.receive_eof();
    assert!(wire.close_reason().unwrap().is_clean());
    assert_eq!(*events.borrow(), ["made", "lost"]);
}

#[test]
fn all_that_was_written_inside_leaves_when_the_peer_reads_again() {
    let (mut wire, _events) = connect();
    wire.receive(b"..");
    wire.stall(true);
    wire.receive("much");
    wire.receive_eof();
    assert!(wire.written().is_empty());
    wire.stall(false);
    assert_eq!(wire.written().len(), MUCH);
    assert!(wire.written().iter().all(|byte| *byte == b'x'));
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn a_close_and_the_wish_to_finish_reach_what_is_inside() {
    for ask in [Transport::lose_connection, Transport::drain] {
        let (mut wire, events) = connect();
        wire.receive(b"..hello");
        ask(wire.transport());
        wire.settle();
        assert!(wire.close_reason().unwrap().is_clean());
        assert_eq!(*events.borrow(), ["made", "lost"]);
    }
}

#[test]
fn a_layer_with_nothing_inside_yet_ends_like_a_plain_protocol() {
    let (mut wire, events) = connect();
    wire.transport().drain();
    wire.settle();
    assert!(wire.close_reason().unwrap().is_clean());
    assert!(events.borrow().is_empty());
}

/// Turns each byte from the peer into 64 KiB, and each piece of what the protocol inside sends into one byte.
struct Expand {
    nested: Nested,
    kept: Vec<u8>,
}

impl Protocol for Expand {
    fn data_received(&mut self, data: &[u8]) {
        self.kept.extend(data);
    }

    fn layer(&mut self) -> Option<&mut dyn Layer> {
        Some(self)
    }
}

impl Layer for Expand {
    fn inside(&mut self) -> Option<&mut Connection> {
        Some(self.nested.inside())
    }

    fn pass(&mut self) {
        while self.nested.inside().wants_read()
            && let Some(byte) = self.kept.pop()
        {
            self.nested.received(&[byte; 65_536]);
        }
        self.nested.pass(|outer, data| {
            outer.write_from_inside(b".");
            data.len()
        });
    }
}

#[test]
fn what_a_layer_keeps_until_its_answers_have_left_is_then_delivered_without_another_event() {
    let mut wire = StringTransport::connect(|outer: Transport| {
        let mut echo = |transport| Inside { transport, events: Events::default() };
        Some(Expand { nested: Nested::build(&outer, &mut echo)?, kept: Vec::new() })
    });
    wire.receive("12345");
    assert_eq!(wire.written_text(), ".....", "two at a time are more than 64 KiB of answers");
}

/// Has the protocol inside paused, and says so whenever it is asked to pass something on.
struct Holding {
    nested: Nested,
    passes: Rc<Cell<u32>>,
}

impl Protocol for Holding {
    fn data_received(&mut self, data: &[u8]) {
        self.nested.received(data);
    }

    fn layer(&mut self) -> Option<&mut dyn Layer> {
        Some(self)
    }
}

impl Layer for Holding {
    fn inside(&mut self) -> Option<&mut Connection> {
        Some(self.nested.inside())
    }

    fn pass(&mut self) {
        self.passes.set(self.passes.get() + 1);
        assert!(self.passes.get() < 1000, "the connection is never at rest");
        self.nested.inside().transport().pause_reading();
        self.nested.pass(|outer, data| {
            outer.write_from_inside(data);
            data.len()
        });
    }
}

#[test]
fn a_layer_that_repeats_a_pause_lets_its_connection_rest() {
    let passes = Rc::new(Cell::new(0));
    let counted = Rc::clone(&passes);
    let wire = StringTransport::connect(move |outer: Transport| {
        let mut inside = |transport| Inside { transport, events: Events::default() };
        Some(Holding { nested: Nested::build(&outer, &mut inside)?, passes: Rc::clone(&counted) })
    });
    assert!(wire.close_reason().is_none());
    assert!(passes.get() < 10, "{}", passes.get());
}
