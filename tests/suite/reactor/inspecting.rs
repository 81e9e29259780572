//! What a reactor says of itself.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use protocols::policies::IdleTimeout;
use reactor::datagram::DatagramProtocol;
use reactor::inspect::{Reading, SlowCallback, Stats, TrafficKind, TrafficWatch, Watchdog, slow_callbacks};
use reactor::testing::Simulation;
use reactor::{Protocol, Reactor, Transport, run_on_threads};

use crate::support::in_time;
struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        match data {
            b"pause" => self.transport.pause_reading(),
            b"defer" => drop(self.transport.defer(std::future::pending(), |_: &mut Self, ()| {})),
            b"much" => self.transport.write(vec![0; 1 << 20]),
            _ => self.transport.write(data),
        }
    }
}

/// Connects, sends this, and reads nothing.
struct Sender {
    transport: Transport,
    text: &'static str,
}

impl Protocol for Sender {
    fn connection_made(&mut self) {
        self.transport.write(self.text);
        self.transport.pause_reading();
    }

    fn data_received(&mut self, _data: &[u8]) {}
}

fn send(sim: &Simulation, text: &'static str) {
    sim.host("client").connect_tcp("server:7", move |transport| Sender { transport, text });
    sim.run_for(Duration::from_secs(1));
}

#[test]
fn the_numbers_are_those_of_the_moment() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    assert_eq!(server.stats(), Stats::default());
    let port = server.listen_tcp(7, |transport| Echo { transport }).unwrap();
    for text in ["much", "defer"] {
        send(&sim, text);
    }
    server.call_later(Duration::from_secs(60), || {});
    let stats = server.stats();
    assert_eq!((stats.ports, stats.connections, stats.opened), (1, 2, 2));
    assert_eq!((stats.deferred_calls, stats.timed_calls), (1, 1));
    assert!(stats.unsent_bytes > 100_000, "{stats:?}");
    assert_eq!(sim.host("client").stats().connectors, 2);
    server.connections().iter().for_each(|connection| assert_eq!(connection.port, Some(port.host())));
    port.stop_listening();
    sim.host("client").stop();
    sim.run_for(Duration::from_secs(60));
    let stats = server.stats();
    assert_eq!((stats.ports, stats.connections, stats.opened, stats.deferred_calls), (0, 0, 2, 0));
}

#[test]
fn a_connection_says_what_it_consists_of_and_why_it_is_not_read() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let hour = Duration::from_secs(3600);
    let echo = IdleTimeout::around(hour, IdleTimeout::around(hour, |transport| Echo { transport }));
    server.listen_tcp(7, echo).unwrap();
    for text in ["x", "pause", "much"] {
        send(&sim, text);
    }
    let connections = server.connections();
    assert_eq!(
        connections.iter().map(|connection| connection.reading).collect::<Vec<_>>(),
        [Reading::Open, Reading::Paused, Reading::Owing]
    );
    let ids: Vec<_> = connections.iter().map(|connection| connection.id).collect();
    assert!(ids.is_sorted());
    for connection in &connections {
        let [outer, middle, inner] = connection.protocols[..] else { panic!("{:?}", connection.protocols) };
        assert!(outer.contains("IdleTimeout") && outer == middle, "{outer} {middle}");
        assert!(inner.ends_with("::Echo"), "{inner}");
        assert_eq!((connection.host.to_string(), connection.port.is_some()), ("10.0.0.1:7".to_owned(), true));
    }
    assert!(connections[2].unsent_bytes > 100_000);
}

#[test]
fn what_has_passed_and_when_is_that_of_the_socket() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let minute = Duration::from_secs(60);
    server.listen_tcp(7, IdleTimeout::around(minute, |transport| Echo { transport })).unwrap();
    send(&sim, "hello");
    sim.run_for(Duration::from_secs(4));
    let connection = &server.connections()[0];
    assert_eq!((connection.bytes_in, connection.bytes_out, connection.reads), (5, 5, 1));
    for time in [connection.age, connection.idle] {
        assert!(time >= Duration::from_millis(4_800) && time <= Duration::from_secs(5), "{time:?}");
    }
    let transport = server.transport(connection.id).unwrap();
    assert_eq!(transport.innermost().info(), *connection, "from inside the layer");
    transport.innermost().write("more");
    sim.run_for(Duration::from_secs(1));
    let connection = transport.info();
    assert_eq!((connection.bytes_in, connection.bytes_out, connection.reads), (5, 9, 1));
    assert!(
        connection.idle <= Duration::from_secs(1) && connection.age >= Duration::from_millis(5_800),
        "{connection:?}"
    );
}

