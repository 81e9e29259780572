//! Closing, half-close, aborting, and the reasons that follow.

use std::sync::Arc;
use std::time::Duration;

use reactor::testing::{Simulation, expect_panic};
use reactor::{CloseReason, Transport};

use crate::support::{Callback, Ending, HUGE, Log, Recorder, every_world, every_world_and_pipes};

#[test]
fn s029_nothing_is_delivered_after_lose_connection() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.lose_connection();
                this.transport.resume_reading();
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("close");
            peer.wait_for("data close");
            for _ in 0..5 {
                peer.send("ignored");
            }
            assert_eq!(peer.read_to_the_end().0.len(), HUGE);
            peer.wait_for("dropped");
            assert_eq!(peer.log.received(), b"close");
        },
    );
}

#[test]
fn s031_a_second_lose_connection_changes_nothing() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("bye");
                for _ in 0..3 {
                    this.transport.lose_connection();
                }
            })
        },
        |peer| {
            peer.send("close");
            assert_eq!(peer.read_to_the_end(), (b"bye".to_vec(), Ending::Clean));
            peer.expect(&["made", "data close", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s032_what_is_written_after_lose_connection_is_dropped() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("before");
                this.transport.lose_connection();
                this.transport.write("behind");
            })
        },
        |peer| {
            peer.send("close");
            assert_eq!(peer.read_to_the_end(), (b"before".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn s036_closing_after_the_end_of_output_calls_nothing_back_from_inside() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| match &this.data[..] {
                b"end" => this.transport.write_eof(),
                _ => {
                    this.transport.lose_connection();
                    this.log.add("closing has returned");
                }
            })
        },
        |peer| {
            peer.send("end");
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
            peer.send("close");
            peer.wait_for("dropped");
            let lines = peer.log.lines();
            assert_eq!(lines[lines.len() - 3..], ["closing has returned", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s037_a_protocol_can_ask_whether_it_is_closing() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                assert!(!this.transport.is_closing());
                this.transport.lose_connection();
                assert!(this.transport.is_closing());
            })
        },
        |peer| {
            peer.send("close");
            peer.expect(&["made", "data close", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s038_the_flush_of_a_connection_that_closes_has_no_time_limit() {
    let sim = Simulation::new(0);
    let (near, log) = (sim.host("near"), Log::default());
    let seen = log.clone();
    let build = move |transport: Transport| {
        Recorder::new(transport, seen.clone()).on(Callback::Made, |this| {
            this.transport.write(vec![b'x'; HUGE]);
            this.transport.lose_connection();
        })
    };
    near.listen_tcp(7, build).unwrap();
    let far = sim.host("far").connect_tcp("near:7", |transport: Transport| {
        Recorder::new(transport, Log::default())
            .without_data()
            .on(Callback::Made, |this| this.transport.pause_reading())
    });
    sim.run_for(Duration::from_secs(24 * 3600));
    assert!(log.has("made") && !log.has("lost"), "{:#?}", log.lines());
    far.transport().unwrap().resume_reading();
    sim.run_for(Duration::from_secs(3600));
    assert!(log.has("lost Done"), "{:#?}", log.lines());
}

#[test]
fn s044_what_is_written_after_the_end_of_output_is_dropped() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("before");
                this.transport.write_eof();
                this.transport.write("behind");
            })
        },
        |peer| {
            peer.send("end");
            assert_eq!(peer.read_to_the_end(), (b"before".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn s045_output_may_be_ended_by_a_protocol_that_answers_eof_by_closing() {
    every_world_and_pipes(
        |recorder| recorder.on(Callback::Made, |this| this.transport.write_eof()),
        |peer| {
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
            peer.send("still heard");
            peer.wait_for("data still heard");
            peer.send_eof();
            peer.expect(&["made", "data still heard", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s051_an_abort_is_idempotent_and_a_close_behind_it_harmless() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.abort_connection();
                this.transport.abort_connection();
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.send("abort");
            peer.wait_for("dropped");
            peer.act(Transport::abort_connection);
            peer.expect(&["made", "data abort", "lost Aborted", "dropped"]);
        },
    );
}

#[test]
fn s053_only_an_end_in_order_is_clean() {
    assert!(CloseReason::Done.is_clean());
    let others = [
        CloseReason::Aborted,
        CloseReason::Lost(Arc::new(std::io::ErrorKind::ConnectionReset.into())),
        CloseReason::TimedOut,
        CloseReason::Panicked("oh".to_owned()),
        CloseReason::Overflow,
        CloseReason::failed("a reason of the user's"),
    ];
    assert!(others.iter().all(|reason| !reason.is_clean()));
}

#[test]
fn s054_the_reason_tells_which_side_ended_the_connection_and_how() {
    let ends_with = |ends_it: fn(&Transport), reason: &str| {
        every_world(
            move |recorder| recorder.on(Callback::Data, move |this| ends_it(&this.transport)),
            |peer| {
                peer.send("go");
                peer.expect(&["made", "data go", &format!("lost {reason}"), "dropped"]);
            },
        );
    };
    ends_with(Transport::lose_connection, "Done");
    ends_with(Transport::abort_connection, "Aborted");
    expect_panic("oh", || ends_with(|_| panic!("oh"), "Panicked(oh)"));
    every_world(
        |recorder| recorder,
        |peer| {
            peer.send_eof();
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
        },
    );
    every_world(
        |recorder| recorder,
        |peer| {
            peer.wait_for("made");
            peer.reset();
            peer.expect(&["made", "lost Lost", "dropped"]);
        },
    );
}
