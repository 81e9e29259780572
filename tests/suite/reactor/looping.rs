//! Repeated calls, and delays in futures.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use reactor::task::{LoopingCall, Tick};
use reactor::testing::{Simulation, StringTransport, expect_panic};
use reactor::{CloseReason, Protocol, Reactor, Transport};

use crate::support::Times;

const SECOND: Duration = Duration::from_secs(1);

/// A loop on a reactor of its own, which does this in each call after having noted the time.
fn looping(
    interval: Duration,
    mut call: impl FnMut(&Reactor, Tick) + 'static,
) -> (Simulation, Reactor, LoopingCall, Times) {
    let sim = Simulation::new(0);
    let reactor = sim.host("here");
    let times = Times::default();
    let (noted, here, start) = (times.clone(), reactor.clone(), reactor.now());
    let looping = reactor.call_every(interval, move |tick| {
        noted.note(start, &here);
        call(&here, tick);
    });
    (sim, reactor, looping, times)
}

fn is_ready(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn s267_the_calls_stay_on_the_grid_and_what_was_missed_is_left_out_and_counted() {
    let slow = Rc::new(Cell::new(true));
    let counts = Rc::new(RefCell::new(Vec::new()));
    let (counted, was_slow) = (Rc::clone(&counts), Rc::clone(&slow));
    // The second call takes two and a half seconds.
    let (sim, _reactor, _looping, times) = looping(SECOND, move |reactor, tick| {
        counted.borrow_mut().push(tick.count());
        if counted.borrow().len() == 2 && was_slow.take() {
            let work = reactor.sleep(SECOND * 5 / 2);
            reactor.spawn(async move {
                work.await;
                drop(tick);
            });
        }
    });
    sim.run_for(SECOND * 7);
    assert_eq!(times.take(), [1000, 2000, 5000, 6000, 7000]);
    assert_eq!(*counts.borrow(), [1, 1, 3, 1, 1]);
}

#[test]
fn s266_the_first_call_may_come_at_once_and_the_grid_stays() {
    let counts = Rc::new(RefCell::new(Vec::new()));
    let counted = Rc::clone(&counts);
    let (sim, _reactor, looping, times) = looping(SECOND, move |_, tick| counted.borrow_mut().push(tick.count()));
    let again = looping.now();
    sim.run_for(SECOND * 5 / 2);
    again.now();
    sim.run_for(SECOND);
    assert_eq!(times.take(), [0, 1000, 2000, 3000]);
    assert_eq!(*counts.borrow(), [1, 1, 1, 1]);
    assert!(looping.stop() && !looping.now().is_active());
}

#[test]
fn s268_a_call_is_told_how_many_ticks_have_passed() {
    let counts = Rc::new(RefCell::new(Vec::new()));
    let counted = Rc::clone(&counts);
    // Each call takes as long as its number says.
    let (sim, ..) = looping(SECOND, move |reactor, tick| {
        counted.borrow_mut().push(tick.count());
        let work = reactor.sleep(SECOND * counted.borrow().len() as u32 - SECOND / 2);
        reactor.spawn(async move {
            work.await;
            drop(tick);
        });
    });
    sim.run_for(SECOND * 12);
    assert_eq!(*counts.borrow(), [1, 1, 2, 3, 4]);
}

#[test]
fn a_call_comes_on_the_grid_also_when_the_clock_has_stood_still() {
    let mut wire = StringTransport::connect(|transport| Beating { transport, beats: 0 });
    let reactor = wire.reactor().clone();
    let times = Times::default();
    let (noted, here, start) = (times.clone(), reactor.clone(), reactor.now());
    reactor.call_every(SECOND * 3, move |_| noted.note(start, &here));
    for _ in 0..10 {
        wire.advance(Duration::from_millis(700));
    }
    assert_eq!(times.take(), [3000, 6000]);
}

#[test]
fn s267_calls_never_overlap_while_the_asynchronous_work_of_one_goes_on() {
    let running = Rc::new(Cell::new(0));
    let now_running = Rc::clone(&running);
    let (sim, _reactor, _looping, times) = looping(SECOND, move |reactor, tick| {
        assert_eq!(now_running.replace(1), 0);
        let (work, running) = (reactor.sleep(SECOND * 3 / 2), Rc::clone(&now_running));
        reactor.spawn(async move {
            work.await;
            running.set(0);
            drop(tick);
        });
    });
    sim.run_for(SECOND * 8);
    assert_eq!(times.take(), [1000, 3000, 5000, 7000]);
}

#[test]
fn s269_an_interval_of_zero_is_as_often_as_the_reactor_turns_and_keeps_nothing_else_out() {
    let (sim, reactor, looping, times) = looping(Duration::ZERO, |_, tick| assert_eq!(tick.count(), 1));
    let other = Rc::new(Cell::new(false));
    let called = Rc::clone(&other);
    reactor.call_later(Duration::from_millis(5), move || called.set(true));
    sim.run_for(Duration::from_millis(10));
    assert!(other.get());
    assert!(times.take().len() >= 1000);
    assert!(looping.stop());
    sim.run_until_quiet(SECOND);
    assert!(times.take().is_empty());
}

#[test]
fn s266_a_stopped_loop_is_over_at_once_and_drops_what_its_function_owns() {
    let owned = Rc::new(());
    let seen = Rc::downgrade(&owned);
    let (sim, reactor, looping, times) = looping(SECOND, move |_, _| {
        let _ = &owned;
    });
    sim.run_for(SECOND);
    let finished = looping.finished();
    assert!(looping.is_active() && !is_ready(looping.finished()));
    assert!(looping.stop());
    assert!(!looping.stop() && !looping.reset() && !looping.is_active());
    assert_eq!((seen.strong_count(), reactor.pending_call_count()), (0, 0));
    assert!(is_ready(finished));
    sim.run_for(SECOND * 5);
    assert_eq!(times.take(), [1000]);
}

#[test]
fn s269_a_loop_that_is_stopped_while_its_work_goes_on_is_finished_when_that_is() {
    let (sim, reactor, looping, times) = looping(SECOND, |reactor, tick| {
        let work = reactor.sleep(SECOND * 2);
        reactor.spawn(async move {
            work.await;
            drop(tick);
        });
    });
    let finished = Rc::new(Cell::new(None));
    let (when, here, start) = (Rc::clone(&finished), reactor.clone(), reactor.now());
    let end = looping.finished();
    reactor.spawn(async move {
        end.await;
        when.set(Some(here.now() - start));
    });
    sim.run_for(SECOND * 2);
    assert!(looping.stop());
    sim.run_for(SECOND / 2);
    assert_eq!(finished.get(), None);
    sim.run_for(SECOND * 5);
    assert_eq!(finished.get().map(|time| time.as_secs()), Some(3));
    assert_eq!(times.take(), [1000]);
}

#[test]
fn a_call_can_stop_its_own_loop() {
    let (sim, reactor, looping, times) = looping(SECOND, |_, tick| tick.stop());
    sim.run_for(SECOND * 5);
    assert_eq!(times.take(), [1000]);
    assert!(!looping.is_active() && is_ready(looping.finished()));
    assert_eq!(reactor.pending_call_count(), 0);
}

#[test]
fn s269_a_reset_begins_a_new_grid() {
    let (sim, _reactor, looping, times) = looping(SECOND, |_, tick| assert_eq!(tick.count(), 1));
    sim.run_for(Duration::from_millis(1700));
    assert!(looping.reset());
    sim.run_for(SECOND * 2);
    assert_eq!(times.take(), [1000, 2700, 3700]);
}

#[test]
fn a_reset_while_the_work_of_a_call_goes_on_counts_from_the_reset() {
    let held = Rc::new(RefCell::new(None));
    let holds = Rc::clone(&held);
    let (sim, _reactor, looping, times) = looping(SECOND, move |_, tick| drop(holds.replace(Some(tick))));
    sim.run_for(Duration::from_millis(1200));
    assert!(looping.reset());
    sim.run_for(Duration::from_millis(100));
    held.take();
    sim.run_for(SECOND);
    assert_eq!(times.take(), [1000, 2200]);
    held.take();
}

#[test]
fn s266_a_panic_in_a_call_ends_its_loop_and_nothing_else() {
    let (sim, reactor, looping, times) = looping(SECOND, |_, _| panic!("as a test wants it"));
    let finished = looping.finished();
    let other = Rc::new(Cell::new(0));
    let called = Rc::clone(&other);
    reactor.call_every(SECOND, move |_| called.set(called.get() + 1));
    expect_panic("as a test wants it", || sim.run_for(SECOND * 3));
    assert_eq!((times.take(), other.get()), (vec![1000], 3));
    assert!(!looping.is_active() && is_ready(finished));
}

#[test]
fn a_loop_ends_with_its_reactor() {
    let (sim, reactor, looping, _times) = looping(SECOND, |_, _| {});
    reactor.stop();
    sim.run_for(SECOND * 3);
    assert!(!looping.is_active() && is_ready(looping.finished()));
}

/// Beats every ten seconds.
struct Beating {
    transport: Transport,
    beats: u64,
}

impl Beating {
    fn new(transport: Transport) -> Self {
        transport.call_every(SECOND * 10, |this: &mut Self, tick| {
            this.beats += tick.count();
            this.transport.write("♥");
        });
        Self { transport, beats: 0 }
    }
}

impl Protocol for Beating {
    fn data_received(&mut self, data: &[u8]) {
        assert_ne!(data, b"panic", "as a test wants it");
        if data == b"bye" {
            self.transport.lose_connection();
        }
    }
}

#[test]
fn a_heartbeat_can_be_asked_for_in_the_factory_and_ends_with_its_connection() {
    let mut wire = StringTransport::connect(Beating::new);
    wire.advance(SECOND * 25);
    assert_eq!(wire.protocol::<Beating>().beats, 2);
    let second = wire.transport().call_every(SECOND, |_: &mut Beating, _| {});
    wire.receive("bye");
    assert!(wire.close_reason().is_some_and(|reason| reason.is_clean()));
    assert!(!second.is_active() && is_ready(second.finished()));
    wire.advance(SECOND * 60);
    assert_eq!((wire.written(), wire.reactor().pending_call_count()), ("♥♥".as_bytes(), 0));
    let late = wire.transport().call_every(SECOND, |_: &mut Beating, _| {});
    assert!(!late.is_active(), "a loop of a connection that has ended never begins");
}

#[test]
fn a_loop_whose_asynchronous_work_is_dropped_with_its_connection_ends_with_it() {
    let mut wire = StringTransport::connect(Beating::new);
    let looping = wire.transport().call_every(SECOND, |this: &mut Beating, tick| {
        let for_ever = std::future::pending::<()>();
        this.transport.defer(for_ever, move |_: &mut Beating, ()| drop(tick));
    });
    wire.advance(SECOND * 5);
    assert!(looping.is_active());
    wire.transport().abort_connection();
    wire.settle();
    assert!(!looping.is_active() && is_ready(looping.finished()));
    assert_eq!(wire.reactor().pending_call_count(), 0);
}

#[test]
fn a_panic_in_a_loop_of_a_connection_ends_that() {
    let mut wire = StringTransport::connect(Beating::new);
    let looping = wire.transport().call_every(SECOND, |_: &mut Beating, _| panic!("as a test wants it"));
    expect_panic("as a test wants it", || wire.advance(SECOND * 2));
    assert!(matches!(wire.close_reason(), Some(CloseReason::Panicked(_))), "{:?}", wire.close_reason());
    assert!(!looping.is_active() && is_ready(looping.finished()));
}

#[test]
#[should_panic(expected = "a call of `alloc::string::String` was requested on a transport whose protocol is")]
fn a_loop_of_the_wrong_type_panics_where_it_is_asked_for() {
    let wire = StringTransport::connect(Beating::new);
    wire.transport().call_every(SECOND, |_: &mut String, _| {});
}

#[test]
fn s271_a_delay_is_over_at_its_time_and_gone_when_it_is_dropped() {
    let sim = Simulation::new(0);
    let reactor = sim.host("here");
    let over = Rc::new(Cell::new(false));
    let (pause, is_over) = (reactor.sleep(SECOND), Rc::clone(&over));
    reactor.spawn(async move {
        pause.await;
        is_over.set(true);
    });
    let dropped = reactor.sleep(SECOND * 10);
    assert_eq!(reactor.pending_call_count(), 2);
    drop(dropped);
    assert_eq!(reactor.pending_call_count(), 1);
    sim.run_for(SECOND - Duration::from_nanos(1));
    assert!(!over.get());
    sim.run_for(Duration::from_nanos(1));
    assert!(over.get());
}
