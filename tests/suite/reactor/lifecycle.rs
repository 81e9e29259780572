//! A reactor's life: starting, stopping in order, and what comes before and after.

use std::io;
use std::time::{Duration, SystemTime};

use reactor::testing::{StringTransport, expect_panic};
use reactor::{Reactor, Transport};

use crate::support::{Callback, Guard, Log, Recorder, connect, every_reactor, in_time, test_reactor};

fn build(transport: Transport) -> Recorder {
    Recorder::new(transport, Log::default())
}

#[test]
fn s153_a_reactor_runs_only_once() {
    every_reactor(|reactor| {
        let inside = reactor.clone();
        reactor.call_later(Duration::ZERO, move || {
            assert_eq!(inside.run().unwrap_err().to_string(), "a reactor runs only once; make another");
            inside.stop();
        });
        assert!(!reactor.is_running());
        reactor.run().unwrap();
        assert!(!reactor.is_running());
        assert_eq!(reactor.run().unwrap_err().to_string(), "a reactor runs only once; make another");
        assert!(reactor.run_until(async {}).is_err());
        assert!(reactor.listen_tcp("127.0.0.1:0", build).is_err());
    });
}

#[test]
fn s271_a_main_that_is_a_future_ends_with_its_outcome_or_says_that_it_was_stopped() {
    every_reactor(|reactor| {
        let pause = reactor.sleep(Duration::from_millis(1));
        let outcome = reactor.run_until(async {
            pause.await;
            Err::<(), _>("nothing works")
        });
        assert_eq!(outcome.unwrap(), Err("nothing works"));
    });
    every_reactor(|reactor| {
        let log = Log::default();
        let (dropped, hook) = (Guard::new(&log, "given up"), log.clone());
        reactor.before_shutdown(async move || hook.add("shutdown"));
        let stopping = reactor.clone();
        reactor.call_later(Duration::from_millis(1), move || stopping.stop());
        let outcome = reactor.run_until(async move {
            let _dropped = dropped;
            std::future::pending::<()>().await;
        });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert_eq!(log.lines(), ["given up", "shutdown"]);
    });
}

#[test]
fn inside_a_tokio_runtime_there_is_a_clear_error() {
    in_time(|| {
        let outside = test_reactor();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let sentence =
                "a reactor cannot run inside a Tokio runtime; give it a thread of its own (std::thread::spawn)";
            assert_eq!(Reactor::new().unwrap_err().to_string(), sentence);
            assert_eq!(outside.run().unwrap_err().to_string(), sentence);
        });
        outside.stop();
        outside.run().unwrap();
    });
}

#[test]
fn stopped_before_it_runs_it_runs_and_stops() {
    every_reactor(|reactor| {
        let log = Log::default();
        let (a, b, c) = (log.clone(), log.clone(), log.clone());
        reactor.call_when_running(move || a.add("running"));
        reactor.before_shutdown(async move || b.add("before"));
        reactor.after_shutdown(move || c.add("after"));
        reactor.stop();
        reactor.stop();
        let interrupted = reactor.run_until(async { 7 }).unwrap_err();
        assert_eq!(interrupted.kind(), io::ErrorKind::Interrupted);
        assert_eq!(log.lines(), ["running", "before", "after"]);
    });
}

#[test]
fn s162_calls_when_running_come_in_order_and_at_once_when_it_runs() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            for name in ["one", "two"] {
                let (log, inside) = (log.clone(), reactor.clone());
                reactor.call_when_running(move || {
                    log.add(name);
                    let inner = log.clone();
                    inside.call_when_running(move || inner.add(format!("{name} inside")));
                    log.add(format!("{name} behind"));
                    assert!(inside.is_running());
                });
            }
            reactor.call_when_running(|| panic!("oh start"));
            let (inside, seen) = (reactor.clone(), log.clone());
            reactor.call_when_running(move || {
                seen.add("last");
                inside.stop();
                seen.add("behind stop");
            });
            assert_eq!(log.lines(), [""; 0]);
            reactor.run().unwrap();
            assert_eq!(
                log.lines(),
                ["one", "one inside", "one behind", "two", "two inside", "two behind", "last", "behind stop"]
            );
        });
    });
}

