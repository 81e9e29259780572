//! What a reactor says of itself.

use std::sync::mpsc;
use std::time::Duration;

use protocols::policies::IdleTimeout;
use reactor::inspect::{Reading, Stats};
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
    server.connections().iter().for_each(|connection| assert!(connection.accepted));
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
        assert_eq!((connection.host.to_string(), connection.accepted), ("10.0.0.1:7".to_owned(), true));
    }
    assert!(connections[2].unsent_bytes > 100_000);
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
                    asking.stop();
                });
            }
            Ok(())
        })
        .unwrap();
    });
}
