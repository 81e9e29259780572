//! Neither a peer nor a protocol can make the program grow, and nothing waits forever.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::Simulation;
use reactor::{Protocol, Transport};

use crate::support::{
    Callback, Ending, HUGE, PATIENCE, Recorder, echo, every_world, every_world_and_pipes, in_memory, in_time,
    on_sockets, test_reactor,
};

/// Strictly more unsent bytes than this are too many.
const HIGH_WATER: usize = 65_536;

#[test]
fn a_peer_that_sends_and_does_not_read_is_not_read() {
    const TOTAL: usize = 48 << 20;
    on_sockets(
        |recorder| {
            recorder.without_data().on(Callback::Data, |this| {
                let data = std::mem::take(&mut this.data);
                this.transport.write(&data);
                assert!(this.transport.unsent_bytes() <= 2 * HIGH_WATER, "{} unsent", this.transport.unsent_bytes());
            })
        },
        |peer| {
            let sending = peer.send_in_background(vec![b'x'; TOTAL]);
            // The buffers of the system are full, and so is ours.
            peer.wait_for("pause");
            let data = peer.read(TOTAL);
            assert!(data.iter().all(|byte| *byte == b'x'));
            sending.join().unwrap();
            peer.send_eof();
            peer.wait_for("lost Done");
        },
    );
}

#[test]
fn reading_stops_while_more_than_64_kib_are_owed_for_input_and_goes_on_at_64_kib() {
    in_memory(echo, |peer| {
        peer.stop_reading();
        for _ in 0..20 {
            peer.send(vec![b'x'; HIGH_WATER]);
        }
        // The first is not too much; the second is, and is the last to be read.
        assert_eq!(peer.log.received_len(), 2 * HIGH_WATER);
        peer.read(HIGH_WATER - 1);
        assert_eq!(peer.log.received_len(), 2 * HIGH_WATER);
        peer.read(1);
        assert_eq!(peer.log.received_len(), 3 * HIGH_WATER);
        peer.read(19 * HIGH_WATER);
        assert_eq!(peer.log.received_len(), 20 * HIGH_WATER);
    });
}

#[test]
fn output_written_elsewhere_does_not_stop_reading() {
    every_world_and_pipes(
        |recorder| recorder,
        |peer| {
            peer.stop_reading();
            peer.act(|transport| transport.write(vec![b'x'; HUGE]));
            peer.wait_for("pause");
            peer.send("still heard");
            peer.wait_for("data still heard");
            peer.act(|transport| transport.write(vec![b'x'; 1000]));
            peer.wait_for("lost Overflow");
        },
    );
}

#[test]
fn s062_full_is_strictly_more_than_64_kib_counting_what_the_running_callback_wrote() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![0; HIGH_WATER]);
                assert!(!this.transport.is_full());
                assert_eq!(this.transport.unsent_bytes(), HIGH_WATER);
                if this.data.starts_with(b"more") {
                    this.transport.write("x");
                    assert!(this.transport.is_full());
                }
                this.log.add("written");
            })
        },
        |peer| {
            peer.send("just enough");
            peer.read(HIGH_WATER);
            peer.wait_for("written");
            assert!(!peer.log.has("pause"));
            peer.send("more");
            peer.read(HIGH_WATER + 1);
            peer.wait_for("resume");
            assert_eq!((peer.log.count("pause"), peer.log.count("resume")), (1, 1));
        },
    );
}

#[test]
fn s072_pause_comes_above_64_kib_and_resume_when_all_has_gone() {
    in_memory(
        |recorder| recorder,
        |peer| {
            peer.stop_reading();
            peer.act(|transport| transport.write(vec![0; HIGH_WATER]));
            assert!(!peer.log.has("pause"));
            peer.act(|transport| transport.write("x"));
            assert!(peer.log.has("pause"));
            peer.act(|transport| transport.write(vec![0; 100]));
            peer.read(HIGH_WATER + 100);
            assert!(!peer.log.has("resume"), "one byte is left");
            peer.act(|transport| assert!(!transport.is_full()));
            peer.act(|transport| transport.write(vec![0; HIGH_WATER]));
            assert_eq!(peer.log.count("pause"), 1, "no second pause without a resume");
            peer.read(HIGH_WATER + 1);
            assert_eq!(peer.log.lines(), ["made", "pause", "resume"]);
        },
    );
}

#[test]
fn s071_pausing_and_resuming_from_within_each_other_stay_paired() {
    every_world_and_pipes(
        |recorder| {
            let mut left = 5;
            recorder
                .on(Callback::Data, |this| this.transport.write(vec![0; 100_000]))
                .on(Callback::Pause, |this| this.transport.write(vec![0; 100_000]))
                .on(Callback::Resume, move |this| {
                    left -= 1;
                    if left > 0 {
                        this.transport.write(vec![0; 100_000]);
                    } else {
                        this.transport.lose_connection();
                    }
                })
        },
        |peer| {
            peer.send("go");
            let (data, _) = peer.read_to_the_end();
            assert_eq!(data.len(), 1_000_000);
            peer.wait_for("dropped");
            assert_eq!((peer.log.count("pause"), peer.log.count("resume")), (5, 5));
        },
    );
}

