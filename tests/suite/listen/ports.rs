//! Listening: ports that stop, ports that are full, and the texts of errors.

use std::cell::RefCell;
use std::io;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use futures_util::FutureExt;
use reactor::net::ListenOptions;
use reactor::port::AcceptLimits;
use reactor::testing::expect_panic;
use reactor::{Port, Transport};

use crate::support::{
    Callback, Ending, Log, PATIENCE, Recorder, address_of, connect, echo, every_reactor, in_time, read_to_the_end,
    test_reactor,
};

fn build(transport: Transport) -> Recorder {
    Recorder::new(transport, Log::default())
}

#[test]
fn a_port_that_is_paused_leaves_clients_waiting_until_it_is_resumed_and_can_be_stopped_meanwhile() {
    every_reactor(|reactor| {
        let port = reactor.listen_tcp("127.0.0.1:0", |transport| echo(build(transport))).unwrap();
        let address = address_of(&port);
        port.pause();
        let clients = [(); 3].map(|()| reactor.connect_tcp(address, build));
        let (inside, watched) = (reactor.clone(), port.clone());
        reactor
            .run_until(async move {
                while clients.iter().any(|client| client.transport().is_none()) {
                    inside.sleep(Duration::from_millis(1)).await;
                }
                assert_eq!((watched.connection_count(), watched.is_paused()), (0, true));
                watched.resume();
                while watched.connection_count() < 3 {
                    inside.sleep(Duration::from_millis(1)).await;
                }
                watched.pause();
                watched.stop_listening().await;
                assert_eq!(watched.connection_count(), 3);
            })
            .unwrap();
    });
}

#[test]
fn s095_a_port_is_shared_by_all_listeners_that_ask_for_it_and_by_no_others() {
    in_time(|| {
        let (one, other) = (test_reactor(), test_reactor());
        let shared = |address| ListenOptions::new(address).reuse_port(true);
        let port = one.listen_tcp(shared(([127, 0, 0, 1], 0).into()), build).unwrap();
        let address = address_of(&port);
        other.listen_tcp(shared(address), build).unwrap();
        let error = other.listen_tcp(address, build).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    });
}

#[test]
fn urgent_data_stays_in_its_place_in_the_stream() {
    in_time(|| {
        let reactor = test_reactor();
        let port = reactor.listen_tcp("127.0.0.1:0", |transport| echo(build(transport))).unwrap();
        let address = address_of(&port);
        let client = reactor.defer_to_thread(move || {
            let mut socket = connect(address);
            socket.write_all(b"ab").unwrap();
            socket2::SockRef::from(&socket).send_out_of_band(b"!").unwrap();
            socket.write_all(b"cd").unwrap();
            let mut data = [0; 5];
            socket.read_exact(&mut data).unwrap();
            assert_eq!(&data, b"ab!cd");
        });
        reactor.run_until(client).unwrap().unwrap();
    });
}

#[test]
fn s096_a_port_that_has_stopped_can_be_bound_again_at_once_and_its_connections_go_on() {
    in_time(|| {
        let reactor = test_reactor();
        let port = reactor.listen_tcp("127.0.0.1:0", |transport| echo(build(transport))).unwrap();
        let address = address_of(&port);
        let (tell, told) = mpsc::channel();
        let (connected, wait) = futures_util::future::abortable(std::future::pending::<()>());
        let client = reactor.defer_to_thread(move || {
            let mut socket = connect(address);
            socket.write_all(b"one").unwrap();
            let mut data = [0; 3];
            socket.read_exact(&mut data).unwrap();
            wait.abort();
            told.recv_timeout(PATIENCE).unwrap();
            socket.write_all(b"two").unwrap();
            socket.read_exact(&mut data).unwrap();
            assert_eq!(&data, b"two");
            // The new port is another one.
            let mut other = connect(address);
            assert_eq!(read_to_the_end(&mut other).0, b"new");
        });
        let inside = reactor.clone();
        reactor
            .run_until(async move {
                connected.await.unwrap_err();
                assert_eq!(port.connection_count(), 1);
                port.stop_listening().await;
                port.stop_listening().await;
                let again = inside.listen_tcp(address, |transport: Transport| {
                    build(transport).on(Callback::Made, |this| {
                        this.transport.write("new");
                        this.transport.lose_connection();
                    })
                });
                assert_eq!(address_of(&again.unwrap()), address);
                tell.send(()).unwrap();
                client.await.unwrap();
            })
            .unwrap();
    });
}