#[test]
fn a_connection_is_found_by_its_number_while_it_is_open() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    server.listen_tcp(7, |transport| Echo { transport }).unwrap();
    send(&sim, "one");
    send(&sim, "two");
    let [one, two] = server.transports().try_into().unwrap();
    assert_ne!(one.id(), two.id());
    assert_eq!(server.transport(two.id()), Some(two.clone()));
    two.lose_connection();
    sim.run_for(Duration::from_secs(1));
    assert_eq!((server.transport(two.id()), server.transports()), (None, vec![one]));
}

#[test]
fn a_port_that_has_stopped_is_listed_until_its_connections_have_ended() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let port = server.listen_tcp(7, |transport| Echo { transport }).unwrap();
    let datagrams = server.listen_udp("0.0.0.0:7", |_| Deaf).unwrap();
    assert_eq!((port.is_for_datagrams(), datagrams.is_for_datagrams()), (false, true));
    send(&sim, "x");
    assert_eq!(server.ports(), [port.clone(), datagrams.clone()]);
    datagrams.stop_listening();
    port.stop_listening();
    assert!(!port.is_listening() && port.connection_count() == 1);
    sim.run_for(Duration::from_secs(1));
    server.listen_tcp(8, |transport| Echo { transport }).unwrap().stop_listening();
    assert_eq!(server.ports().first(), Some(&port), "also when another port is opened");
    server.transports()[0].lose_connection();
    sim.run_for(Duration::from_secs(1));
    assert_eq!(server.ports(), []);
}

struct Deaf;

impl DatagramProtocol for Deaf {
    fn datagram_received(&mut self, _data: &[u8], _peer: SocketAddr) {}
}

#[test]
fn the_calls_that_are_due_first_say_whose_they_are() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let minute = Duration::from_secs(60);
    server.listen_tcp(7, IdleTimeout::around(minute, |transport| Echo { transport })).unwrap();
    send(&sim, "x");
    let moved = server.call_later(Duration::from_secs(1), || {});
    server.call_later(Duration::from_secs(2), || {});
    moved.reset(Duration::from_secs(3));
    let calls = server.pending_calls(10);
    assert!(calls.is_sorted_by_key(|call| call.due_in));
    let whose: Vec<_> = calls.iter().map(|call| (call.due_in.as_secs(), call.connection.is_some())).collect();
    assert_eq!(whose, [(2, false), (3, false), (59, true)]);
    assert!(calls[0].name.contains("the_calls_that_are_due_first"), "{}", calls[0].name);
    assert!(calls[2].name.contains("IdleTimeout"), "{}", calls[2].name);
    assert_eq!(calls[2].connection, Some(server.connections()[0].id));
    assert_eq!(server.pending_calls(2), calls[..2]);
    assert_eq!(server.pending_calls(0), []);
}

/// What a watch of this connection has until now.
fn seen(sim: &Simulation, watch: &mut TrafficWatch) -> Vec<(u64, TrafficKind)> {
    sim.run_for(Duration::from_secs(1));
    let next = |watch: &mut TrafficWatch| pin!(watch.next()).poll(&mut Context::from_waker(Waker::noop()));
    let events = std::iter::from_fn(|| match next(watch) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    });
    events.map(|event| (event.left_out, event.kind)).collect()
}

