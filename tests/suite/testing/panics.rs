//! An assertion that fails where user code runs fails the test, wherever that is.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use reactor::connect::Backoff;
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::service::{Service, ServiceError};
use reactor::testing::{Pair, Simulation, StringTransport, expect_panic};
use reactor::{CloseReason, Reactor, Transport};

use crate::support::{Callback, Log, Panic, Recorder, in_time, panic_of, test_reactor};

const SECOND: Duration = Duration::from_secs(1);

fn silent(transport: Transport) -> Recorder {
    Recorder::new(transport, Log::default())
}

/// A protocol in which this callback panics.
fn broken(callback: Callback) -> impl Fn(Transport) -> Recorder {
    move |transport| silent(transport).on(callback, |_| panic!("wrong"))
}

#[track_caller]
fn assert_is_the_original(panic: &Panic) {
    assert_eq!(panic.message, "wrong");
    assert!(panic.file.ends_with("testing/panics.rs"), "{panic:?}");
}

#[test]
fn in_a_string_transport_a_panic_in_any_callback_fails_the_call_that_let_it_run() {
    type Drive = fn(&mut StringTransport);
    let cases: [(Callback, Drive); 7] = [
        (Callback::Data, |wire| wire.receive("x")),
        (Callback::Eof, StringTransport::receive_eof),
        (Callback::Pause, |wire| {
            wire.stall(true);
            wire.transport().write([0; 70_000]);
            wire.settle();
        }),
        (Callback::Resume, |wire| {
            wire.transport().write([0; 70_000]);
            wire.settle();
        }),
        (Callback::Lost, |wire| wire.break_connection(std::io::ErrorKind::ConnectionReset.into())),
        (Callback::Drop, StringTransport::receive_eof),
        (Callback::Timer, |wire| wire.advance(SECOND)),
    ];
    for (callback, drive) in cases {
        let mut wire = StringTransport::connect(move |transport| {
            let recorder = broken(callback)(transport);
            recorder.timer(SECOND, "a second");
            recorder
        });
        assert_is_the_original(&panic_of(|| drive(&mut wire)));
    }
    assert_is_the_original(&panic_of(|| drop(StringTransport::connect(broken(Callback::Made)))));
    assert_is_the_original(&panic_of(|| {
        drop(StringTransport::connect(|_| -> Recorder { panic!("wrong") }));
    }));
}

#[test]
fn a_panic_in_a_call_a_future_or_a_job_fails_the_test_wherever_it_was_asked_for() {
    type Ask = fn(&Reactor, &Transport);
    let cases: [Ask; 9] = [
        |reactor, _| drop(reactor.call_later(SECOND, || panic!("wrong"))),
        |reactor, _| drop(reactor.call_every(SECOND, |_| panic!("wrong"))),
        |reactor, _| reactor.spawn(async { panic!("wrong") }),
        |reactor, _| drop(reactor.cooperate(std::iter::from_fn(|| -> Option<()> { panic!("wrong") }))),
        |reactor, _| {
            let reactor = reactor.clone();
            reactor.clone().spawn(async move { drop(reactor.defer_to_thread(|| panic!("wrong")).await) });
        },
        |reactor, _| reactor.remote().call_from_thread(|_| panic!("wrong")).unwrap(),
        |_, transport| drop(transport.call_later(SECOND, |_: &mut Recorder| panic!("wrong"))),
        |_, transport| drop(transport.defer(async { panic!("wrong") }, |_: &mut Recorder, ()| {})),
        |_, transport| drop(transport.defer(std::future::ready(()), |_: &mut Recorder, ()| panic!("wrong"))),
    ];
    for ask in cases {
        let mut wire = StringTransport::connect(silent);
        ask(wire.reactor(), wire.transport());
        assert_is_the_original(&panic_of(|| wire.advance(SECOND)));

        let mut pair = Pair::connect(silent, silent);
        ask(pair.reactor(), pair.server.transport());
        assert_is_the_original(&panic_of(|| pair.advance(SECOND)));

        let sim = Simulation::new(0);
        let (client, server) = (sim.host("client"), sim.host("server"));
        server.listen_tcp(7, silent).unwrap();
        let connector = client.connect_tcp("server:7", silent);
        sim.run_for(SECOND);
        ask(&client, &connector.transport().unwrap());
        assert_is_the_original(&panic_of(|| sim.run_for(SECOND)));
    }
}

#[test]
fn in_a_simulation_a_panic_on_any_host_fails_whatever_runs_the_simulation() {
    type Run = fn(&Simulation);
    let cases: [Run; 4] = [
        |sim| sim.run_for(SECOND),
        |sim| _ = sim.run_until(|| false),
        |sim| sim.run_until_quiet(SECOND),
        |sim| drop(sim.host("third").run_until(std::future::pending::<()>())),
    ];
    for run in cases {
        let sim = Simulation::new(0);
        sim.host("server").listen_tcp(7, broken(Callback::Made)).unwrap();
        sim.host("client").connect_tcp("server:7", silent);
        assert_is_the_original(&panic_of(|| run(&sim)));
    }
}

