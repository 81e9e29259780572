//! Policies around protocols: the same order, closing and flow control at every level.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reactor::CloseReason;
use reactor::Factory;
use reactor::Policy;
use reactor::Protocol;
use reactor::Transport;
use reactor::layer;
use reactor::testing::StringTransport;

use crate::support::Callback;
use crate::support::Ending;
use crate::support::Log;
use crate::support::Recorder;
use crate::support::every_world_with;
use crate::support::on_sockets_with;

/// More than a loopback connection's buffers take.
const HUGE: usize = 32 << 20;

/// Logs what passes, under a name, and panics where it is told to.
struct Tap {
    name: &'static str,
    log: Log,
    panics_at: &'static str,
}

impl Tap {
    fn note(&self, what: &str) {
        self.log.add(format!("{} {what}", self.name));
        assert_ne!(self.panics_at, what, "as told");
    }
}

impl Policy for Tap {
    fn connection_made(&mut self) {
        self.note("made");
    }
    fn incoming(&mut self, data: &[u8]) {
        self.note(&format!("in {}", String::from_utf8_lossy(data)));
    }
    fn outgoing(&mut self, data: &[u8]) -> usize {
        self.note(&format!("out {}", String::from_utf8_lossy(data)));
        data.len()
    }
    fn connection_lost(&mut self, _reason: &CloseReason) {
        self.note("lost");
    }
}

fn tap(name: &'static str, log: &Log, inside: impl Factory) -> impl Factory {
    panicking_tap(name, "", log, inside)
}

fn panicking_tap(name: &'static str, panics_at: &'static str, log: &Log, inside: impl Factory) -> impl Factory {
    let log = log.clone();
    layer(move |_| Tap { name, log: log.clone(), panics_at }, inside)
}

/// Lets a number of bytes out in a millisecond.
struct Throttle {
    outer: Transport,
    rate: usize,
    left: usize,
    waiting: bool,
}

impl Policy for Throttle {
    fn outgoing(&mut self, data: &[u8]) -> usize {
        let allowed = data.len().min(self.left);
        self.left -= allowed;
        if allowed < data.len() && !std::mem::replace(&mut self.waiting, true) {
            self.outer.call_later(Duration::from_millis(1), |this: &mut Self| {
                this.waiting = false;
                this.left = this.rate;
            });
        }
        allowed
    }
}

fn throttle(rate: usize, inside: impl Factory) -> impl Factory {
    layer(move |outer| Throttle { outer, rate, left: rate, waiting: false }, inside)
}

