//! Clients, factories and ports.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use reactor::connect::{ConnectErrorKind, ConnectorState};
use reactor::net::ConnectOptions;
use reactor::testing::{Simulation, expect_panic};
use reactor::{Connector, Factory, Port, Protocol, Reactor, Transport};

use crate::support::{Callback, Log, Recorder, Starting, address_of, echo, every_reactor, greeter};

/// Echoes to every client.
fn echo_port(reactor: &Reactor) -> Port {
    reactor.listen_tcp("127.0.0.1:0", |transport| echo(Recorder::new(transport, Log::default()))).unwrap()
}

/// The address of a listener that was closed.
fn nobody(reactor: &Reactor) -> SocketAddr {
    let port = echo_port(reactor);
    port.stop_listening();
    address_of(&port)
}

#[test]
fn s003_a_client_that_pauses_in_connection_made_receives_nothing_until_it_resumes() {
    every_reactor(|reactor| {
        let log = Log::default();
        let seen = log.clone();
        let client = reactor.connect_tcp(greeter(&reactor), move |transport| {
            Recorder::new(transport, seen.clone())
                .on(Callback::Made, |this| {
                    this.transport.pause_reading();
                    this.timer(Duration::from_millis(20), "resume");
                })
                .on(Callback::Timer, |this| this.transport.resume_reading())
        });
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(log.lines(), ["made", "timer resume", "data hello", "eof", "lost Done", "dropped"]);
    });
}

#[test]
fn s023_a_panic_in_a_clients_connection_made_ends_it_in_the_usual_order() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let (seen, hook) = (log.clone(), log.clone());
            let client = reactor
                .connect_tcp(address_of(&echo_port(&reactor)), move |transport| {
                    Recorder::new(transport, seen.clone()).on(Callback::Made, |_| panic!("oh made"))
                })
                .on_lost(move |_, reason| hook.add(format!("hook: {reason}")));
            let reason = reactor.run_until(client.finished()).unwrap().unwrap();
            assert_eq!(reason.to_string(), "a callback panicked: oh made");
            assert_eq!(
                log.lines(),
                ["made", "lost Panicked(oh made)", "dropped", "hook: a callback panicked: oh made"]
            );
        });
    });
}

#[test]
fn s026_a_panic_in_connection_lost_keeps_no_hook_from_being_called() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let (hook, stopped) = (log.clone(), log.clone());
            struct Stops(Log);
            impl Factory for Stops {
                fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
                    let recorder = Recorder::new(transport, Log::default())
                        .on(Callback::Made, |this| this.transport.lose_connection())
                        .on(Callback::Lost, |_| panic!("oh lost"));
                    Some(Box::new(recorder))
                }
                fn stop_factory(&mut self) {
                    self.0.add("stop");
                }
            }
            let client = reactor
                .connect_tcp(address_of(&echo_port(&reactor)), Stops(stopped))
                .on_lost(move |connector, _| hook.add(format!("hook {:?}", connector.state())));
            reactor.run_until(client.finished()).unwrap().unwrap();
            assert_eq!(log.lines(), ["hook Disconnected", "stop"]);
        });
    });
}

#[test]
fn s057_a_failure_to_connect_is_told_by_its_kind_and_with_the_systems_error() {
    every_reactor(|reactor| {
        let address = nobody(&reactor);
        let client = reactor.connect_tcp(address, |transport| Recorder::new(transport, Log::default()));
        let error = reactor.run_until(client.finished()).unwrap().unwrap_err();
        assert_eq!(*error.kind(), ConnectErrorKind::Refused);
        let [(tried, cause)] = error.attempts() else { panic!("one attempt") };
        assert_eq!((*tried, cause.kind()), (address, io::ErrorKind::ConnectionRefused));
    });
    let sim = Simulation::new(0);
    let client = sim.host("here").connect_tcp("192.0.2.1:7", |transport| Recorder::new(transport, Log::default()));
    let error = sim.host("here").run_until(client.finished()).unwrap().unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Unreachable);
}

#[test]
fn s087_a_factory_is_stopped_with_its_port_though_its_connections_live() {
    every_reactor(|reactor| {
        let log = Log::default();
        let port = reactor.listen_tcp("127.0.0.1:0", Starting { log: log.clone(), script: echo }).unwrap();
        let address = address_of(&port);
        let client = reactor.connect_tcp(address, move |transport: Transport| {
            let port = port.clone();
            Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.write("one")).on(
                Callback::Data,
                move |this| {
                    if this.data == b"one" {
                        this.transport.defer(port.stop_listening(), |this: &mut Recorder, ()| {
                            this.transport.write("two");
                        });
                    } else {
                        this.transport.lose_connection();
                    }
                },
            )
        });
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(log.lines()[..5], ["start", "made", "data one", "stop", "data two"]);
    });
}

