//! How connections with layers end.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reactor::layer::{self, Policy};
use reactor::testing::{StringTransport, expect_panic};
use reactor::{CloseReason, Factory, OnEof, Transport};

use crate::support::{
    Callback, Ending, HUGE, Log, Recorder, echo, every_world_with, on_sockets_with, panicking_tap, recorder, tap,
    throttle,
};

#[test]
fn a_close_asked_for_inside_waits_for_what_a_layer_holds_back() {
    every_world_with(
        |log| {
            Box::new(throttle(
                10,
                recorder(&log, |recorder| {
                    recorder.on(Callback::Data, |this| {
                        this.transport.write(vec![b'x'; 200]);
                        this.transport.lose_connection();
                    })
                }),
            ))
        },
        |peer| {
            peer.send("go");
            peer.let_pass(Duration::from_millis(30));
            assert_eq!(peer.read_to_the_end(), (vec![b'x'; 200], Ending::Clean));
            peer.wait_for("lost Done");
        },
    );
}

#[test]
fn a_close_asked_for_by_a_policy_flushes_what_the_protocol_inside_wrote() {
    struct Closer {
        outer: Transport,
        inner: Rc<RefCell<Option<Transport>>>,
        log: Log,
    }
    impl Policy for Closer {
        fn incoming(&mut self, data: &[u8]) {
            if data == b"close" {
                self.outer.lose_connection();
                let (inner, log) = (self.inner.take().unwrap(), self.log.clone());
                self.outer.reactor().call_later(Duration::from_millis(1), move || {
                    log.add(format!("closing inside: {}", inner.is_closing()));
                    inner.write("too late");
                });
            }
        }
    }
    every_world_with(
        |log| {
            let slot = Rc::new(RefCell::new(None));
            let inner = Rc::clone(&slot);
            let inside = recorder(&log, move |recorder| {
                inner.replace(Some(recorder.transport.clone()));
                recorder.on(Callback::Data, |this| {
                    assert_eq!(this.data, b"go", "nothing is delivered once it is closing");
                    this.transport.write(vec![b'x'; 200]);
                })
            });
            let policy = {
                let log = log.clone();
                move |outer| Closer { outer, inner: Rc::clone(&slot), log: log.clone() }
            };
            Box::new(layer::around(policy, throttle(10, tap("inner", &log, throttle(1000, inside)))))
        },
        |peer| {
            peer.send("go");
            peer.wait_for("data go");
            peer.send("close");
            peer.let_pass(Duration::from_millis(30));
            assert_eq!(peer.read_to_the_end(), (vec![b'x'; 200], Ending::Clean));
            peer.wait_for("lost Done");
            assert!(peer.log.has("closing inside: true"), "{:#?}", peer.log.lines());
        },
    );
}

#[test]
fn stopping_flushes_what_layers_hold_back() {
    on_sockets_with(
        |log| {
            Box::new(tap(
                "a",
                &Log::default(),
                throttle(
                    1 << 20,
                    recorder(&log, |recorder| {
                        recorder.on(Callback::Data, |this| {
                            this.transport.write(vec![b'x'; HUGE]);
                            this.transport.reactor().stop();
                        })
                    }),
                ),
            ))
        },
        |peer| {
            peer.send("go");
            peer.expect_all_sent(HUGE);
        },
    );
}