fn recorder(log: &Log, script: impl Fn(Recorder) -> Recorder + 'static) -> impl FnMut(Transport) -> Recorder + 'static {
    let log = log.clone();
    move |transport| script(Recorder::new(transport, log.clone()))
}

fn echo(recorder: Recorder) -> Recorder {
    recorder.on(Callback::Data, |this| {
        let data = std::mem::take(&mut this.data);
        this.transport.write(&data);
    })
}

#[test]
fn two_layers_of_one_type_and_a_third_see_everything_in_order() {
    every_world_with(
        |log| Box::new(tap("a", &log, tap("b", &log, throttle(1 << 20, tap("c", &log, recorder(&log, echo)))))),
        |peer| {
            peer.send("hi");
            assert_eq!(peer.read(2), b"hi");
            peer.send_eof();
            peer.wait_for("dropped");
            assert_eq!(
                peer.log.lines(),
                [
                    "a made",
                    "b made",
                    "c made",
                    "made",
                    "a in hi",
                    "b in hi",
                    "c in hi",
                    "data hi",
                    "c out hi",
                    "b out hi",
                    "a out hi",
                    "eof",
                    "a lost",
                    "b lost",
                    "c lost",
                    "lost Done",
                    "dropped"
                ]
            );
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn a_layers_protocol_finds_itself_and_the_policy_finds_itself() {
    every_world_with(
        |log| {
            Box::new(throttle(
                2,
                recorder(&log, |recorder| {
                    recorder
                        .on(Callback::Data, |this| {
                            this.transport.write("abcdefgh");
                            this.deferred();
                            this.timer(Duration::from_millis(20), "inner");
                        })
                        .on(Callback::Timer, |this| this.transport.lose_connection())
                }),
            ))
        },
        |peer| {
            peer.send("go");
            peer.let_pass(Duration::from_millis(20));
            assert_eq!(peer.read_to_the_end(), (b"abcdefgh".to_vec(), Ending::Clean));
            peer.expect(&["made", "data go", "deferred", "timer inner", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn a_throttle_lets_out_what_it_allows_and_no_more() {
    let mut wire = StringTransport::connect(throttle(3, recorder(&Log::default(), echo)));
    wire.receive("0123456789");
    assert_eq!(wire.take_written(), b"012");
    wire.advance(Duration::from_millis(1));
    assert_eq!(wire.take_written(), b"345");
    wire.receive_eof();
    assert_eq!(wire.take_written(), b"");
    assert!(wire.closed().is_none());
    wire.advance(Duration::from_millis(2));
    assert_eq!(wire.take_written(), b"6789");
    assert!(wire.closed().unwrap().is_clean());
}

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
    }
    impl Policy for Closer {
        fn incoming(&mut self, data: &[u8]) {
            if data.ends_with(b"close") {
                self.outer.lose_connection();
            }
        }
    }
    every_world_with(
        |log| {
            let inside = recorder(&log, |recorder| {
                recorder
                    .on(Callback::Data, |this| {
                        assert_eq!(this.data, b"go", "nothing is delivered once it is closing");
                        this.transport.write(vec![b'x'; 200]);
                        this.timer(Duration::from_millis(2), "later");
                    })
                    .on(Callback::Timer, |this| {
                        assert!(this.transport.is_closing(), "the protocol inside sees that its connection is closing");
                        this.transport.write("too late");
                    })
            });
            Box::new(layer(|outer| Closer { outer }, throttle(10, tap("inner", &log, throttle(1000, inside)))))
        },
        |peer| {
            peer.send("go");
            peer.wait_for("data go");
            peer.send("and close");
            peer.let_pass(Duration::from_millis(30));
            assert_eq!(peer.read_to_the_end(), (vec![b'x'; 200], Ending::Clean));
            peer.wait_for("lost Done");
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
            let (data, ending) = peer.read_to_the_end();
            assert_eq!((data.len(), ending), (HUGE, Ending::Clean));
            peer.wait_for("lost Done");
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
}

#[test]
fn a_panic_of_the_protocol_inside_ends_all_layers_with_its_message() {
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
                            recorder.on(callback, move |_| panic!("oh {callback:?}")).on(Callback::Data, move |this| {
                                this.timer(Duration::ZERO, "t");
                                this.deferred();
                                if callback == Callback::Pause || callback == Callback::Resume {
                                    this.transport.write(vec![b'\n'; 100_000]);
                                }
                            })
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
                assert_eq!(peer.log.count(&format!("lost Panicked(oh {callback:?})")), 1, "{:#?}", peer.log.lines());
            },
        );
    }
}

#[test]
fn failures_inside_and_outside_reach_both_with_their_reason() {
    let fail: [(fn(&Transport), &str); 4] = [
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
fn flow_control_holds_through_layers() {
    every_world_with(
        |log| {
            Box::new(tap(
                "a",
                &Log::default(),
                throttle(
                    usize::MAX,
                    recorder(&log, |recorder| {
                        recorder.without_data().on(Callback::Data, |this| {
                            let data = std::mem::take(&mut this.data);
                            this.transport.write(&data);
                            assert!(this.transport.unsent() <= 4 * 65_536, "{} unsent", this.transport.unsent());
                        })
                    }),
                ),
            ))
        },
        |peer| {
            if peer.is_socket() {
                return; // the peer here both sends and reads on one thread
            }
            peer.stop_reading();
            for _ in 0..100 {
                peer.send(vec![b'x'; 65_536]);
            }
            assert_eq!(peer.read(100 * 65_536), vec![b'x'; 100 * 65_536]);
            assert_eq!(peer.log.count("resume"), peer.log.count("pause"));
        },
    );
}

#[test]
fn what_is_asked_for_in_any_callback_inside_a_layer_is_done_without_another_event() {
    for callback in [Callback::Made, Callback::Data, Callback::Pause, Callback::Resume, Callback::Timer] {
        every_world_with(
            move |log| {
                Box::new(tap(
                    "a",
                    &Log::default(),
                    throttle(
                        40_000,
                        recorder(&log, move |recorder| {
                            recorder.on(callback, |this| this.deferred()).on(Callback::Data, |this| {
                                this.transport.write(vec![b'x'; 100_000]);
                                this.timer(Duration::ZERO, "t");
                            })
                        }),
                    ),
                ))
            },
            |peer| {
                peer.send("go");
                peer.let_pass(Duration::from_millis(5));
                peer.read(100_000);
                peer.wait_for("deferred");
            },
        );
    }
}

#[test]
fn reading_paused_inside_holds_all_layers_and_is_resumed_from_outside_of_them() {
    let inner = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&inner);
    let log = Log::default();
    let mut factory = recorder(&log, |recorder| recorder);
    let mut wire = StringTransport::connect(tap(
        "a",
        &Log::default(),
        throttle(9, move |transport: Transport| {
            kept.replace(Some(transport.clone()));
            factory(transport)
        }),
    ));
    let inner = inner.borrow().clone().unwrap();
    inner.pause_reading();
    wire.receive("one");
    wire.receive("two");
    assert_eq!(log.received(), b"");
    inner.resume_reading();
    wire.settle();
    assert_eq!(log.received(), b"onetwo");
    inner.pause_reading();
    wire.receive_eof();
    assert!(log.has("eof"), "an end with nothing unread before it is told at once");
    wire.settle();
    assert!(wire.closed().unwrap().is_clean());
}

#[test]
fn the_factory_inside_is_started_and_stopped_through_layers() {
    struct Counting(Log);
    impl Factory for Counting {
        fn start_factory(&mut self) {
            self.0.add("start");
        }
        fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
            Some(Box::new(Recorder::new(transport, self.0.clone())))
        }
        fn stop_factory(&mut self) {
            self.0.add("stop");
        }
    }
    let log = Log::default();
    let seen = log.clone();
    crate::support::in_time(move || {
        let reactor = crate::support::test_reactor();
        let factory = tap("a", &Log::default(), throttle(9, Counting(seen)));
        let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap();
        reactor.run_until(async move { port.stop_listening().await }).unwrap();
    });
    assert_eq!(log.lines(), ["start", "stop"]);
}

#[test]
fn a_refusal_passes_through_layers_and_leaves_no_handle_alive() {
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
        assert_eq!(transport.unsent(), 0);
    }
    assert_eq!(outside.reactor().pending_calls(), 0);
}

#[test]
fn the_output_limit_counts_inside_and_a_policys_own_limit_does_not_matter() {
    every_world_with(
        |log| {
            Box::new(throttle(
                1,
                recorder(&log, |recorder| {
                    recorder.on(Callback::Made, |this| this.transport.set_output_limit(1000)).on(
                        Callback::Data,
                        |this| {
                            this.transport.write(vec![b'x'; 600]);
                            this.transport.write(vec![b'x'; 400]);
                            this.log.add(format!("unsent {}", this.transport.unsent()));
                            assert!(!this.transport.is_closing());
                            this.transport.write("x");
                            assert!(this.transport.is_closing());
                        },
                    )
                }),
            ))
        },
        |peer| {
            peer.send("go");
            peer.expect(&["made", "data go", "unsent 1000", "lost Overflow", "dropped"]);
        },
    );
}