#[test]
fn s094_the_address_decides_the_family_and_two_colons_take_both() {
    let reaches = |listen: &str, connect: &str| {
        let sim = Simulation::new(0);
        let host = sim.host("here");
        host.listen_tcp(listen, |transport| echo(Recorder::new(transport, Log::default()))).unwrap();
        let client = host.connect_tcp(connect, |transport: Transport| {
            Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.lose_connection())
        });
        host.run_until(client.finished()).unwrap().is_ok()
    };
    assert!(reaches("7", "127.0.0.1:7") && !reaches("7", "[::1]:7"));
    assert!(reaches("[::1]:7", "[::1]:7") && !reaches("[::1]:7", "127.0.0.1:7"));
    assert!(reaches("[::]:7", "[::1]:7") && reaches("[::]:7", "127.0.0.1:7"));
}

#[test]
fn s097_connections_go_on_when_their_port_has_stopped() {
    every_reactor(|reactor| {
        let port = echo_port(&reactor);
        let log = Log::default();
        let (seen, address) = (log.clone(), address_of(&port));
        let client = reactor.connect_tcp(address, move |transport: Transport| {
            let port = port.clone();
            Recorder::new(transport, seen.clone()).on(Callback::Made, |this| this.transport.write("one ")).on(
                Callback::Data,
                move |this| match &this.data[..] {
                    b"one " => {
                        port.stop_listening();
                        this.transport.write("two");
                    }
                    _ => this.transport.lose_connection(),
                },
            )
        });
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(log.received(), b"one two");
    });
}

#[test]
fn s098_stopping_a_port_that_has_stopped_is_over_at_once() {
    every_reactor(|reactor| {
        let port = echo_port(&reactor);
        let again = reactor.clone();
        let stopped = async move {
            port.stop_listening().await;
            let mut second = port.stop_listening();
            assert!(futures_util::FutureExt::now_or_never(&mut second).is_some());
            again.listen_tcp(address_of(&port), |transport| Recorder::new(transport, Log::default())).unwrap();
        };
        reactor.run_until(stopped).unwrap();
    });
}

#[test]
fn s107_nothing_is_called_back_before_connect_tcp_has_returned() {
    every_reactor(|reactor| {
        let log = Log::default();
        let clients = [address_of(&echo_port(&reactor)), nobody(&reactor)].map(|address| {
            let (built, failed, lost) = (log.clone(), log.clone(), log.clone());
            let client = reactor
                .connect_tcp(address, move |transport| {
                    Recorder::new(transport, built.clone()).on(Callback::Made, |this| this.transport.lose_connection())
                })
                .on_failed(move |_, _| failed.add("failed hook"))
                .on_lost(move |_, _| lost.add("lost hook"));
            assert_eq!(client.state(), ConnectorState::Connecting);
            log.add("returned");
            client.finished()
        });
        reactor.run_until(futures_util::future::join_all(clients)).unwrap();
        let lines = log.lines();
        assert_eq!(lines[..2], ["returned", "returned"]);
        assert!(log.has("failed hook") && log.has("lost hook"), "{lines:#?}");
    });
}

#[test]
fn s112_connecting_again_from_the_hook_is_another_attempt_of_the_same_connector() {
    every_reactor(|reactor| {
        let attempts = Rc::new(Cell::new(0));
        let counted = Rc::clone(&attempts);
        let client = reactor
            .connect_tcp(nobody(&reactor), |transport| Recorder::new(transport, Log::default()))
            .on_failed(move |connector: &Connector, _| {
                assert_eq!(connector.state(), ConnectorState::Disconnected);
                counted.set(counted.get() + 1);
                if counted.get() < 3 {
                    connector.connect();
                    assert_eq!(connector.state(), ConnectorState::Connecting);
                }
            });
        reactor.run_until(client.finished()).unwrap().unwrap_err();
        assert_eq!(attempts.get(), 3);
    });
}

#[test]
fn s116_a_client_is_connected_when_it_is_built_and_its_deadline_is_over() {
    every_reactor(|reactor| {
        let log = Log::default();
        let slot = Rc::new(RefCell::new(None::<Connector>));
        let (seen, connector, inside) = (log.clone(), Rc::clone(&slot), reactor.clone());
        let pending = Rc::new(Cell::new(usize::MAX));
        let before = Rc::clone(&pending);
        let client = reactor.connect_tcp(address_of(&echo_port(&reactor)), move |transport| {
            seen.add(format!("build {:?}", connector.borrow().as_ref().unwrap().state()));
            before.set(inside.pending_call_count());
            Recorder::new(transport, seen.clone()).on(Callback::Made, |this| this.transport.lose_connection())
        });
        slot.replace(Some(client.clone()));
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(log.lines()[..2], ["build Connected", "made"]);
        assert_eq!(pending.get(), 0, "the deadline's timer is gone");
    });
}

#[test]
fn s118_a_client_connects_from_the_address_it_is_told_to() {
    every_reactor(|reactor| {
        let peer = Rc::new(RefCell::new(None));
        let seen = Rc::clone(&peer);
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport: Transport| {
                seen.replace(transport.peer().socket_addr());
                Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.lose_connection())
            })
            .unwrap();
        let local: SocketAddr = "127.0.0.3:0".parse().unwrap();
        let options = ConnectOptions::new(address_of(&port)).local_address(local);
        let client = reactor.connect_tcp(options, |transport| Recorder::new(transport, Log::default()));
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(peer.borrow().unwrap().ip(), local.ip());
    });
}
