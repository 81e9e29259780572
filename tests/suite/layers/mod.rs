//! Policies around protocols: the same order and flow control at every level.

mod ending;
mod policies;
mod stacked;
mod written;

use std::cell::{Cell, RefCell};
use std::convert::identity;
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use reactor::layer::Policy;
use reactor::testing::StringTransport;
use reactor::{Factory, OnEof, Transport, layer};

use crate::support::{Callback, Ending, Log, Recorder, Starting, echo, every_world_with, recorder, tap, throttle};

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
    assert!(wire.close_reason().is_none());
    wire.advance(Duration::from_millis(2));
    assert_eq!(wire.take_written(), b"6789");
    assert!(wire.close_reason().unwrap().is_clean());
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
                            assert!(
                                this.transport.unsent_bytes() <= 4 * 65_536,
                                "{} unsent",
                                this.transport.unsent_bytes()
                            );
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
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn the_factory_inside_is_started_and_stopped_through_layers() {
    let log = Log::default();
    let seen = log.clone();
    crate::support::in_time(move || {
        let reactor = crate::support::test_reactor();
        let factory = tap("a", &Log::default(), throttle(9, Starting { log: seen, script: identity }));
        let port = reactor.listen_tcp("127.0.0.1:0", factory).unwrap();
        reactor.run_until(async move { port.stop_listening().await }).unwrap();
    });
    assert_eq!(log.lines(), ["start", "stop"]);
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
                            this.log.add(format!("unsent {}", this.transport.unsent_bytes()));
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

#[test]
fn what_is_deferred_when_a_layer_has_let_everything_out_waits_for_nothing_else() {
    /// Holds back the last byte until it is opened.
    struct Dam(Rc<Cell<bool>>);

    impl Policy for Dam {
        fn outgoing(&mut self, data: &[u8]) -> usize {
            if self.0.get() { data.len() } else { data.len() - 1 }
        }
    }

    let open = Rc::new(Cell::new(false));
    let dam = Rc::clone(&open);
    let inside = Rc::new(RefCell::new(None));
    let handle = Rc::clone(&inside);
    let mut wire = StringTransport::connect(layer::around(
        move |_| Dam(Rc::clone(&dam)),
        move |transport: Transport| {
            handle.replace(Some(transport.clone()));
            Recorder::new(transport, Log::default())
                .on(Callback::Made, |this| this.transport.write(vec![b'x'; 70_000]))
                .on(Callback::Resume, |this| {
                    this.transport.defer(ready(()), |this: &mut Recorder, ()| this.transport.write("done"));
                })
        },
    ));
    assert_eq!(wire.take_written().len(), 69_999);
    open.set(true);
    inside.borrow().as_ref().unwrap().write("y");
    wire.settle();
    assert_eq!(wire.written(), b"xydone");
}

/// Logs the callbacks of a policy, and how many bytes are offered to it.
struct Told {
    name: &'static str,
    log: Log,
}

impl Policy for Told {
    fn message_received(&mut self) {
        self.log.add(format!("{} message", self.name));
    }
    fn eof_received(&mut self) {
        self.log.add(format!("{} eof", self.name));
    }
    fn outgoing(&mut self, data: &[u8]) -> usize {
        self.log.add(format!("{} out {}", self.name, data.len()));
        data.len()
    }
}

fn told(name: &'static str, log: &Log, inside: impl Factory) -> impl Factory {
    let log = log.clone();
    layer::around(move |_| Told { name, log: log.clone() }, inside)
}

#[test]
fn every_policy_is_told_of_messages_that_the_protocol_inside_has_noted() {
    every_world_with(
        |log| {
            let script = |recorder: Recorder| {
                recorder
                    .on(Callback::Data, |this| {
                        this.transport.note_message();
                        this.timer(Duration::from_millis(1), "noting");
                    })
                    .on(Callback::Timer, |this| {
                        this.transport.note_message();
                        this.deferred();
                    })
                    .on(Callback::Deferred, |this| this.transport.lose_connection())
            };
            Box::new(told("a", &log, throttle(9, told("b", &log, recorder(&log, script)))))
        },
        |peer| {
            peer.send("hi");
            peer.let_pass(Duration::from_millis(1));
            peer.wait_for("dropped");
            assert_eq!(peer.log.lines()[..4], ["made", "data hi", "b message", "a message"]);
            assert_eq!((peer.log.count("a message"), peer.log.count("b message")), (2, 2));
        },
    );
}

#[test]
fn a_policy_is_told_of_the_end_once_though_it_is_not_dealt_with_yet() {
    every_world_with(
        |log| {
            let script = |mut recorder: Recorder| {
                recorder.on_eof = OnEof::NotYet;
                recorder.on(Callback::Eof, |this| drop(this.timer(Duration::from_millis(1), "turn"))).on(
                    Callback::Timer,
                    |this| {
                        if this.log.count("not yet") == 3 {
                            this.transport.lose_connection();
                        }
                    },
                )
            };
            Box::new(told("a", &log, told("b", &log, recorder(&log, script))))
        },
        |peer| {
            peer.send_eof();
            peer.let_pass(Duration::from_millis(9));
            peer.wait_for("dropped");
            assert_eq!((peer.log.count("a eof"), peer.log.count("b eof")), (1, 1));
            assert_eq!(peer.log.lines()[1..3], ["a eof", "b eof"]);
        },
    );
}

#[test]
fn a_policy_is_offered_what_can_leave_at_once_and_sees_no_byte_twice() {
    let log = Log::default();
    let writing =
        |recorder: Recorder| recorder.on(Callback::Made, |this| this.transport.write_bytes(vec![b'x'; 200_000].into()));
    let mut wire = StringTransport::connect(told("a", &log, recorder(&Log::default(), writing)));
    assert_eq!(wire.take_written().len(), 200_000);
    let offered: Vec<usize> = log.lines().iter().map(|line| line["a out ".len()..].parse().unwrap()).collect();
    assert!(offered.iter().all(|bytes| *bytes <= 65_536), "{offered:?}");
    assert_eq!(offered.iter().sum::<usize>(), 200_000);
}

#[test]
fn a_policy_that_is_none_refuses_and_nothing_is_built_inside() {
    let (policies, built) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let (made, inside) = (Rc::clone(&policies), Rc::clone(&built));
    let mut factory = layer::around(
        move |_| {
            made.set(made.get() + 1);
            None::<Told>
        },
        move |transport: Transport| {
            inside.set(inside.get() + 1);
            Recorder::new(transport, Log::default())
        },
    );
    let wire = StringTransport::connect(|transport: Transport| Recorder::new(transport, Log::default()));
    assert!(factory.build_protocol(wire.transport().clone()).is_none());
    assert_eq!((policies.get(), built.get()), (1, 0));
}
