//! Timed calls: order, handles, and the protocols that they reach.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reactor::layer::Policy;
use reactor::testing::{StringTransport, expect_panic};
use reactor::{DelayedCall, Factory, Protocol, Transport, layer};

use crate::support::{
    Callback, Guard, Log, Peer, Recorder, every_world, every_world_with, in_memory, in_memory_with, on_sockets,
    on_sockets_with,
};

#[test]
fn s146_equal_deadlines_keep_their_order_across_the_reactor_and_connections() {
    // A policy and the protocol inside are two connections of one reactor.
    for on_sockets in [false, true] {
        let factory = |log: Log| -> Box<dyn Factory> {
            let ask = {
                let log = log.clone();
                move |outer: &Transport, inner: &Transport| {
                    for round in 0..5 {
                        let delay = Duration::from_millis(3);
                        let (a, b, c) = (log.clone(), log.clone(), log.clone());
                        outer.reactor().call_later(delay, move || a.add(format!("reactor {round}")));
                        outer.call_later(delay, move |_: &mut Quiet| b.add(format!("policy {round}")));
                        inner.call_later(delay, move |_: &mut Recorder| c.add(format!("protocol {round}")));
                    }
                }
            };
            let outer = Rc::new(RefCell::new(None));
            let kept = Rc::clone(&outer);
            Box::new(layer::around(
                move |transport| {
                    kept.replace(Some(transport));
                    Quiet
                },
                move |inner: Transport| {
                    let (ask, outer) = (ask.clone(), Rc::clone(&outer));
                    Recorder::new(inner, log.clone()).on(Callback::Data, move |this| {
                        ask(outer.borrow().as_ref().unwrap(), &this.transport);
                    })
                },
            ))
        };
        let play = |peer: &mut Peer| {
            peer.send("go");
            peer.let_pass(Duration::from_millis(3));
            peer.wait_for("protocol 4");
            let lines = peer.log.lines();
            let expected: Vec<_> =
                (0..5).flat_map(|n| [format!("reactor {n}"), format!("policy {n}"), format!("protocol {n}")]).collect();
            assert_eq!(lines[2..], expected);
        };
        if on_sockets { on_sockets_with(factory, play) } else { in_memory_with(factory, play) }
    }
}

struct Quiet;
impl Policy for Quiet {}

#[test]
fn s148_handles_of_live_and_dead_calls_answer_truly() {
    let wire = StringTransport::connect(|transport| Recorder::new(transport, Log::default()));
    let reactor = wire.reactor().clone();
    let mut wire = wire;
    let log = Log::default();
    let call = |name: &'static str, delay: u64| {
        let log = log.clone();
        reactor.call_later(Duration::from_secs(delay), move || log.add(name))
    };
    let (a, b, c, d) = (call("a", 10), call("b", 10), call("c", 10), call("d", 10));
    assert_eq!(reactor.pending_call_count(), 4);
    assert_eq!(a.due_at().unwrap(), reactor.now() + Duration::from_secs(10));
    assert!(b.cancel() && !b.cancel() && !b.is_active());
    assert!(!b.reset(Duration::ZERO) && !b.delay(Duration::ZERO) && b.due_at().is_none());
    assert!(c.reset(Duration::from_secs(5)));
    assert!(d.delay(Duration::from_secs(5)));
    assert!(a.reset(Duration::from_secs(10)));
    wire.advance(Duration::from_secs(5));
    assert_eq!(log.lines(), ["c"]);
    wire.advance(Duration::from_secs(5));
    assert_eq!(log.lines(), ["c", "a"]);
    assert!(!a.is_active() && !a.cancel() && !a.reset(Duration::ZERO) && !a.delay(Duration::ZERO));
    // A new call may take the old one's place inside; the old handle must not find it.
    let e = call("e", 1);
    assert!(!a.cancel() && e.is_active());
    wire.advance(Duration::from_secs(5));
    assert_eq!(log.lines(), ["c", "a", "e", "d"]);
    assert_eq!(reactor.pending_call_count(), 0);
}

