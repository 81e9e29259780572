//! Timers, the life of a reactor, threads and datagram ports.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use reactor::DelayedCall;
use reactor::testing::{StringTransport, expect_panic};

use crate::support::datagrams::LOOPBACK;
use crate::support::{Log, Recorder, datagrams, every_reactor};

#[test]
fn s147_a_call_is_no_longer_active_while_it_runs() {
    every_reactor(|reactor| {
        let slot = Rc::new(RefCell::new(None::<DelayedCall>));
        let (own, inside) = (Rc::clone(&slot), reactor.clone());
        let call = reactor.call_later(Duration::ZERO, move || {
            let own = own.borrow();
            let own = own.as_ref().unwrap();
            assert!(!own.is_active() && !own.cancel() && !own.reset(Duration::ZERO) && own.due_at().is_none());
            inside.stop();
        });
        slot.replace(Some(call));
        reactor.run().unwrap();
    });
}

#[test]
fn s155_a_hook_that_panics_keeps_no_other_from_being_called_in_order() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            for name in ["one", "two", "three"] {
                let (before, after) = (log.clone(), log.clone());
                reactor.before_shutdown(async move || {
                    before.add(format!("before {name}"));
                    assert_ne!(name, "two", "oh hook");
                });
                reactor.after_shutdown(move || {
                    after.add(format!("after {name}"));
                    assert_ne!(name, "two", "oh hook");
                });
            }
            reactor.stop();
            reactor.run().unwrap();
            assert_eq!(
                log.lines(),
                ["before one", "before two", "before three", "after one", "after two", "after three"]
            );
        });
    });
}

#[test]
fn s161_a_hook_runs_once() {
    every_reactor(|reactor| {
        let count = Rc::new(Cell::new(0));
        let (before, after) = (Rc::clone(&count), Rc::clone(&count));
        reactor.before_shutdown(async move || before.set(before.get() + 1));
        reactor.after_shutdown(move || after.set(after.get() + 10));
        reactor.stop();
        reactor.stop();
        reactor.run().unwrap();
        assert!(reactor.run().is_err());
        assert_eq!(count.get(), 11);
    });
}

#[test]
fn s163_a_reactor_is_running_from_the_start_until_everything_is_closed() {
    every_reactor(|reactor| {
        let log = Log::default();
        let note = |when: &'static str| {
            let (log, reactor) = (log.clone(), reactor.clone());
            move || log.add(format!("{when}: {}", reactor.is_running()))
        };
        reactor.call_when_running(note("start"));
        let before = note("before the shutdown");
        reactor.before_shutdown(async move || before());
        let inside = reactor.clone();
        reactor.call_when_running(move || inside.stop());
        reactor.run().unwrap();
        note("at last")();
        assert_eq!(log.lines(), ["start: true", "before the shutdown: true", "at last: false"]);
    });
}

#[test]
fn s168_a_call_from_a_thread_is_made_in_a_later_step_even_from_the_loops_own_thread() {
    every_reactor(|reactor| {
        let log = Log::default();
        let (seen, inside) = (log.clone(), reactor.clone());
        reactor.call_when_running(move || {
            for number in 1..=2 {
                let (log, remote) = (seen.clone(), inside.remote());
                inside
                    .remote()
                    .call_from_thread(move |_| {
                        log.add(format!("call {number}"));
                        let inner = log.clone();
                        remote
                            .call_from_thread(move |reactor| {
                                inner.add(format!("asked for by {number}"));
                                if number == 2 {
                                    reactor.stop();
                                }
                            })
                            .unwrap();
                    })
                    .unwrap();
            }
            seen.add("asked");
        });
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["asked", "call 1", "call 2", "asked for by 1", "asked for by 2"]);
    });
}

#[test]
fn s175_a_datagram_port_is_bound_at_once_and_started_before_it_receives() {
    every_reactor(|reactor| {
        let log = Log::default();
        let port = datagrams::listen(&reactor, &log, |recorder| {
            recorder
                .on(datagrams::Moment::Received, |this| drop(this.transport.stop_listening()))
                .on(datagrams::Moment::Stop, |this| this.transport.reactor().stop())
        });
        let address = port.host().socket_addr().unwrap();
        assert_ne!(address.port(), 0);
        let taken = reactor.listen_udp(address, |_| -> datagrams::Recorder { unreachable!("nothing is built") });
        assert_eq!(taken.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        let sender = Log::default();
        reactor
            .listen_udp(LOOPBACK, |transport| {
                datagrams::Recorder::new(transport, sender.clone())
                    .on(datagrams::Moment::Start, move |this| this.transport.write("hi", address).unwrap())
            })
            .unwrap();
        assert_eq!(log.lines(), [""; 0]);
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["started", "received hi", "stopped", "dropped"]);
    });
}

#[test]
fn s272_a_clock_that_is_advanced_stops_at_each_due_time() {
    let log = Log::default();
    let mut wire = StringTransport::connect(|transport| Recorder::new(transport, Log::default()));
    let reactor = wire.reactor().clone();
    let start = reactor.now();
    for seconds in [3, 1, 2] {
        let (log, inside) = (log.clone(), reactor.clone());
        reactor.call_later(Duration::from_secs(seconds), move || {
            let now = inside.now() - start;
            log.add(format!("due at {seconds}, called at {}", now.as_secs()));
            let log = log.clone();
            inside.call_later(Duration::from_millis(500), move || log.add(format!("half a second behind {seconds}")));
        });
    }
    wire.advance(Duration::from_secs(10));
    assert_eq!(
        log.lines(),
        [
            "due at 1, called at 1",
            "half a second behind 1",
            "due at 2, called at 2",
            "half a second behind 2",
            "due at 3, called at 3",
            "half a second behind 3",
        ]
    );
}

#[test]
fn s273_a_string_transport_drives_the_real_machinery() {
    let log = Log::default();
    let seen = log.clone();
    let mut wire = StringTransport::connect(move |transport| Recorder::new(transport, seen.clone()));
    wire.transport().write("before");
    wire.transport().lose_connection();
    wire.transport().write("behind");
    wire.settle();
    assert_eq!(wire.take_written(), b"before");
    assert!(wire.eof_written() && !wire.was_reset());
    assert_eq!(log.lines(), ["made", "lost Done", "dropped"]);
}
