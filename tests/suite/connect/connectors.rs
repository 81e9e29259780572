//! Connecting: the order of hooks, states, reconnecting, giving up, and what an error says.

use std::cell::RefCell;
use std::future::{pending, ready};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join_all;
use reactor::connect::{ConnectErrorKind, ConnectorState};
use reactor::net::{ConnectOptions, Resolver, Resolving};
use reactor::testing::expect_panic;
use reactor::{Connector, Factory, Protocol, Transport, share};

use crate::support::{Callback, Log, Recorder, every_reactor, greeter, in_time, nobody, test_reactor};

/// A factory that logs its start and stop, and builds recorders.
struct Logging {
    log: Log,
    script: fn(Recorder) -> Recorder,
}

impl Logging {
    fn new(log: &Log) -> Self {
        Self { log: log.clone(), script: |recorder| recorder }
    }
}

impl Factory for Logging {
    fn start_factory(&mut self) {
        self.log.add("start");
    }
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self.log.add("build");
        Some(Box::new((self.script)(Recorder::new(transport, self.log.clone()))))
    }
    fn stop_factory(&mut self) {
        self.log.add("stop");
    }
}

/// A resolver that never answers.
struct Silent;

impl Resolver for Silent {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        Box::pin(pending())
    }
}

#[test]
fn s011_a_connection_is_made_and_lost_in_order_and_the_factory_is_stopped_behind_the_hook() {
    every_reactor(|reactor| {
        let log = Log::default();
        let address = greeter(&reactor);
        let client = reactor.connect_tcp(address, Logging::new(&log));
        log.add("returned");
        assert_eq!(client.state(), ConnectorState::Connecting);
        let seen = log.clone();
        let client = client.on_failed(|_, error| panic!("{error}")).on_lost(move |connector, reason| {
            seen.add(format!("hook {reason} {:?}", connector.state()));
            assert!(connector.transport().is_none());
        });
        let (seen, finished) = (log.clone(), client.finished());
        let outcome = reactor
            .run_until(async move {
                let outcome = finished.await;
                seen.add("finished");
                outcome
            })
            .unwrap();
        assert!(outcome.unwrap().is_clean());
        assert_eq!(
            log.lines(),
            [
                "start",
                "returned",
                "build",
                "made",
                "data hello",
                "eof",
                "lost Done",
                "dropped",
                "hook connection closed cleanly Disconnected",
                "stop",
                "finished"
            ]
        );
    });
}

#[test]
fn s111_the_states_are_those_of_the_attempt_and_its_connection() {
    every_reactor(|reactor| {
        let address = greeter(&reactor);
        let slot = Rc::new(RefCell::new(None::<Connector>));
        let (in_factory, in_made) = (Rc::clone(&slot), Rc::clone(&slot));
        let states = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&states);
        let client = reactor.connect_tcp(address, move |transport: Transport| {
            seen.borrow_mut().push(in_factory.borrow().as_ref().unwrap().state());
            let (seen, connector) = (Rc::clone(&seen), Rc::clone(&in_made));
            Recorder::new(transport, Log::default()).on(Callback::Made, move |_| {
                let connector = connector.borrow();
                let connector = connector.as_ref().unwrap();
                seen.borrow_mut().push(connector.state());
                connector.connect(); // changes nothing
                assert!(connector.transport().is_some(), "there is a connection, and so a transport");
            })
        });
        slot.replace(Some(client.clone()));
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(*states.borrow(), [ConnectorState::Connected, ConnectorState::Connected]);
        assert_eq!(client.state(), ConnectorState::Disconnected);
    });
}

#[test]
fn s085_reconnecting_from_the_hook_does_not_stop_the_factory_nor_finish() {
    every_reactor(|reactor| {
        let log = Log::default();
        let address = greeter(&reactor);
        let seen = log.clone();
        let mut left = 3;
        let client = reactor.connect_tcp(address, Logging::new(&log)).on_lost(move |connector, _| {
            seen.add("hook");
            left -= 1;
            if left > 0 {
                connector.connect();
                connector.connect();
                assert_eq!(connector.state(), ConnectorState::Connecting);
            }
        });
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!((log.count("start"), log.count("build"), log.count("hook"), log.count("stop")), (1, 3, 3, 1));
        assert_eq!(log.lines().last().unwrap(), "stop");
    });
}

