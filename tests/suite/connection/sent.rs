//! Being told that everything written has left.

use std::cell::Cell;
use std::rc::Rc;

use reactor::layer::{self, Policy};
use reactor::testing::StringTransport;
use reactor::{Protocol, Transport};

use crate::support::{Callback, Ending, Recorder, every_world, in_memory};

/// Writes a piece whenever the last has left, and then ends its stream.
fn piecewise(this: &mut Recorder) {
    let pieces = this.log.lines().iter().filter(|line| line.starts_with("sent")).count();
    this.log.add("sent");
    if pieces < 3 {
        this.transport.write("piece ");
    } else {
        this.transport.write_eof();
    }
    if pieces < 4 {
        this.transport.when_sent(piecewise);
    }
}

#[test]
fn small_pieces_go_one_by_one_and_the_last_call_follows_the_end_of_output() {
    every_world(
        |recorder| recorder.keeping_writing().on(Callback::Made, |this| this.transport.when_sent(piecewise)),
        |peer| {
            assert_eq!(peer.read_to_the_end(), (b"piece piece piece ".to_vec(), Ending::Clean));
            for _ in 0..5 {
                peer.wait_for("sent");
            }
            peer.send_eof();
            peer.wait_for("lost Done");
        },
    );
}

#[test]
fn while_the_peer_reads_nothing_the_call_waits_and_it_is_dropped_with_the_connection() {
    in_memory(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("answer");
                this.transport.when_sent(|this: &mut Recorder| this.log.add("sent"));
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("question");
            assert!(!peer.log.lines().contains(&"sent".to_owned()));
            peer.reset();
            assert!(!peer.log.lines().contains(&"sent".to_owned()), "{:?}", peer.log.lines());
        },
    );
}

#[test]
fn a_peer_may_be_read_ahead_of_its_answers() {
    const CHUNK: usize = 65_536;
    in_memory(
        |recorder| {
            recorder
                .on(Callback::Made, |this| this.transport.set_read_ahead(true))
                .on(Callback::Data, |this| this.transport.write(vec![b'x'; CHUNK]))
        },
        |peer| {
            peer.stop_reading();
            for _ in 0..20 {
                peer.send(vec![b'x'; CHUNK]);
            }
            assert_eq!(peer.log.received_len(), 20 * CHUNK);
        },
    );
}

#[test]
fn inside_a_layer_the_call_comes_when_the_layer_has_taken_everything() {
    struct Greeter {
        transport: Transport,
        is_told: Rc<Cell<bool>>,
    }

    impl Protocol for Greeter {
        fn data_received(&mut self, _: &[u8]) {
            self.transport.write("hello");
            self.transport.when_sent(|this: &mut Self| this.is_told.set(true));
        }
    }

    /// Lets nothing pass while it is shut.
    struct Gate(Rc<Cell<bool>>);

    impl Policy for Gate {
        fn outgoing(&mut self, data: &[u8]) -> usize {
            if self.0.get() { 0 } else { data.len() }
        }
    }

    let (is_shut, is_told) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(false)));
    let (shut, told) = (Rc::clone(&is_shut), Rc::clone(&is_told));
    let inside = move |transport| Greeter { transport, is_told: Rc::clone(&told) };
    let mut wire = StringTransport::connect(layer::around(move |_| Gate(Rc::clone(&shut)), inside));
    wire.receive("hi");
    assert!(!is_told.get());
    is_shut.set(false);
    wire.receive("again");
    assert_eq!(wire.written_text(), "hellohello");
    assert!(is_told.get());
}