#[test]
fn s149_a_call_that_is_moved_goes_behind_those_due_at_the_same_time() {
    let mut wire = StringTransport::connect(|transport| Recorder::new(transport, Log::default()));
    let log = Log::default();
    let call = |name: &'static str| {
        let log = log.clone();
        wire.reactor().call_later(Duration::from_secs(1), move || log.add(name))
    };
    let (a, _b, _c) = (call("a"), call("b"), call("c"));
    assert!(a.reset(Duration::from_secs(1)));
    wire.advance(Duration::from_secs(1));
    assert_eq!(log.lines(), ["b", "c", "a"]);
}

#[test]
fn s145_a_call_is_over_while_it_runs_and_one_it_asks_for_waits_for_the_next_pass() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                let itself = Rc::new(RefCell::new(None::<DelayedCall>));
                let (inside, log) = (Rc::clone(&itself), this.log.clone());
                let reactor = this.transport.reactor();
                let again = reactor.clone();
                let call = reactor.call_later(Duration::ZERO, move || {
                    let call = inside.take().unwrap();
                    log.add(format!("first {} {}", call.is_active(), call.cancel()));
                    let log = log.clone();
                    again.call_later(Duration::ZERO, move || log.add("asked for by the first"));
                });
                itself.replace(Some(call));
                let log = this.log.clone();
                reactor.call_later(Duration::ZERO, move || log.add("second"));
            })
        },
        |peer| {
            peer.send("go");
            peer.let_pass(Duration::from_micros(10));
            peer.wait_for("asked");
            assert_eq!(peer.log.lines()[2..], ["first false false", "second", "asked for by the first"]);
        },
    );
}

#[test]
fn a_chain_of_calls_without_delay_starves_nobody_and_does_not_stop_the_time() {
    let script = |recorder: Recorder| {
        recorder
            .on(Callback::Timer, |this| {
                if !this.log.has("data stop") {
                    this.timer(Duration::ZERO, "chain");
                }
            })
            .on(Callback::Made, |this| drop(this.timer(Duration::ZERO, "chain")))
    };
    let play = |peer: &mut Peer| {
        peer.let_pass(Duration::from_micros(100));
        peer.wait_for("timer chain");
        peer.send("stop");
        peer.wait_for("data stop");
    };
    in_memory(script, play);
    on_sockets(script, play);
}

#[test]
fn s027_a_panic_in_a_call_of_the_reactors_is_contained() {
    expect_panic("oh", || {
        every_world(
            |recorder| {
                recorder.on(Callback::Data, |this| {
                    let log = this.log.clone();
                    this.transport.reactor().call_later(Duration::ZERO, || panic!("oh call"));
                    this.transport.reactor().call_later(Duration::ZERO, move || log.add("next"));
                })
            },
            |peer| {
                peer.send("go");
                peer.let_pass(Duration::ZERO);
                peer.wait_for("next");
                assert!(!peer.log.has("lost"));
            },
        );
    });
}

#[test]
fn a_delay_too_long_for_the_clock_is_just_long() {
    let wire = StringTransport::connect(|transport| Recorder::new(transport, Log::default()));
    let call = wire.reactor().call_later(Duration::MAX, || ());
    assert!(call.is_active() && call.delay(Duration::MAX) && call.reset(Duration::MAX) && call.cancel());
}

#[test]
fn a_call_of_the_wrong_type_panics_at_the_line_that_asked_for_it_and_names_both() {
    struct Wrong;
    let asked: [fn(&Transport); 2] = [
        |transport| drop(transport.call_later(Duration::ZERO, |_: &mut Wrong| ())), // this line
        |transport| drop(transport.defer(std::future::ready(()), |_: &mut Wrong, ()| ())), // and this
    ];
    let first_line = line!() - 3;
    for (ask, line) in asked.into_iter().zip(first_line..) {
        expect_panic("Wrong`", || {
            every_world(
                move |recorder| {
                    recorder.on(Callback::Data, move |this| {
                        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ask(&this.transport)));
                        this.log.add(format!("at {}", last_panic()));
                        std::panic::resume_unwind(panic.unwrap_err());
                    })
                },
                |peer| {
                    note_panics();
                    peer.send("go");
                    peer.wait_for("dropped");
                    let lost = peer.log.lines().into_iter().find(|line| line.starts_with("lost")).unwrap();
                    assert!(lost.contains("::Wrong`") && lost.contains("::Recorder`"), "{lost}");
                    assert!(
                        peer.log.has(&format!("at tests/suite/reactor/timers.rs:{line}")),
                        "{:#?}",
                        peer.log.lines()
                    );
                },
            )
        });
    }
}