#[test]
fn s086_reconnecting_later_stops_and_starts_the_factory_and_a_finished_future_is_done_before() {
    every_reactor(|reactor| {
        let log = Log::default();
        let address = nobody();
        let seen = log.clone();
        let mut left = 2;
        let client = reactor.connect_tcp(address, Logging::new(&log)).on_failed(move |connector, _| {
            seen.add("hook");
            left -= 1;
            let again = connector.clone();
            let last = left == 0;
            connector.reactor().call_later(Duration::from_millis(1), move || match last {
                true => again.reactor().stop(),
                false => again.connect(),
            });
        });
        let (seen, first) = (log.clone(), client.finished());
        let waiting = client.clone();
        reactor.spawn(async move {
            first.await.unwrap_err();
            // At once, because it is already over.
            waiting.finished().await.unwrap_err();
            seen.add("finished");
        });
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["start", "hook", "stop", "finished", "start", "hook", "stop"]);
    });
}

#[test]
fn s084_a_shared_factory_is_started_with_its_first_user_and_stopped_with_its_last() {
    every_reactor(|reactor| {
        let log = Log::default();
        let shared = share(Logging::new(&log));
        let one = reactor.listen_tcp("127.0.0.1:0", shared.clone()).unwrap();
        let two = reactor.listen_tcp("127.0.0.1:0", shared.clone()).unwrap();
        let client = reactor.connect_tcp(nobody(), shared);
        let seen = log.clone();
        reactor
            .run_until(async move {
                client.finished().await.unwrap_err();
                one.stop_listening().await;
                assert_eq!(seen.lines(), ["start"]);
                two.stop_listening().await;
                assert_eq!(seen.lines(), ["start", "stop"]);
            })
            .unwrap();
        assert_eq!(log.lines(), ["start", "stop"]);
    });
}

#[test]
fn s109_disconnecting_while_connecting_fails_the_attempt_later_and_as_cancelled() {
    every_reactor(|reactor| {
        reactor.set_resolver(Silent);
        let log = Log::default();
        let seen = log.clone();
        let client = reactor.connect_tcp("somewhere:1", Logging::new(&log)).on_failed(move |_, error| {
            assert_eq!(*error.kind(), ConnectErrorKind::Cancelled);
            seen.add(error.to_string());
        });
        client.disconnect();
        assert_eq!(client.state(), ConnectorState::Connecting, "it is told later");
        reactor.run_until(client.finished()).unwrap().unwrap_err();
        client.disconnect();
        assert_eq!(log.lines(), ["start", "cannot connect to somewhere:1: the attempt was given up", "stop"]);
    });
}

#[test]
fn s110_disconnecting_while_connected_closes_in_order_wherever_it_is_asked_for() {
    for place in ["factory", "made", "later"] {
        in_time(move || {
            let reactor = test_reactor();
            let log = Log::default();
            let port = reactor.listen_tcp("127.0.0.1:0", |transport| Recorder::new(transport, Log::default())).unwrap();
            let slot = Rc::new(RefCell::new(None::<Connector>));
            let (connector, seen) = (Rc::clone(&slot), log.clone());
            let client = reactor.connect_tcp(port.host().socket_addr().unwrap(), move |transport: Transport| {
                let disconnect = {
                    let connector = Rc::clone(&connector);
                    move || connector.borrow().as_ref().unwrap().disconnect()
                };
                if place == "factory" {
                    disconnect();
                }
                let reactor = transport.reactor();
                Recorder::new(transport, seen.clone()).on(Callback::Made, move |this| {
                    this.transport.write(if place == "factory" { "" } else { "hello" });
                    match place {
                        "made" => disconnect(),
                        "later" => drop(reactor.call_later(Duration::ZERO, disconnect.clone())),
                        _ => {}
                    }
                })
            });
            slot.replace(Some(client.clone()));
            assert!(reactor.run_until(client.finished()).unwrap().unwrap().is_clean());
            assert_eq!(log.lines(), ["made", "lost Done", "dropped"], "{place}");
        });
    }
}

