//! Writing, and pausing reading.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::{Simulation, StringTransport};
use reactor::{Protocol, Transport};

use crate::support::{Callback, Log, Recorder, every_world_and_layers, in_memory};

#[test]
fn s060_all_that_a_callback_writes_leaves_together() {
    struct Chunks(Rc<RefCell<Vec<Vec<u8>>>>);
    impl Protocol for Chunks {
        fn data_received(&mut self, data: &[u8]) {
            self.0.borrow_mut().push(data.to_vec());
        }
    }
    let sim = Simulation::new(0);
    let build = |transport| {
        Recorder::new(transport, Log::default()).on(Callback::Made, |this| {
            for part in ["a ", "b ", "c"] {
                this.transport.write(part);
            }
        })
    };
    sim.host("near").listen_tcp(7, build).unwrap();
    let chunks = Rc::<RefCell<Vec<Vec<u8>>>>::default();
    let seen = Rc::clone(&chunks);
    sim.host("far").connect_tcp("near:7", move |_: Transport| Chunks(Rc::clone(&seen)));
    sim.run_for(Duration::from_secs(1));
    assert_eq!(*chunks.borrow(), [b"a b c"]);
}

#[test]
fn s063_what_has_left_is_no_longer_counted() {
    let mut wire = StringTransport::connect(|transport| Recorder::new(transport, Log::default()));
    wire.stall(true);
    wire.transport().write(vec![b'x'; 100_000]);
    wire.settle();
    assert_eq!((wire.transport().unsent_bytes(), wire.transport().is_full()), (100_000, true));
    wire.read(40_000);
    assert_eq!((wire.transport().unsent_bytes(), wire.transport().is_full()), (60_000, false));
}

#[test]
fn s066_writing_nothing_does_nothing() {
    every_world_and_layers(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("");
                this.transport.write_bytes(Vec::new().into());
                write!(this.transport, "");
                assert_eq!(this.transport.unsent_bytes(), 0);
                this.transport.write("something");
            })
        },
        |peer| {
            peer.send("go");
            assert_eq!(peer.read(9), b"something");
        },
    );
}

#[test]
fn s078_reading_is_not_resumed_on_a_connection_that_closes() {
    in_memory(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.pause_reading();
                this.transport.write(vec![b'x'; 100]);
                this.transport.lose_connection();
                this.transport.resume_reading();
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("one");
            peer.send("two");
            assert_eq!(peer.log.lines(), ["made", "data one"]);
            assert_eq!(peer.read_to_the_end().0.len(), 100);
            peer.expect(&["made", "data one", "lost Done", "dropped"]);
        },
    );
}