#[test]
fn a_watch_is_told_what_passes_at_its_layer_and_the_end() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let minute = Duration::from_secs(60);
    server.listen_tcp(7, IdleTimeout::around(minute, |transport| Echo { transport })).unwrap();
    send(&sim, "");
    let [outer] = server.transports().try_into().unwrap();
    let mut watches = [outer.clone(), outer.innermost()].map(|transport| transport.watch_traffic());
    let client = sim.host("client").transports()[0].clone();
    client.write("hi");
    client.write_eof();
    for watch in &mut watches {
        let lost = TrafficKind::Lost("connection closed cleanly".to_owned());
        let hi = b"hi".to_vec();
        let all = [TrafficKind::Received(hi.clone(), 2), TrafficKind::Sent(hi, 2), TrafficKind::ReceivedEnd, lost];
        assert_eq!(seen(&sim, watch), all.map(|kind| (0, kind)));
        assert!(matches!(pin!(watch.next()).poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
    }
    let ended = pin!(outer.watch_traffic().next()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    assert!(ended, "the connection has ended");
}

#[test]
fn a_watch_that_is_not_read_keeps_nobody_waiting_and_learns_how_much_it_has_missed() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    server.listen_tcp(7, |transport| Echo { transport }).unwrap();
    send(&sim, "");
    let [served] = server.transports().try_into().unwrap();
    let mut watch = served.watch_traffic();
    let client = sim.host("client").transports()[0].clone();
    client.resume_reading();
    for _ in 0..300 {
        client.write(vec![7; 1000]);
        sim.run_for(Duration::from_secs(1));
    }
    assert_eq!(served.info().reads, 300);
    let events = seen(&sim, &mut watch);
    assert!(events.len() <= 256 && events.iter().all(|(left_out, _)| *left_out == 0), "{}", events.len());
    let TrafficKind::Received(shown, bytes) = &events[0].1 else { panic!("{:?}", events[0]) };
    assert_eq!((shown.len(), *bytes), (256, 1000));
    let before = events.len() as u64;
    client.write("more");
    assert_eq!(seen(&sim, &mut watch)[0], (600 - before, TrafficKind::Received(b"more".to_vec(), 4)));
    for _ in 0..300 {
        client.write(vec![7; 1000]);
        sim.run_for(Duration::from_secs(1));
    }
    client.abort_connection();
    let last = seen(&sim, &mut watch).pop().unwrap();
    assert!(matches!(last.1, TrafficKind::Lost(_)) && last.0 > 0, "{last:?}");
}

#[test]
fn a_callback_that_hangs_is_among_the_slow_ones_at_once_and_with_its_time_afterwards() {
    fn of_this_test() -> Option<SlowCallback> {
        slow_callbacks().into_iter().find(|slow| slow.name.is_some_and(|name| name.ends_with("::Hanging")))
    }

    struct Hanging;

    impl Protocol for Hanging {
        fn data_received(&mut self, _data: &[u8]) {
            // It hangs until the watchdog has seen that.
            while of_this_test().is_none() {
                thread::yield_now();
            }
        }
    }

    in_time(|| {
        let _watchdog = Watchdog::new().slow_after(Duration::from_millis(4)).start().unwrap();
        let reactor = Reactor::new().unwrap();
        let hour = Duration::from_secs(3600);
        let port = reactor.listen_tcp("127.0.0.1:0", IdleTimeout::around(hour, |_| Hanging)).unwrap();
        reactor.connect_tcp(port.host().socket_addr().unwrap(), |transport| Sender { transport, text: "x" });
        let watched = reactor.clone();
        let slow = reactor.run_until(async move {
            loop {
                match of_this_test() {
                    Some(slow) if !slow.running => return (slow, watched.connections()),
                    _ => watched.sleep(Duration::from_millis(1)).await,
                }
            }
        });
        let (slow, connections) = slow.unwrap();
        assert_eq!((slow.callback, slow.thread), ("data_received", 0));
        assert!(slow.took >= Duration::from_millis(4) && slow.number > 0, "{slow:?}");
        let served = connections.iter().find(|connection| connection.port.is_some()).unwrap();
        assert_eq!(slow.connection, Some(served.id), "that of the outermost layer, as in the log");
    });
}

#[test]
fn panics_are_counted() {
    let reactor = Reactor::new().unwrap();
    reactor.call_later(Duration::ZERO, || panic!("as told"));
    let other = Reactor::new().unwrap();
    let (asking, (tell, told)) = (reactor.clone(), mpsc::channel());
    reactor.call_later(Duration::from_millis(1), move || {
        tell.send((asking.stats(), other.stats())).unwrap();
        asking.stop();
    });
    reactor.run().unwrap();
    let (stats, of_other) = told.recv().unwrap();
    assert_eq!(of_other, Stats::default(), "it does not run");
    assert_eq!(stats.panics, 1);
    assert!(stats.turns > 0, "it has waited for the second call: {stats:?}");
}

#[test]
fn the_numbers_of_all_threads_are_those_of_each() {
    in_time(|| {
        run_on_threads(2, |reactor| {
            if reactor.thread_number() == 0 {
                let asking = reactor.clone();
                reactor.spawn(async move {
                    // The other thread may not have begun.
                    while asking.stats_of_threads().await.len() < 2 {
                        asking.sleep(Duration::from_millis(1)).await;
                    }
                    let mut numbers = Vec::new();
                    for (number, thread) in asking.threads() {
                        numbers.push((number, thread.ask(Reactor::thread_number).await));
                    }
                    assert_eq!(numbers, [(0, Some(0)), (1, Some(1))]);
                    asking.stop();
                });
            }
            Ok(())
        })
        .unwrap();
    });
}