#[test]
fn the_hard_limit_is_exact_and_overflow_is_the_end() {
    for (last, expected) in [(0, "lost Done"), (1, "lost Overflow")] {
        every_world(
            move |recorder| {
                recorder.on(Callback::Data, move |this| {
                    this.transport.set_output_limit(100_000);
                    this.transport.write(vec![0; 60_000]);
                    this.transport.write_bytes(vec![0; 40_000].into());
                    assert_eq!(this.transport.unsent_bytes(), 100_000);
                    this.transport.write(vec![0; last]);
                    assert_eq!(this.transport.is_closing(), last > 0);
                    write!(this.transport, "{}", String::new());
                    this.transport.lose_connection();
                })
            },
            |peer| {
                peer.send("go");
                let (data, ending) = peer.read_to_the_end();
                match last {
                    0 => assert_eq!((data.len(), ending), (100_000, Ending::Clean)),
                    _ => assert_eq!(ending, Ending::Reset),
                }
                peer.wait_for(expected);
            },
        );
    }
}

#[test]
fn a_single_write_onto_an_empty_queue_is_always_taken() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.set_output_limit(10);
                this.transport.write_bytes(vec![b'x'; HUGE].into());
                assert!(!this.transport.is_closing());
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.send("go");
            peer.expect_all_sent(HUGE);
        },
    );
}

#[test]
fn a_writer_that_never_stops_is_ended_at_the_limit() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Timer, |this| {
                this.transport.write(vec![0; 10 << 20]);
                assert!(this.transport.unsent_bytes() <= 16 << 20);
                this.timer(Duration::ZERO, "again");
            })
        },
        |peer| {
            peer.act(|transport| {
                transport.call_later(Duration::ZERO, |this: &mut Recorder| drop(this.timer(Duration::ZERO, "first")));
            });
            peer.wait_for("lost Overflow");
        },
    );
}

#[test]
fn a_stream_of_64_mib_is_sent_with_bounded_memory() {
    const TOTAL: usize = 64 << 20;
    every_world_and_pipes(
        |recorder| {
            let mut left = TOTAL;
            let mut next = move |this: &mut Recorder| {
                while !this.transport.is_full() && left > 0 {
                    let n = left.min(10_000);
                    this.transport.write(vec![b'x'; n]);
                    left -= n;
                    assert!(this.transport.unsent_bytes() <= HIGH_WATER + 10_000);
                }
                if left == 0 {
                    this.transport.lose_connection();
                }
            };
            recorder
                .on(Callback::Resume, move |this| next(this))
                .on(Callback::Data, |this| this.transport.write(vec![b'x'; HIGH_WATER + 1]))
        },
        |peer| {
            peer.send("go");
            let (data, ending) = peer.read_to_the_end();
            assert_eq!((data.len(), ending), (TOTAL + HIGH_WATER + 1, Ending::Clean));
            peer.wait_for("lost Done");
        },
    );
}

/// Sends much at once, and closes when it has got as much.
struct Pushy {
    transport: Transport,
    left: usize,
}

impl Protocol for Pushy {
    fn connection_made(&mut self) {
        for _ in 0..self.left >> 20 {
            self.transport.write(vec![b'x'; 1 << 20]);
        }
    }
    fn data_received(&mut self, data: &[u8]) {
        self.left -= data.len();
        if self.left == 0 {
            self.transport.lose_connection();
        }
    }
}

#[test]
fn two_peers_that_both_push_megabytes_first_do_not_wait_for_each_other() {
    in_time(|| {
        let reactor = test_reactor();
        let pushy = |transport| Pushy { transport, left: 14 << 20 };
        let port = reactor.listen_tcp("127.0.0.1:0", pushy).unwrap();
        let client = reactor.connect_tcp(port.host().socket_addr().unwrap(), pushy);
        let reason = reactor.run_until(client.finished()).unwrap().unwrap();
        assert!(reason.is_clean(), "{reason}");
    });
}

/// Pushes, and answers each chunk it gets with a byte.
struct PushyAnswerer {
    transport: Transport,
    received: Rc<Cell<usize>>,
}

impl Protocol for PushyAnswerer {
    fn connection_made(&mut self) {
        self.transport.write(vec![b'x'; 8 << 20]);
    }
    fn data_received(&mut self, data: &[u8]) {
        self.received.set(self.received.get() + data.len());
        self.transport.write("+");
    }
}

#[test]
fn an_answer_behind_much_else_does_not_keep_two_that_push_from_reading() {
    let sim = Simulation::new(0);
    let received: [Rc<Cell<usize>>; 2] = Default::default();
    let [near, far] = received.each_ref().map(|received| {
        let received = Rc::clone(received);
        move |transport| PushyAnswerer { transport, received: Rc::clone(&received) }
    });
    sim.host("near").listen_tcp(7, near).unwrap();
    sim.host("far").connect_tcp("near:7", far);
    let all = || received.iter().all(|received| received.get() >= 8 << 20);
    sim.run_until(|| all() || sim.elapsed() > PATIENCE);
    assert!(all(), "they wait for each other: {received:?}");
}

#[test]
fn shared_and_copied_bytes_keep_their_order() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                for n in 0..200_u32 {
                    let size = [1, 20_000, 16_384, 5, 70_000][n as usize % 5];
                    let data = vec![n as u8; size];
                    if n % 3 == 0 { this.transport.write(&data) } else { this.transport.write_bytes(data.into()) }
                }
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("go");
            let mut expected = Vec::new();
            for n in 0..200_u32 {
                expected.extend(vec![n as u8; [1, 20_000, 16_384, 5, 70_000][n as usize % 5]]);
            }
            let (data, _) = peer.read_to_the_end();
            assert!(data == expected);
        },
    );
}