#[test]
fn a_panic_in_a_hook_a_service_or_a_datagrams_callback_fails_the_test() {
    struct Datagrams;
    impl DatagramProtocol for Datagrams {
        fn start_protocol(&mut self) {
            panic!("wrong");
        }
        fn datagram_received(&mut self, _data: &[u8], _peer: std::net::SocketAddr) {}
    }
    struct Broken;
    #[async_trait::async_trait(?Send)]
    impl Service for Broken {
        fn name(&self) -> &str {
            "broken"
        }
        async fn start(&self) -> Result<(), ServiceError> {
            panic!("wrong")
        }
        async fn stop(&self) {}
    }
    type Ask = fn(&Reactor);
    let cases: [Ask; 5] = [
        |host| drop(host.connect_tcp("host:1", silent).on_failed(|_, _| panic!("wrong"))),
        |host| drop(host.connect_tcp("host:1", silent).retry(Backoff::new()).on_failed(|_, _| panic!("wrong"))),
        |host| {
            host.before_shutdown(async || panic!("wrong"));
            host.stop();
        },
        |host| drop(host.listen_udp(7, |_: DatagramTransport| Datagrams).unwrap()),
        |host| {
            let all = reactor::service::MultiService::new(host, "all").with(Broken);
            host.spawn(async move { drop(all.start().await) });
        },
    ];
    for ask in cases {
        let sim = Simulation::new(0);
        ask(&sim.host("host"));
        assert_is_the_original(&panic_of(|| sim.run_for(SECOND)));
    }
}

#[test]
fn what_the_test_itself_has_called_at_once_fails_it_at_that_line() {
    let sim = Simulation::new(0);
    let host = sim.host("host");
    sim.run_for(SECOND);
    assert_is_the_original(&panic_of(|| host.call_when_running(|| panic!("wrong"))));
    assert_is_the_original(&panic_of(|| drop(host.call_in_thread(|| panic!("wrong")))));
}

#[test]
fn a_panic_that_comes_when_the_test_is_over_fails_it_at_the_drop() {
    let wire = StringTransport::connect(broken(Callback::Drop));
    assert_is_the_original(&panic_of(|| drop(wire)));
    let sim = Simulation::new(0);
    sim.host("server").listen_tcp(7, broken(Callback::Drop)).unwrap();
    sim.host("client").connect_tcp("server:7", silent);
    sim.run_for(SECOND);
    assert_is_the_original(&panic_of(|| drop(sim)));
}

#[test]
fn a_test_that_fails_already_is_not_failed_again_at_the_drop() {
    let panic = panic_of(|| {
        let _wire = StringTransport::connect(|transport| {
            silent(transport).on(Callback::Drop, |_| assert!(!std::thread::panicking(), "not by the test"))
        });
        panic!("by the test");
    });
    assert_eq!(panic.message, "by the test");
}

#[test]
fn after_a_panic_everything_goes_on_and_the_next_call_does_not_fail_for_it() {
    let sim = Simulation::new(0);
    let (client, server) = (sim.host("client"), sim.host("server"));
    server.listen_tcp(7, broken(Callback::Data)).unwrap();
    let connector = client
        .connect_tcp("server:7", |transport| silent(transport).on(Callback::Made, |this| this.transport.write("x")));
    panic_of(|| sim.run_for(SECOND));
    sim.run_for(SECOND);
    assert!(connector.transport().is_none(), "the server has reset it");
    assert_eq!(server.connection_count(), 0);
}

#[test]
fn an_expected_panic_has_its_effect_and_does_not_fail_the_test() {
    let mut wire = StringTransport::connect(broken(Callback::Data));
    let returned = expect_panic("ron", || {
        wire.receive("x");
        1
    });
    assert_eq!(returned, 1);
    assert!(matches!(wire.close_reason(), Some(CloseReason::Panicked(message)) if message == "wrong"));
    let wire = expect_panic("wrong", || StringTransport::connect(broken(Callback::Made)));
    assert!(wire.was_reset());
}

#[test]
fn an_expected_panic_that_does_not_come_fails_the_test_where_it_was_expected() {
    let mut wire = StringTransport::connect(silent);
    let panic = panic_of(|| expect_panic("wrong", || wire.receive("x")));
    assert_eq!(panic.message, "no callback has panicked with a message that contains \"wrong\"");
    assert!(panic.file.ends_with("testing/panics.rs"));
}

#[test]
fn another_panic_than_the_expected_one_fails_the_test_and_later_ones_do_too() {
    let mut wire = StringTransport::connect(broken(Callback::Data));
    assert_is_the_original(&panic_of(|| expect_panic("something else", || wire.receive("x"))));
    let mut wire = StringTransport::connect(broken(Callback::Data));
    assert_is_the_original(&panic_of(|| wire.receive("x")));
}

#[test]
fn a_transport_that_is_driven_in_a_callback_fails_in_that_callback() {
    let caught = Rc::new(Cell::new(false));
    let told = Rc::clone(&caught);
    let mut outer = StringTransport::connect(move |transport| {
        let told = Rc::clone(&told);
        silent(transport).on(Callback::Data, move |_| {
            let mut inner = StringTransport::connect(broken(Callback::Data));
            told.set(catch_unwind(AssertUnwindSafe(|| inner.receive("x"))).is_err());
        })
    });
    outer.receive("x");
    assert!(caught.get());
}

#[test]
fn on_sockets_a_panic_in_a_callback_is_contained_and_can_be_expected() {
    in_time(|| {
        let run = || {
            let reactor = test_reactor();
            reactor.call_later(Duration::ZERO, || panic!("wrong"));
            reactor.run_until(reactor.sleep(Duration::from_millis(1))).unwrap();
        };
        run();
        expect_panic("wrong", run);
    });
}
