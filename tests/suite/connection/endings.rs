//! How connections end: the callbacks, their order, and what the peer sees.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use reactor::net::{ConnectionOptions, ListenOptions};
use reactor::testing::{Simulation, StringTransport};
use reactor::{CloseReason, OnEof, Protocol, Transport};

use crate::support::{
    Callback, Ending, HUGE, Log, PATIENCE, Recorder, every_world, every_world_and_layers, every_world_and_pipes,
    every_world_with, on_sockets,
};

#[test]
fn s040_the_peers_end_of_stream_closes_in_order() {
    every_world_and_pipes(
        |recorder| recorder,
        |peer| {
            peer.send("hi");
            peer.send_eof();
            peer.expect(&["made", "data hi", "eof", "lost Done", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn s041_the_peers_end_of_stream_does_not_discard_pending_output() {
    every_world_and_pipes(
        |recorder| recorder.on(Callback::Data, |this| this.transport.write(vec![b'x'; HUGE])),
        |peer| {
            peer.stop_reading();
            peer.send("all of it, please");
            peer.send_eof();
            peer.expect_all_sent(HUGE);
        },
    );
}

#[test]
fn s007_a_reset_by_the_peer_is_a_loss() {
    every_world(
        |recorder| recorder,
        |peer| {
            peer.send("hi");
            peer.wait_for("data hi");
            peer.reset();
            peer.expect(&["made", "data hi", "lost Lost", "dropped"]);
        },
    );
}

#[test]
fn s009_what_was_sent_before_a_reset_is_received_before_the_loss_even_with_output_pending() {
    every_world(
        |recorder| recorder,
        |peer| {
            peer.stop_reading();
            peer.act(|transport| transport.write(vec![b'x'; HUGE]));
            peer.wait_for("pause");
            // Both are there when the connection looks, because its thread is busy meanwhile.
            if peer.is_socket() {
                let (done, wait) = std::sync::mpsc::channel::<()>();
                let (begun, begin) = std::sync::mpsc::channel();
                let log = peer.log.clone();
                peer.act(move |transport| {
                    let log = log.clone();
                    transport.reactor().call_later(Duration::ZERO, move || {
                        begun.send(()).unwrap();
                        let _ = wait.recv_timeout(PATIENCE);
                        log.add("free");
                    });
                });
                begin.recv_timeout(PATIENCE).unwrap();
                peer.send("last words");
                peer.reset();
                drop(done);
            } else {
                peer.send("last words");
                peer.reset();
            }
            peer.wait_for("dropped");
            assert_eq!(peer.log.received(), b"last words", "{:#?}", peer.log.lines());
            assert_eq!(peer.log.count("lost Lost"), 1);
        },
    );
}

#[test]
fn s050_an_abort_discards_and_the_peer_sees_a_reset() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("never seen");
                this.transport.abort_connection();
                this.transport.abort_connection();
                this.transport.write("neither");
                assert!(this.transport.is_closing());
            })
        },
        |peer| {
            peer.send("hi");
            peer.expect(&["made", "data hi", "lost Aborted", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Reset));
        },
    );
}

#[test]
fn s049_an_abort_in_the_middle_of_a_flush_wins_over_the_close() {
    every_world_and_layers(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("go");
            peer.wait_for("data go");
            peer.act(Transport::abort_connection);
            peer.expect_cut_off(HUGE);
        },
    );
}

#[test]
fn s028_lose_connection_flushes_then_closes() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.lose_connection();
                this.transport.lose_connection();
                this.transport.write("too late");
                write!(this.transport, "{}", this.data.len());
                assert!(this.transport.is_closing());
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("go");
            peer.wait_for("data go");
            peer.send("ignored");
            peer.expect_all_sent(HUGE);
            assert_eq!(peer.log.received(), b"go");
        },
    );
}

#[test]
fn s030_closing_with_unread_input_in_the_system_loses_the_peer_nothing() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Made, |this| this.transport.pause_reading()).on(Callback::Timer, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.send(vec![b'y'; 200_000]);
            peer.act(|transport| {
                transport.call_later(Duration::ZERO, |this: &mut Recorder| {
                    this.timer(Duration::ZERO, "close");
                });
            });
            let (data, ending) = peer.read_to_the_end();
            assert_eq!((data.len(), ending), (HUGE, Ending::Clean));
            peer.send(vec![b'y'; 200_000]);
            peer.wait_for("dropped");
            assert_eq!(peer.log.received(), b"");
            assert!(peer.log.has("lost Done"));
        },
    );
}

#[test]
fn a_failure_of_the_users_own_is_the_reason_and_resets() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("never seen");
                this.transport.fail_connection(CloseReason::failed("bad greeting"));
                this.transport.fail_connection(CloseReason::TimedOut);
                this.transport.abort_connection();
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.send("hi");
            peer.expect(&["made", "data hi", "lost Failed(bad greeting)", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Reset));
        },
    );
}