#[test]
fn half_close_passes_through_layers_both_ways() {
    let factory = |script: fn(Recorder) -> Recorder| {
        move |log: Log| -> Box<dyn Factory> {
            Box::new(throttle(1000, throttle(4, recorder(&log, move |recorder| script(recorder.keeping_writing())))))
        }
    };
    every_world_with(
        factory(|recorder| {
            recorder
                .on(Callback::Eof, |this| {
                    this.transport.write("still here");
                    this.timer(Duration::from_millis(1), "close");
                })
                .on(Callback::Timer, |this| this.transport.lose_connection())
        }),
        |peer| {
            peer.send_eof();
            peer.let_pass(Duration::from_millis(10));
            assert_eq!(peer.read_to_the_end(), (b"still here".to_vec(), Ending::Clean));
            peer.expect(&["made", "eof", "timer close", "lost Done", "dropped"]);
        },
    );
    every_world_with(
        factory(|recorder| {
            recorder.on(Callback::Made, |this| {
                this.transport.write("question");
                this.transport.write_eof();
                this.transport.write("dropped");
            })
        }),
        |peer| {
            peer.let_pass(Duration::from_millis(10));
            assert_eq!(peer.read_to_the_end(), (b"question".to_vec(), Ending::Clean));
            peer.send("answer");
            peer.wait_for("data answer");
            peer.send_eof();
            peer.expect(&["made", "data answer", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn a_panic_of_a_policy_ends_the_connection_and_the_protocol_inside_is_told() {
    expect_panic("as told", || {
        for panics_at in ["made", "in hi", "out hi", "lost"] {
            every_world_with(
                move |log| {
                    Box::new(tap("a", &log, panicking_tap("b", panics_at, &log, tap("c", &log, recorder(&log, echo)))))
                },
                |peer| {
                    peer.send("hi");
                    peer.send_eof();
                    peer.wait_for("dropped");
                    let lines = peer.log.lines();
                    assert_eq!(peer.log.count("b lost"), 1, "{panics_at}: {lines:#?}");
                    if panics_at != "made" {
                        assert_eq!(peer.log.count("c lost"), 1, "{panics_at}: {lines:#?}");
                        let reason = if panics_at == "lost" { "lost Done" } else { "lost Panicked" };
                        assert_eq!(peer.log.count(reason), 1, "{panics_at}: {lines:#?}");
                    }
                },
            );
        }
    });
}

#[test]
fn a_panic_of_the_protocol_inside_ends_all_layers_with_its_message() {
    expect_panic("oh", || {
        for callback in Callback::ALL {
            if callback == Callback::Lost || callback == Callback::Drop {
                continue;
            }
            every_world_with(
                move |log| {
                    Box::new(tap(
                        "a",
                        &log,
                        throttle(
                            usize::MAX,
                            recorder(&log, move |recorder| {
                                recorder.on(callback, move |_| panic!("oh {callback:?}")).on(
                                    Callback::Data,
                                    move |this| {
                                        this.timer(Duration::ZERO, "t");
                                        this.deferred();
                                        if callback == Callback::Pause || callback == Callback::Resume {
                                            this.transport.write(vec![b'\n'; 100_000]);
                                        }
                                    },
                                )
                            }),
                        ),
                    ))
                },
                |peer| {
                    peer.send("hi");
                    peer.let_pass(Duration::ZERO);
                    if callback == Callback::Eof {
                        peer.send_eof();
                    }
                    peer.wait_for("dropped");
                    assert_eq!(peer.log.count("a lost"), 1);
                    assert_eq!(
                        peer.log.count(&format!("lost Panicked(oh {callback:?})")),
                        1,
                        "{:#?}",
                        peer.log.lines()
                    );
                },
            );
        }
    });
}

#[test]
fn failures_inside_and_outside_reach_both_with_their_reason() {
    type Fail = fn(&Transport);
    let fail: [(Fail, &str); 4] = [
        (Transport::abort_connection, "lost Aborted"),
        (|transport| transport.fail_connection(CloseReason::TimedOut), "lost TimedOut"),
        (|transport| transport.fail_connection(CloseReason::failed("mine")), "lost Failed(mine)"),
        (
            |transport| {
                transport.write(vec![0; HUGE]);
                transport.write(vec![0; HUGE])
            },
            "lost Overflow",
        ),
    ];
    for (fail, expected) in fail {
        every_world_with(
            move |log| {
                Box::new(tap(
                    "a",
                    &log,
                    tap(
                        "b",
                        &Log::default(),
                        recorder(&log, move |recorder| recorder.on(Callback::Data, move |this| fail(&this.transport))),
                    ),
                ))
            },
            |peer| {
                peer.stop_reading();
                peer.send("inside");
                peer.wait_for("dropped");
                assert_eq!(peer.log.count(expected), 1, "{:#?}", peer.log.lines());
                assert_eq!(peer.read_to_the_end().1, Ending::Reset);
            },
        );
        if expected != "lost Overflow" {
            every_world_with(
                |log| Box::new(tap("a", &log, tap("b", &log, recorder(&log, |recorder| recorder)))),
                |peer| {
                    peer.act(fail);
                    peer.wait_for("dropped");
                    assert_eq!(peer.log.count(expected), 1, "{:#?}", peer.log.lines());
                    assert_eq!(peer.read_to_the_end().1, Ending::Reset);
                },
            );
        }
    }
}

#[test]
fn s090_a_refusal_passes_through_layers_and_leaves_no_handle_alive() {
    let handles = Rc::new(RefCell::new(Vec::new()));
    let kept = Rc::clone(&handles);
    let refusing = move |transport: Transport| -> Option<Recorder> {
        transport.call_later(Duration::from_secs(3600), |_: &mut Recorder| ());
        kept.borrow_mut().push(transport);
        None
    };
    let mut factory = tap("a", &Log::default(), throttle(9, refusing));
    let outside = StringTransport::connect(move |transport: Transport| {
        assert!(factory.build_protocol(transport.clone()).is_none());
        Recorder::new(transport, Log::default())
    });
    for transport in handles.borrow().iter() {
        assert!(transport.is_closing());
        transport.write("into the void");
        assert_eq!(transport.unsent_bytes(), 0);
    }
    assert_eq!(outside.reactor().pending_call_count(), 0);
}

#[test]
fn an_end_that_cannot_be_dealt_with_yet_inside_layers_closes_none_of_them() {
    every_world_with(
        |log| {
            let script = |recorder: Recorder| {
                recorder
                    .on(Callback::Data, |this| {
                        this.on_eof = OnEof::NotYet;
                        this.transport.pause_reading();
                        this.transport.write_eof();
                    })
                    .on(Callback::Eof, |this| {
                        this.transport.call_later(Duration::from_millis(1), |this: &mut Recorder| {
                            assert!(!this.transport.is_closing());
                            this.on_eof = OnEof::KeepWriting;
                            this.transport.resume_reading();
                        });
                    })
            };
            Box::new(tap("a", &Log::default(), throttle(1, recorder(&log, script))))
        },
        |peer| {
            peer.send("hi");
            peer.send_eof();
            peer.wait_for("not yet");
            peer.let_pass(Duration::from_millis(1));
            peer.expect(&["made", "data hi", "not yet", "eof", "lost Done", "dropped"]);
        },
    );
}