#[test]
fn s157_the_output_of_run_untils_future_is_returned_after_everything_was_closed_in_order() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let (a, b, c, d) = (log.clone(), log.clone(), log.clone(), log.clone());
            let port = reactor.listen_tcp("127.0.0.1:0", move |transport| Recorder::new(transport, a.clone())).unwrap();
            let (connected, wait) = futures_util::future::abortable(std::future::pending::<()>());
            reactor.connect_tcp(port.host().socket_addr().unwrap(), move |transport| {
                let wait = wait.clone();
                build(transport).on(Callback::Made, move |_| wait.abort())
            });
            reactor.before_shutdown(async move || b.add("before"));
            reactor.after_shutdown(move || c.add("after"));
            reactor.after_shutdown(|| panic!("oh after"));
            reactor.after_shutdown(move || d.add("after all"));
            let output = reactor.run_until(async move {
                connected.await.unwrap_err();
                "output"
            });
            assert_eq!(output.unwrap(), "output");
            let lines: Vec<_> = log.lines().into_iter().filter(|line| line != "eof").collect();
            assert_eq!(lines, ["made", "before", "lost Done", "dropped", "after", "after all"]);
        });
    });
}

#[test]
fn s156_hooks_before_the_shutdown_are_all_awaited_and_io_goes_on_meanwhile() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let port = reactor
                .listen_tcp("127.0.0.1:0", |transport| {
                    build(transport).on(Callback::Data, |this| this.transport.write("answer"))
                })
                .unwrap();
            let address = port.host().socket_addr().unwrap();
            let (inside, seen) = (reactor.clone(), log.clone());
            reactor.before_shutdown(async move || {
                seen.add("first");
                assert!(inside.is_running());
                let log = seen.clone();
                let client = inside.connect_tcp(address, move |transport| {
                    Recorder::new(transport, log.clone())
                        .on(Callback::Made, |this| this.transport.write("question"))
                        .on(Callback::Data, |this| this.transport.lose_connection())
                });
                client.finished().await.unwrap();
                seen.add("first done");
            });
            let seen = log.clone();
            reactor.before_shutdown(async || panic!("oh hook"));
            reactor.before_shutdown(async move || seen.add("third"));
            reactor.stop();
            reactor.run().unwrap();
            let lines = log.lines();
            assert_eq!(lines, ["first", "third", "made", "data answer", "lost Done", "dropped", "first done"]);
        });
    });
}

#[test]
fn s154_what_follows_a_stop_and_what_is_due_still_runs() {
    every_reactor(|reactor| {
        let log = Log::default();
        let (inside, a, b) = (reactor.clone(), log.clone(), log.clone());
        reactor.call_later(Duration::ZERO, move || {
            inside.stop();
            a.add("behind stop");
        });
        reactor.call_later(Duration::ZERO, move || b.add("due"));
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["behind stop", "due"]);
    });
}

#[test]
fn spawned_futures_run_are_contained_and_are_dropped_at_the_end() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let guard = Guard::new(&log, "dropped with the run");
            reactor.spawn(async move {
                let _guard = guard;
                std::future::pending::<()>().await;
            });
            reactor.spawn(async { panic!("oh task") });
            let inside = reactor.clone();
            reactor.spawn(async move { inside.stop() });
            reactor.run().unwrap();
            assert_eq!(log.lines(), ["dropped with the run"]);
        });
    });
}

#[test]
fn a_panic_of_run_untils_future_comes_out_after_an_orderly_end() {
    every_reactor(|reactor| {
        let log = Log::default();
        let seen = log.clone();
        reactor.after_shutdown(move || seen.add("after"));
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = reactor.run_until(async { panic!("oh future") });
        }));
        assert_eq!(*panic.unwrap_err().downcast_ref::<&str>().unwrap(), "oh future");
        assert!(!reactor.is_running());
        let call = reactor.remote().call_from_thread(|_| ());
        assert!(call.is_err(), "nobody will make this call");
        assert_eq!(log.lines(), ["after"]);
    });
}