#[test]
fn whatever_reason_a_failure_is_given_the_peer_sees_that_output_is_missing() {
    let reasons: [fn() -> CloseReason; 4] = [
        || CloseReason::Done,
        || CloseReason::TimedOut,
        || CloseReason::Lost(std::sync::Arc::new(std::io::ErrorKind::BrokenPipe.into())),
        || CloseReason::Overflow,
    ];
    for reason in reasons {
        every_world(
            move |recorder| {
                recorder.on(Callback::Data, move |this| {
                    this.transport.write("never seen");
                    this.transport.fail_connection(reason());
                })
            },
            |peer| {
                peer.send("hi");
                peer.wait_for("dropped");
                let (output, ending) = peer.read_to_the_end();
                assert!(output.is_empty(), "{}", reason());
                assert!(ending == Ending::Reset || !peer.sees_resets(), "{}", reason());
            },
        );
    }
}

#[test]
fn s061_too_much_output_ends_the_connection_with_overflow_and_a_reset() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.write("one too many");
                assert!(this.transport.is_closing());
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("hi");
            peer.wait_for("dropped");
            assert!(peer.log.has("lost Overflow"), "{:#?}", peer.log.lines());
            assert_eq!(peer.read_to_the_end().1, Ending::Reset);
        },
    );
}

#[test]
fn timers_and_deferred_futures_are_dropped_before_connection_lost() {
    every_world_and_pipes(
        |recorder| {
            recorder
                .on(Callback::Made, |this| {
                    this.timer(Duration::from_secs(3600), "one");
                    this.deferred_for_ever();
                })
                .on(Callback::Eof, |this| this.transport.lose_connection())
                .on(Callback::Lost, |this| {
                    // Asked of a dead connection these are dropped at once.
                    assert!(!this.timer(Duration::ZERO, "two").is_active());
                    this.deferred_for_ever();
                    this.log.add("end of the last callback");
                })
        },
        |peer| {
            peer.wait_for("made");
            peer.send_eof();
            peer.wait_for("dropped");
            let mut lines = peer.log.lines();
            lines[2..4].sort();
            assert_eq!(
                lines,
                [
                    "made",
                    "eof",
                    "future gone",
                    "timer one gone",
                    "lost Done",
                    "timer two gone",
                    "future gone",
                    "end of the last callback",
                    "dropped"
                ]
            );
        },
    );
}

#[test]
fn the_default_callbacks_close_in_order() {
    struct Bare;
    impl Protocol for Bare {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    assert_eq!(Bare.eof_received(), OnEof::Close);
    every_world_with(
        |_| Box::new(|_: Transport| Bare),
        |peer| {
            peer.send("hi");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn a_socket_may_linger_for_ever() {
    let sim = Simulation::new(0);
    let connection = ConnectionOptions::new().linger(Duration::MAX, Duration::MAX);
    let options = ListenOptions::new(7).connection(connection);
    let closing = |transport: Transport| {
        transport.lose_connection();
        Recorder::new(transport, Log::default())
    };
    sim.host("server").listen_tcp(options, closing).unwrap();
    let log = Log::default();
    let told = log.clone();
    let client = sim
        .host("client")
        .connect_tcp("server:7", move |transport| Recorder::new(transport, told.clone()).keeping_writing());
    sim.run_for(Duration::from_secs(100_000));
    client.transport().unwrap().write("still there");
    sim.run_for(Duration::from_secs(1));
    assert_eq!(log.lines(), ["made", "eof"]);
    client.disconnect();
    sim.run_for(Duration::from_secs(1));
    assert_eq!(log.lines(), ["made", "eof", "lost Done", "dropped"]);
}

/// Notes what was unsent when its connection ended.
struct Unsent {
    transport: Transport,
    at_end: Rc<Cell<usize>>,
}

impl Protocol for Unsent {
    fn data_received(&mut self, _data: &[u8]) {}

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.at_end.set(self.transport.unsent_bytes());
    }
}

#[test]
fn a_protocol_that_is_lost_knows_how_much_the_peer_cannot_have_received() {
    let lose: fn(&mut StringTransport) = |wire| wire.break_connection(io::ErrorKind::ConnectionReset.into());
    let abort: fn(&mut StringTransport) = |wire| wire.transport().abort_connection();
    let evict: fn(&mut StringTransport) = |wire| {
        wire.reactor().set_memory_budget(10_000);
        wire.transport().write([b'x'; 6_000]);
    };
    for end in [lose, abort, evict] {
        let at_end = Rc::<Cell<usize>>::default();
        let noting = Rc::clone(&at_end);
        let mut wire = StringTransport::connect(move |transport| Unsent { transport, at_end: Rc::clone(&noting) });
        wire.stall(true);
        wire.transport().write([b'x'; 10_000]);
        wire.read(4_000);
        end(&mut wire);
        wire.settle();
        assert!(!wire.close_reason().unwrap().is_clean());
        assert_eq!((at_end.get(), wire.transport().unsent_bytes()), (6_000, 6_000));
    }
}