#[test]
fn a_call_of_the_wrong_type_in_a_factory_panics_when_due_and_says_where_it_was_asked_for() {
    expect_panic("Wrong`", || {
        struct Wrong;
        let line = line!() + 4;
        every_world_with(
            |log| {
                Box::new(move |transport: Transport| {
                    transport.call_later(Duration::from_millis(1), |_: &mut Wrong| ());
                    Recorder::new(transport, log.clone())
                })
            },
            |peer| {
                peer.let_pass(Duration::from_millis(1));
                peer.wait_for("dropped");
                let lost = peer.log.lines().into_iter().find(|line| line.starts_with("lost")).unwrap();
                assert!(lost.contains("::Wrong`") && lost.contains("::Recorder`"), "{lost}");
                assert!(lost.contains(&format!("tests/suite/reactor/timers.rs:{line}:")), "{lost} not at {line}");
            },
        );
    });
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Where this thread panicked last.
fn last_panic() -> String {
    LAST_PANIC.with_borrow(String::clone)
}

fn note_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            LAST_PANIC.with_borrow_mut(|last| *last = place);
            before(info);
        }));
    });
}

#[test]
fn a_call_of_the_right_type_in_a_factory_finds_the_protocol() {
    every_world_with(
        |log| {
            Box::new(move |transport: Transport| {
                transport.call_later(Duration::from_millis(1), |this: &mut Recorder| this.log.add("found"));
                transport.defer(std::future::ready(7), |this: &mut Recorder, n| this.log.add(format!("future {n}")));
                Recorder::new(transport, log.clone())
            })
        },
        |peer| {
            peer.let_pass(Duration::from_millis(1));
            peer.wait_for("found");
            peer.wait_for("future 7");
            // Nothing says which of the two comes first.
            assert_eq!(peer.log.lines().len(), 3);
        },
    );
}

/// An adapter with a handler inside it.
struct Adapter {
    handler: Inside,
}

struct Inside(Log);

impl Protocol for Adapter {
    fn data_received(&mut self, _data: &[u8]) {}
    fn handler(&mut self) -> Option<&mut dyn std::any::Any> {
        Some(&mut self.handler)
    }
}

#[test]
fn calls_find_the_handler_inside_the_protocol_and_the_protocol_itself() {
    every_world_with(
        |log| {
            Box::new(move |transport: Transport| {
                transport.call_later(Duration::ZERO, |this: &mut Inside| this.0.add("handler"));
                transport.call_later(Duration::ZERO, |this: &mut Adapter| this.handler.0.add("adapter"));
                Adapter { handler: Inside(log.clone()) }
            })
        },
        |peer| {
            peer.let_pass(Duration::ZERO);
            peer.wait_for("adapter");
            peer.act(|transport| {
                transport.call_later(Duration::ZERO, |this: &mut Inside| this.0.add("later"));
            });
            peer.let_pass(Duration::ZERO);
            peer.wait_for("later");
            assert_eq!(peer.log.lines(), ["handler", "adapter", "later"]);
        },
    );
}

#[test]
fn cancelled_deferred_calls_are_forgotten() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                let call =
                    this.transport.defer(std::future::ready(()), |this: &mut Recorder, ()| this.log.add("never"));
                assert!(call.is_active() && call.cancel() && !call.cancel() && !call.is_active());
                let log = this.log.clone();
                let guard = Guard::new(&log, "guard gone");
                let future = async move {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                };
                let call = this.transport.defer(future, |_: &mut Recorder, ()| ());
                this.transport.call_later(Duration::from_millis(1), move |_: &mut Recorder| {
                    assert!(call.cancel());
                });
            })
        },
        |peer| {
            peer.send("go");
            peer.let_pass(Duration::from_millis(1));
            peer.wait_for("guard gone");
            assert!(!peer.log.has("never") && !peer.log.has("lost"));
        },
    );
}