#[test]
fn s151_time_and_chance_in_memory_are_the_tests_and_timers_do_not_follow_the_time_of_day() {
    let mut wire = StringTransport::connect(build);
    let reactor = wire.reactor().clone();
    let (now, day) = (reactor.now(), reactor.time_of_day());
    assert_eq!(day.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs(), 946_684_800);
    wire.advance(Duration::from_secs(5));
    assert_eq!(reactor.now(), now + Duration::from_secs(5));
    assert_eq!(reactor.time_of_day(), day + Duration::from_secs(5));
    let call = reactor.call_later(Duration::from_secs(1), || ());
    wire.set_time_of_day(day + Duration::from_secs(86_400));
    wire.settle();
    assert!(call.is_active(), "timers do not follow the time of day");
    let other = StringTransport::connect(build);
    assert_eq!(reactor.random(), other.reactor().random(), "equal seeds");
}

#[test]
fn on_sockets_time_goes_on_and_chance_differs() {
    let (one, two) = (test_reactor(), test_reactor());
    assert!(one.now() <= one.now());
    assert!(one.time_of_day() > SystemTime::UNIX_EPOCH);
    assert_ne!((one.random(), one.random()), (two.random(), two.random()));
}

#[test]
fn asking_a_handle_for_a_reactor_that_is_gone_says_so() {
    let wire = StringTransport::connect(build);
    let transport = wire.transport().clone();
    drop(wire);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(transport.reactor()))).unwrap_err();
    let message = panic.downcast_ref::<String>().cloned();
    let message = message.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap();
    assert!(message.contains("the reactor that this handle belongs to is gone"), "{message}");
    // Everything else is harmless.
    transport.write("nothing");
    transport.lose_connection();
    transport.abort_connection();
    transport.pause_reading();
    transport.resume_reading();
    assert!(!transport.call_later(Duration::ZERO, |_: &mut Recorder| ()).is_active());
    assert!(!transport.defer(async {}, |_: &mut Recorder, ()| ()).is_active());
    assert!(transport.is_closing());
}

#[test]
fn a_peer_that_never_closes_does_not_keep_the_reactor_from_ending() {
    in_time(|| {
        let reactor = test_reactor();
        let port = reactor.listen_tcp("127.0.0.1:0", build).unwrap();
        let address = port.host().socket_addr().unwrap();
        let client = reactor.defer_to_thread(move || connect(address));
        let _open = reactor.run_until(client).unwrap().unwrap();
    });
}

#[test]
fn s157_hooks_during_the_shutdown_find_the_connections_gone_and_are_awaited_for_what_is_left_of_the_deadline() {
    expect_panic("oh during", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let seen = log.clone();
            let port = reactor.listen_tcp("127.0.0.1:0", build).unwrap();
            let client = reactor.connect_tcp(port.host().socket_addr().unwrap(), move |transport| {
                Recorder::new(transport, seen.clone())
            });
            let (inside, a, b, c) = (reactor.clone(), log.clone(), log.clone(), log.clone());
            reactor.set_shutdown_deadline(Duration::from_millis(300));
            reactor.during_shutdown(async move || {
                a.add(format!("during, {} connections", inside.connection_count()));
                inside.sleep(Duration::from_millis(1)).await;
                a.add("during, later");
            });
            reactor.during_shutdown(async || panic!("oh during"));
            reactor.during_shutdown(async move || {
                std::future::pending::<()>().await;
                b.add("never");
            });
            reactor.after_shutdown(move || c.add("after"));
            reactor.run_until(client.connected()).unwrap().unwrap();
            let lines: Vec<_> = log.lines().into_iter().filter(|line| line != "eof").collect();
            let expected = ["made", "lost Done", "dropped", "during, 0 connections", "during, later", "after"];
            assert_eq!(lines, expected);
        });
    });
}