#[test]
fn s100_a_port_may_be_stopped_from_build_protocol_and_that_connection_lives() {
    in_time(|| {
        let reactor = test_reactor();
        let slot = Rc::new(RefCell::new(None::<Port>));
        let inside = Rc::clone(&slot);
        let mut built = 0;
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport: Transport| {
                built += 1;
                assert_eq!(built, 1, "nobody is accepted any more");
                drop(inside.borrow().as_ref().unwrap().stop_listening());
                echo(build(transport))
            })
            .unwrap();
        slot.replace(Some(port.clone()));
        let address = address_of(&port);
        let client = reactor.defer_to_thread(move || {
            let mut sockets: Vec<_> = (0..3).filter_map(|_| TcpStream::connect(address).ok()).collect();
            let socket = &mut sockets[0];
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.write_all(b"hi").unwrap();
            let mut data = [0; 2];
            socket.read_exact(&mut data).unwrap();
        });
        reactor
            .run_until(async move {
                client.await.unwrap();
                port.stop_listening().await;
            })
            .unwrap();
    });
}

#[test]
fn clients_beyond_the_maximum_are_closed_at_once_and_taken_again_when_there_is_room() {
    in_time(|| {
        let reactor = test_reactor();
        let options = ListenOptions::new("127.0.0.1:0").limits(AcceptLimits::new().connections(2).per_peer(2));
        let port = reactor
            .listen_tcp(options, |transport: Transport| {
                build(transport).on(Callback::Made, |this| this.transport.write("in"))
            })
            .unwrap();
        let address = address_of(&port);
        let client = reactor.defer_to_thread(move || {
            let mut inside: Vec<_> = (0..2).map(|_| connect(address)).collect();
            let mut data = [0; 2];
            for socket in &mut inside {
                socket.read_exact(&mut data).unwrap();
            }
            for _ in 0..3 {
                assert_eq!(read_to_the_end(&mut connect(address)), (vec![], Ending::Clean));
            }
            let leaving = inside.pop().unwrap();
            leaving.shutdown(std::net::Shutdown::Write).unwrap();
            read_to_the_end(&mut { leaving });
            connect(address).read_exact(&mut data).unwrap();
        });
        let counted = port.clone();
        reactor
            .run_until(async move {
                client.await.unwrap();
                assert_eq!(counted.refusals().total(), 3);
            })
            .unwrap();
    });
}

#[test]
fn s091_a_port_says_where_it_listens_and_connections_where_they_are() {
    in_time(|| {
        let reactor = test_reactor();
        let all = reactor.listen_tcp(0, build).unwrap();
        let six = reactor.listen_tcp("[::1]:0", build);
        assert_eq!(address_of(&all).ip().to_string(), "0.0.0.0");
        assert_ne!(address_of(&all).port(), 0);
        if let Ok(six) = six {
            assert_eq!(address_of(&six).ip().to_string(), "::1");
        }
        let port = address_of(&all).port();
        let (tell, told) = mpsc::channel();
        let client = reactor.connect_tcp(("127.0.0.1", port), move |transport: Transport| {
            tell.send((transport.host(), transport.peer())).unwrap();
            build(transport).on(Callback::Made, |this| this.transport.lose_connection())
        });
        reactor.run_until(client.finished()).unwrap().unwrap();
        let (host, peer) = told.recv().unwrap();
        assert_eq!(host.socket_addr().unwrap().ip().to_string(), "127.0.0.1");
        assert_eq!(peer.to_string(), format!("127.0.0.1:{port}"));
    });
}

