//! One side ends its stream, and the other goes on.

use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::OnEof;
use tokio::sync::Notify;

use crate::support::{
    Callback, Ending, Recorder, every_world, every_world_and_pipes, every_world_with, in_memory, on_sockets, recorder,
    tap, throttle,
};

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

const LATER: Duration = Duration::from_millis(1);

/// Answers what it receives a little later.
fn answers_later(this: &mut Recorder) {
    let data = this.data.clone();
    let pause = this.transport.reactor().sleep(LATER);
    this.transport.defer(pause, move |this: &mut Recorder, ()| this.transport.write(data));
}

#[test]
fn s040_a_question_before_the_end_of_the_stream_has_its_answer_however_late() {
    every_world_and_pipes(
        |recorder| {
            let ended = Rc::new(Notify::new());
            let tell = Rc::clone(&ended);
            recorder
                .on(Callback::Data, move |this| {
                    let (ended, reactor) = (Rc::clone(&ended), this.transport.reactor());
                    let answer = async move {
                        ended.notified().await;
                        reactor.sleep(LATER).await;
                    };
                    this.transport.defer(answer, |this: &mut Recorder, ()| {
                        this.log.add("deferred");
                        this.transport.write("answer");
                    });
                })
                .on(Callback::Eof, move |_| tell.notify_one())
        },
        |peer| {
            peer.send("question");
            peer.send_eof();
            peer.let_pass(LATER);
            assert_eq!(peer.read_to_the_end(), (b"answer".to_vec(), Ending::Clean));
            peer.expect(&["made", "data question", "eof", "deferred", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn what_an_answer_leads_to_is_waited_for_too() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.defer(ready(()), |this: &mut Recorder, ()| answers_later(this));
            })
        },
        |peer| {
            peer.send("question");
            peer.send_eof();
            peer.let_pass(LATER);
            assert_eq!(peer.read_to_the_end(), (b"question".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn what_is_deferred_when_the_stream_has_ended_is_waited_for_too() {
    every_world_and_pipes(
        |recorder| recorder.on(Callback::Eof, answers_later),
        |peer| {
            peer.send("all");
            peer.send_eof();
            peer.let_pass(LATER);
            assert_eq!(peer.read_to_the_end(), (b"all".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn a_deferred_call_that_is_cancelled_is_waited_for_no_more() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                let never = std::future::pending::<()>();
                let call = this.transport.defer(never, |_: &mut Recorder, ()| {});
                let pause = this.transport.reactor().sleep(LATER);
                this.transport.reactor().spawn(async move {
                    pause.await;
                    call.cancel();
                });
            })
        },
        |peer| {
            peer.send("x");
            peer.send_eof();
            peer.let_pass(LATER);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
            peer.expect(&["made", "data x", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn a_protocol_that_closes_when_the_stream_ends_waits_for_nothing() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| this.deferred_for_ever()).on(Callback::Eof, |this| {
                this.transport.write("bye");
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.send("x");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"bye".to_vec(), Ending::Clean));
            peer.expect(&["made", "data x", "eof", "future gone", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn a_deferred_call_that_never_comes_back_has_as_long_as_a_shutdown() {
    in_memory(
        |recorder| recorder.on(Callback::Data, |this| this.deferred_for_ever()),
        |peer| {
            peer.send("x");
            peer.send_eof();
            peer.let_pass(Duration::from_millis(7999));
            assert!(!peer.log.has("lost"));
            peer.let_pass(Duration::from_millis(1));
            peer.expect(&["made", "data x", "eof", "future gone", "lost Done", "dropped"]);
        },
    );
    on_sockets(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.reactor().set_shutdown_deadline(LATER);
                this.deferred_for_ever();
            })
        },
        |peer| {
            peer.send("x");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn the_answer_comes_through_any_layers() {
    every_world_with(
        |log| {
            let answering = recorder(&log, |recorder| recorder.on(Callback::Data, answers_later));
            Box::new(tap("a", &log, throttle(usize::MAX, tap("b", &log, answering))))
        },
        |peer| {
            peer.send("question");
            peer.send_eof();
            peer.let_pass(LATER);
            assert_eq!(peer.read_to_the_end(), (b"question".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn lines_that_are_answered_one_after_another_are_all_answered() {
    struct Slow(Lines);
    impl LineHandler for Slow {
        fn line_received(&mut self, line: &[u8]) {
            let line = line.to_vec();
            self.0.pause_reading();
            self.0.defer(self.0.reactor().sleep(LATER), move |this: &mut Self, ()| {
                this.0.send_line(line);
                this.0.resume_reading();
            });
        }
    }
    every_world_with(
        |_log| Box::new(LineReceiver::factory(Slow)),
        |peer| {
            peer.send("one\r\ntwo\r\nthree\r\n");
            peer.send_eof();
            peer.let_pass(4 * LATER);
            assert_eq!(peer.read_to_the_end(), (b"one\r\ntwo\r\nthree\r\n".to_vec(), Ending::Clean));
        },
    );
}
