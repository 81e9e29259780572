//! One side ends its stream, and the other goes on.

use std::future::ready;
use std::time::Duration;

use reactor::OnEof;

use crate::support::{Callback, Ending, Recorder, every_world, every_world_and_pipes};

#[test]
fn s042_half_close_by_the_peer_first_goes_on_sending_until_closed() {
    every_world_and_pipes(
        |recorder| {
            recorder
                .keeping_writing()
                .on(Callback::Eof, |this| {
                    this.transport.write("still ");
                    this.timer(Duration::from_millis(1), "answer");
                })
                .on(Callback::Timer, |this| {
                    this.transport.write("here");
                    this.transport.lose_connection();
                })
        },
        |peer| {
            peer.send("question");
            peer.send_eof();
            peer.let_pass(Duration::from_millis(1));
            assert_eq!(peer.read_to_the_end(), (b"still here".to_vec(), Ending::Clean));
            peer.expect(&["made", "data question", "eof", "timer answer", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s043_half_close_by_this_side_first_goes_on_receiving_until_the_peer_ends() {
    every_world_and_pipes(
        |recorder| {
            recorder.keeping_writing().on(Callback::Made, |this| {
                this.transport.write("question");
                this.transport.write_eof();
                this.transport.write_eof();
                this.transport.write("dropped");
                assert!(!this.transport.is_closing());
            })
        },
        |peer| {
            assert_eq!(peer.read_to_the_end(), (b"question".to_vec(), Ending::Clean));
            peer.send("answer");
            peer.wait_for("data answer");
            peer.send_eof();
            peer.expect(&["made", "data answer", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s047_half_close_by_the_peer_and_then_by_this_side_closes() {
    every_world_and_pipes(
        |recorder| {
            recorder.keeping_writing().on(Callback::Eof, |this| {
                this.transport.write("bye");
                this.transport.write_eof();
            })
        },
        |peer| {
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"bye".to_vec(), Ending::Clean));
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn half_close_with_much_output_loses_nothing() {
    every_world(
        |recorder| {
            recorder
                .keeping_writing()
                .without_data()
                .on(Callback::Data, |this| {
                    let data = std::mem::take(&mut this.data);
                    this.transport.write(&data);
                })
                .on(Callback::Eof, |this| this.transport.lose_connection())
        },
        |peer| {
            let sent: Vec<u8> = (0..256 * 1024_u32).map(|n| (n % 251) as u8).collect();
            peer.send(&sent);
            peer.send_eof();
            let (data, ending) = peer.read_to_the_end();
            assert!(data == sent, "{} of {} bytes came back, or in another order", data.len(), sent.len());
            assert_eq!(ending, Ending::Clean);
            peer.wait_for("lost Done");
        },
    );
}

#[test]
fn an_end_that_cannot_be_dealt_with_yet_is_told_again_when_reading_is_resumed() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.on_eof = OnEof::NotYet;
                this.transport.pause_reading();
                this.transport.write_eof();
            })
        },
        |peer| {
            peer.send("hi");
            peer.wait_for("data hi");
            peer.send_eof();
            peer.wait_for("not yet");
            peer.act(|transport| {
                transport.defer(ready(()), |this: &mut Recorder, ()| {
                    assert!(!this.transport.is_closing(), "both sides have ended their streams");
                    this.log.add("deferred");
                });
            });
            peer.wait_for("deferred");
            peer.act(|transport| {
                transport.defer(ready(()), |this: &mut Recorder, ()| {
                    this.on_eof = OnEof::KeepWriting;
                    this.transport.resume_reading();
                });
            });
            peer.expect(&["made", "data hi", "not yet", "deferred", "eof", "lost Done", "dropped"]);
        },
    );
}