#[test]
fn s092_errors_name_the_address_and_say_why_and_no_factory_is_started() {
    in_time(|| {
        let reactor = test_reactor();
        let log = Log::default();
        struct Never(Log);
        impl reactor::Factory for Never {
            fn start_factory(&mut self) {
                self.0.add("started");
            }
            fn build_protocol(&mut self, _: Transport) -> Option<Box<dyn reactor::Protocol>> {
                None
            }
        }
        let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let _taken = reactor.listen_tcp(taken, build).unwrap();
        let expected = "expected a port (0 to 65535), or an IP address and port as in 127.0.0.1:8007 or [::1]:8007";
        for (address, sentence) in [
            (taken.to_string(), format!("cannot listen on {taken}: address in use")),
            ("192.0.2.1:0".to_owned(), "cannot listen on 192.0.2.1:0: not an address of this machine".to_owned()),
            ("foo".to_owned(), format!("cannot listen on 'foo': {expected}")),
            ("127.0.0.1:99999".to_owned(), format!("cannot listen on '127.0.0.1:99999': {expected}")),
            ("99999".to_owned(), format!("cannot listen on '99999': {expected}")),
            (String::new(), format!("cannot listen on '': {expected}")),
            ("localhost:80".to_owned(), format!("cannot listen on 'localhost:80': {expected}")),
        ] {
            let error = reactor.listen_tcp(address, Never(log.clone())).unwrap_err();
            assert_eq!(error.to_string(), sentence);
        }
        assert_eq!(log.lines(), [""; 0], "no factory was started");
    });
}

#[test]
fn stopping_the_reactor_stops_factories_and_closes_ports() {
    in_time(|| {
        let reactor = test_reactor();
        let port = reactor.listen_tcp("127.0.0.1:0", build).unwrap();
        let address = address_of(&port);
        reactor.stop();
        reactor.run().unwrap();
        TcpListener::bind(address).unwrap();
        let mut closed = pin!(port.stop_listening());
        assert!(closed.as_mut().now_or_never().is_some());
        assert_eq!(address_of(&port), address, "a handle is harmless");
    });
}

#[test]
fn s099_a_panic_in_start_or_stop_of_a_factory_is_contained() {
    expect_panic("oh", || {
        struct Bad;
        impl reactor::Factory for Bad {
            fn start_factory(&mut self) {
                panic!("oh start");
            }
            fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn reactor::Protocol>> {
                let recorder = build(transport).on(Callback::Made, |this| this.transport.lose_connection());
                Some(Box::new(recorder))
            }
            fn stop_factory(&mut self) {
                panic!("oh stop");
            }
        }
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("oh drop");
            }
        }
        every_reactor(|reactor| {
            let port = reactor.listen_tcp("127.0.0.1:0", Bad).unwrap();
            let client = reactor.connect_tcp(address_of(&port), build);
            reactor
                .run_until(async move {
                    client.finished().await.unwrap();
                    port.stop_listening().await;
                })
                .unwrap();
        });
    });
}

#[test]
fn s101_many_clients_that_connect_at_once_are_all_served() {
    in_time(|| {
        let reactor = test_reactor();
        let port = reactor
            .listen_tcp("127.0.0.1:0", |transport: Transport| {
                build(transport).on(Callback::Made, |this| {
                    this.transport.write("x");
                    this.transport.lose_connection();
                })
            })
            .unwrap();
        let address = address_of(&port);
        let client = reactor.defer_to_thread(move || {
            let mut sockets: Vec<_> = (0..300).map(|_| connect(address)).collect();
            for socket in &mut sockets {
                assert_eq!(read_to_the_end(socket).0, b"x");
            }
        });
        reactor.run_until(client).unwrap().unwrap();
    });
}