#[test]
fn s113_an_attempt_has_a_deadline_that_covers_resolving() {
    every_reactor(|reactor| {
        reactor.set_resolver(Silent);
        let options = ConnectOptions::new("somewhere:1").deadline(Some(Duration::from_millis(20)));
        let client = reactor.connect_tcp(options, |transport| Recorder::new(transport, Log::default()));
        let error = reactor.run_until(client.finished()).unwrap().unwrap_err();
        assert_eq!(error.to_string(), "cannot connect to somewhere:1: no answer within 20ms");
        assert_eq!(*error.kind(), ConnectErrorKind::Deadline(Duration::from_millis(20)));
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn s056_errors_say_what_was_tried_and_why_it_failed() {
    every_reactor(|reactor| {
        let refused = nobody();
        let cases = [
            (
                refused.to_string(),
                format!("cannot connect to {refused}: connection refused"),
                ConnectErrorKind::Refused,
            ),
            (
                "nowhere.invalid:21567".to_owned(),
                "cannot connect to nowhere.invalid:21567: name not known".to_owned(),
                ConnectErrorKind::Unresolved,
            ),
            (
                "localhost".to_owned(),
                "cannot connect to localhost: no port given (expected host:port)".to_owned(),
                ConnectErrorKind::InvalidTarget,
            ),
            (
                "localhost:99999".to_owned(),
                "cannot connect to localhost:99999: the port is not a number up to 65535".to_owned(),
                ConnectErrorKind::InvalidTarget,
            ),
            (
                ":80".to_owned(),
                "cannot connect to :80: no host given (expected host:port)".to_owned(),
                ConnectErrorKind::InvalidTarget,
            ),
            (
                "::1:80".to_owned(),
                "cannot connect to ::1:80: more than one colon (an IPv6 address needs brackets, as in [::1]:80)"
                    .to_owned(),
                ConnectErrorKind::InvalidTarget,
            ),
        ];
        let clients: Vec<_> = cases
            .iter()
            .map(|(target, ..)| {
                let build = |transport| Recorder::new(transport, Log::default());
                reactor.connect_tcp(target.as_str(), build).finished()
            })
            .collect();
        let outcomes = reactor.run_until(join_all(clients)).unwrap();
        for (outcome, (target, sentence, kind)) in outcomes.into_iter().zip(cases) {
            let error = outcome.unwrap_err();
            assert_eq!((error.to_string(), error.kind(), error.target()), (sentence, &kind, &target[..]));
        }
    });
}

#[test]
fn s108_a_local_address_that_cannot_be_bound_fails_the_attempt_later() {
    every_reactor(|reactor| {
        let options = ConnectOptions::new(nobody()).local_address("192.0.2.1:0".parse().unwrap());
        let client = reactor.connect_tcp(options, |transport| Recorder::new(transport, Log::default()));
        let error = reactor.run_until(client.finished()).unwrap().unwrap_err();
        assert_eq!(*error.kind(), ConnectErrorKind::Bind);
        assert!(error.to_string().contains("cannot bind to 192.0.2.1:0: "), "{error}");
    });
}

#[test]
fn s114_names_resolve_by_the_resolver_and_the_addresses_are_tried_in_turn() {
    struct Table(Vec<SocketAddr>);
    impl Resolver for Table {
        fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
            assert_eq!((host, port), ("service", 7));
            Box::pin(ready(Ok(self.0.clone())))
        }
    }
    every_reactor(|reactor| {
        let address = greeter(&reactor);
        reactor.set_resolver(Table(vec![nobody(), nobody(), address]));
        let log = Log::default();
        let client = reactor.connect_tcp(("service", 7), Logging::new(&log));
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(log.received(), b"hello");
    });
}

#[test]
fn s016_a_refusal_by_the_factory_is_a_connection_that_was_lost_and_a_panic_a_failure() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let address = greeter(&reactor);
            let refused = reactor.connect_tcp(address, |_: Transport| None::<Recorder>);
            let panicked = reactor.connect_tcp(address, |_: Transport| -> Recorder { panic!("oh build") });
            let made = reactor.connect_tcp(address, |transport| {
                Recorder::new(transport, Log::default()).on(Callback::Made, |_| panic!("oh made"))
            });
            let lost = reactor.connect_tcp(address, |transport| {
                Recorder::new(transport, Log::default()).on(Callback::Lost, |_| panic!("oh lost"))
            });
            let all = [&refused, &panicked, &made, &lost].map(Connector::finished);
            let outcomes = reactor.run_until(join_all(all)).unwrap();
            assert!(outcomes[0].as_ref().unwrap().is_clean());
            let error = outcomes[1].as_ref().unwrap_err();
            assert_eq!(*error.kind(), ConnectErrorKind::Panicked("oh build".to_owned()));
            assert_eq!(outcomes[2].as_ref().unwrap().to_string(), "a callback panicked: oh made");
            assert!(outcomes[3].as_ref().unwrap().is_clean());
        });
    });
}

#[test]
fn a_panic_in_a_hook_is_contained() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let address = greeter(&reactor);
            let log = Log::default();
            let one = reactor.connect_tcp(address, Logging::new(&log)).on_lost(|_, _| panic!("oh hook"));
            let two = reactor.connect_tcp(nobody(), Logging::new(&log)).on_failed(|_, _| panic!("oh hook"));
            let outcomes = reactor.run_until(join_all([one.finished(), two.finished()])).unwrap();
            assert!(outcomes[0].is_ok() && outcomes[1].is_err());
            assert_eq!((log.count("start"), log.count("stop")), (2, 2));
        });
    });
}

#[test]
fn s158_stopping_gives_up_attempts_and_closes_connections_with_their_hooks() {
    every_reactor(|reactor| {
        reactor.set_resolver(Silent);
        let log = Log::default();
        let port = reactor.listen_tcp("127.0.0.1:0", |transport| Recorder::new(transport, Log::default())).unwrap();
        let (failed, lost) = (log.clone(), log.clone());
        reactor.connect_tcp("somewhere:1", |transport| Recorder::new(transport, Log::default())).on_failed(
            move |connector, error| {
                failed.add(error.to_string());
                connector.connect();
                assert_eq!(connector.state(), ConnectorState::Disconnected, "nothing begins while it stops");
            },
        );
        reactor
            .connect_tcp(port.host().socket_addr().unwrap(), |transport| {
                Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.reactor().stop())
            })
            .on_lost(move |connector, reason| {
                lost.add(reason.to_string());
                connector.connect();
            });
        reactor.run().unwrap();
        let mut lines = log.lines();
        lines.sort();
        assert_eq!(lines, ["cannot connect to somewhere:1: the attempt was given up", "connection closed cleanly"]);
    });
}

#[test]
fn hooks_and_factories_are_dropped_with_the_reactor_even_if_they_own_the_connector() {
    let token = Rc::new(());
    {
        let reactor = test_reactor();
        let client = reactor.connect_tcp(nobody(), |transport| Recorder::new(transport, Log::default()));
        let (again, inside) = (client.clone(), Rc::clone(&token));
        let client = client.on_failed(move |_, _| {
            let _ = (&again, &inside);
        });
        reactor.run_until(client.finished()).unwrap().unwrap_err();
    }
    assert_eq!(Rc::strong_count(&token), 1);
}

/// A client that asks again and again for a port of its own machine gets that very port in the end.
#[test]
fn a_connection_with_itself_is_a_refusal_and_leaves_the_port_free() {
    in_time(|| {
        let reactor = test_reactor();
        let address = nobody();
        let options = ConnectOptions::new(address).local_address(address);
        let client = reactor.connect_tcp(options, |transport| Recorder::new(transport, Log::default()));
        let error = reactor.run_until(client.finished()).unwrap().unwrap_err();
        assert_eq!(*error.kind(), ConnectErrorKind::Refused);
        let reason = "connection refused: it connected to itself";
        assert_eq!(error.to_string(), format!("cannot connect to {address}: {reason}"));
        test_reactor().listen_tcp(address, |transport| Recorder::new(transport, Log::default())).unwrap();
    });
}
