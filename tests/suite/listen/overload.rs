//! More clients than a port accepts.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocols::policies::IdleTimeout;
use protocols::proxy_header::ProxyHeader;
use protocols::web_socket::WebSocket;
use reactor::net::{ConnectOptions, ListenOptions};
use reactor::port::AcceptLimits;
use reactor::testing::Simulation;
use reactor::{Port, Transport, run_on_threads};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Callback, Log, Recorder, count_logged};

const SECOND: Duration = Duration::from_secs(1);

/// A port of the simulated host "server".
fn listen(sim: &Simulation, limits: AcceptLimits) -> Port {
    listen_on(sim, "server", ListenOptions::new(7).limits(limits))
}

fn listen_on(sim: &Simulation, host: &str, options: ListenOptions) -> Port {
    sim.host(host).listen_tcp(options, |transport| Recorder::new(transport, Log::default())).unwrap()
}

/// Connects, and logs what becomes of it.
fn connect(sim: &Simulation, host: &str, options: impl Into<ConnectOptions>) -> Log {
    let log = Log::default();
    let seen = log.clone();
    sim.host(host).connect_tcp(options, move |transport| Recorder::new(transport, seen.clone()));
    log
}

/// Whether a client that connects is let in; it stays.
#[track_caller]
fn is_let_in(sim: &Simulation, host: &str) -> bool {
    is_let_in_at(sim, host, "server:7")
}

#[track_caller]
fn is_let_in_at(sim: &Simulation, host: &str, target: &str) -> bool {
    let log = connect(sim, host, target);
    sim.run_for(SECOND);
    let let_in = log.lines() == ["made"];
    assert!(let_in || log.lines() == ["made", "eof", "lost Done", "dropped"], "{:?}", log.lines());
    let_in
}

#[test]
fn a_connection_whose_proxy_header_has_not_come_is_not_established() {
    let sim = Simulation::new(1);
    let inside =
        ProxyHeader::around(|transport| Recorder::new(transport, Log::default())).trust(["0.0.0.0/0"]).unwrap();
    let options = ListenOptions::new(7).limits(AcceptLimits::new().pending(1));
    let port = sim.host("server").listen_tcp(options, inside).unwrap();
    let proxy = |header: &'static str| {
        sim.host("proxy").connect_tcp("server:7", move |transport: Transport| {
            Recorder::new(transport, Log::default()).on(Callback::Made, move |this| this.transport.write(header))
        });
        sim.run_for(SECOND);
        (port.pending_count(), port.connection_count(), port.refusals().pending)
    };
    assert_eq!(proxy("PROXY UNKNOWN\r\n"), (0, 1, 0));
    assert_eq!(proxy("PROXY "), (1, 2, 0));
    assert_eq!(proxy("PROXY UNKNOWN\r\n"), (0, 2, 0));
    assert_eq!(port.refusals().displaced, 1, "the one whose header had not come gave way");
}

#[test]
fn a_port_and_each_of_its_peers_have_connections_up_to_their_limits() {
    let sim = Simulation::new(1);
    let port = listen(&sim, AcceptLimits::new().connections(5).per_peer(2));
    let let_in = ["one", "one", "one", "two", "two", "two", "three", "three"].map(|host| is_let_in(&sim, host));
    assert_eq!(let_in, [true, true, false, true, true, false, true, false]);
    assert_eq!((port.connection_count(), port.refusals().per_peer, port.refusals().connections), (5, 2, 1));
    assert_eq!(port.refusals().total(), 3);
    sim.reset_connections("one", "server");
    assert_eq!(["two", "one", "one", "one"].map(|host| is_let_in(&sim, host)), [false, true, true, false]);
}

#[test]
fn a_client_that_nothing_is_built_for_does_not_count_for_its_peer() {
    let sim = Simulation::new(1);
    let mut clients = 0;
    let factory = move |transport| {
        clients += 1;
        (clients > 2).then(|| Recorder::new(transport, Log::default()))
    };
    let options = ListenOptions::new(7).limits(AcceptLimits::new().per_peer(1));
    sim.host("server").listen_tcp(options, factory).unwrap();
    assert_eq!([0; 4].map(|_| is_let_in(&sim, "client")), [false, false, true, false]);
}

#[test]
fn addresses_of_one_ipv6_network_are_one_peer() {
    let sim = Simulation::new(1);
    let port = listen_on(&sim, "server", ListenOptions::new("[::]:7").limits(AcceptLimits::new().per_peer(1)));
    let ipv6 = |host: &str| {
        sim.host(host);
        sim.addresses_of(host).into_iter().find(IpAddr::is_ipv6).unwrap()
    };
    let [one, two, server] = ["one", "two", "server"].map(ipv6);
    let network = |address: IpAddr| reactor::Address::Inet((address, 0).into()).network();
    assert_eq!(network(one), network(two));
    let logs = ["one", "two"].map(|host| connect(&sim, host, (server, 7)));
    sim.run_for(SECOND);
    assert_eq!((logs[0].has("lost"), logs[1].has("lost"), port.refusals().per_peer), (false, true, 1));
}

#[test]
fn clients_that_come_faster_than_allowed_wait_and_none_is_refused() {
    let sim = Simulation::new(1);
    let port = listen(&sim, AcceptLimits::new().rate(10, 20));
    let logs: Vec<_> = (0..50).map(|_| connect(&sim, "client", "server:7")).collect();
    let mut accepted = Vec::new();
    for _ in 0..5 {
        sim.run_for(SECOND);
        accepted.push(port.connection_count());
    }
    // One waits for each tenth of a second; connecting takes a moment.
    assert_eq!(accepted, [29, 39, 49, 50, 50]);
    assert_eq!((port.accept_wait_count(), port.refusals().total()), (30, 0));
    assert!(logs.iter().all(|log| log.lines() == ["made"]));
    // Stopped meanwhile, it closes at once.
    for _ in 0..50 {
        connect(&sim, "client", "server:7");
    }
    sim.run_for(SECOND);
    drop(port.stop_listening());
    sim.run_for(SECOND / 100);
    assert!(sim.host("server").listen_tcp(7, |_| None::<Recorder>).is_ok());
}

#[test]
fn clients_beyond_the_budget_of_all_connections_are_turned_away_on_whatever_port() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    assert_eq!(server.connection_budget(), usize::MAX);
    server.set_connection_budget(3);
    let ports = [7, 8].map(|port| listen_on(&sim, "server", port.into()));
    // One that is made counts, and is not refused.
    listen_on(&sim, "other", 9.into());
    let made = connect(&sim, "server", "other:9");
    let clients = [("one", "server:7"), ("two", "server:8"), ("one", "server:7"), ("two", "server:8")];
    let logs = clients.map(|(host, target)| {
        let log = connect(&sim, host, target);
        sim.run_for(SECOND);
        log.has("lost")
    });
    assert_eq!(logs, [false, false, true, true]);
    assert_eq!(ports.each_ref().map(|port| (port.connection_count(), port.refusals().budget)), [(1, 1), (1, 1)]);
    let more = connect(&sim, "server", "other:9");
    sim.run_for(SECOND);
    assert_eq!([made.lines(), more.lines()], [["made"], ["made"]]);
    sim.reset_connections("server", "other");
    assert!(is_let_in(&sim, "three") && !is_let_in(&sim, "three"));
}

#[test]
fn the_budget_of_a_process_leaves_some_of_the_open_files_it_may_have_and_threads_share_it() {
    let files = rig::open_files();
    let budgets = Mutex::new(Vec::new());
    run_on_threads(2, |reactor| {
        budgets.lock().unwrap().push(reactor.connection_budget());
        reactor.set_connection_budget(7);
        reactor.stop();
        Ok(())
    })
    .unwrap();
    let budgets = budgets.into_inner().unwrap();
    assert!(budgets[0] < files - files / 64 && budgets[0] > 0, "{budgets:?}");
    assert_eq!(budgets[1], 7, "of both");
}

/// Writes so much when it is made, and then a word for each that it gets.
fn pour(transport: Transport, bytes: usize, log: &Log) -> Recorder {
    let recorder = Recorder::new(transport, log.clone()).on(Callback::Data, |this| this.transport.write("pong"));
    recorder.on(Callback::Made, move |this| this.transport.write(vec![b'x'; bytes]))
}

/// A client that does not read.
fn stall(sim: &Simulation, target: &str) {
    sim.host("client").connect_tcp(target, |transport: Transport| {
        Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.pause_reading())
    });
    sim.run_for(SECOND);
}

#[test]
fn beyond_the_memory_budget_the_connection_that_is_furthest_behind_ends_and_others_are_served_on() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    let [large, middle, small] = [Log::default(), Log::default(), Log::default()];
    let ports = [(7, 900_000, &large), (8, 700_000, &middle), (9, 400_000, &small)].map(|(port, bytes, log)| {
        let log = log.clone();
        server.listen_tcp(port, move |transport| pour(transport, bytes, &log)).unwrap()
    });
    server.set_memory_budget(1_400_000);
    // The network takes 262,144 bytes of each.
    stall(&sim, "server:7");
    stall(&sim, "server:8");
    assert_eq!(server.held_bytes(), 900_000 + 700_000 - 2 * 262_144);
    stall(&sim, "server:9");
    assert_eq!(server.held_bytes(), 700_000 + 400_000 - 2 * 262_144);
    assert!(large.has("lost Evicted") && !middle.has("lost") && !small.has("lost"));
    // Who would be the furthest behind ends itself.
    stall(&sim, "server:7");
    assert_eq!((large.count("lost Evicted"), server.evicted()), (2, 2));
    let asking = connect(&sim, "client", "server:9");
    sim.run_for(SECOND);
    assert_eq!(asking.received_len(), 400_000);
    assert_eq!(ports.each_ref().map(|port| port.connection_count()), [0, 1, 2]);
}

#[test]
fn what_waits_inside_layers_counts_for_the_connection_around_them() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    let log = Log::default();
    let seen = log.clone();
    let inside = move |transport| pour(transport, 700_000, &seen);
    let layers = IdleTimeout::around(3600 * SECOND, IdleTimeout::around(3600 * SECOND, inside));
    server.listen_tcp(7, layers).unwrap();
    server.set_memory_budget(800_000);
    stall(&sim, "server:7");
    assert_eq!(server.held_bytes(), 700_000 - 262_144);
    let (asking, other) = (Log::default(), Log::default());
    let (seen, kept) = (asking.clone(), other.clone());
    server.listen_tcp(8, move |transport| pour(transport, 400_000, &kept)).unwrap();
    sim.host("client").connect_tcp("server:8", move |transport| Recorder::new(transport, seen.clone()));
    sim.run_for(SECOND);
    assert_eq!((log.count("lost Evicted"), other.has("lost"), asking.received_len()), (1, false, 400_000));
    assert_eq!(server.held_bytes(), 0);
}

#[test]
fn of_many_clients_that_are_turned_away_one_line_a_reason_is_logged_in_a_while() {
    let (_logging, lines) = count_logged(LevelFilter::WARN);
    let sim = Simulation::new(1);
    let port = listen(&sim, AcceptLimits::new().connections(1).per_peer(0).rate(10, 1));
    for (waits, refused, logged) in [(19, 20, 2), (38, 40, 2), (57, 60, 4)] {
        for _ in 0..20 {
            connect(&sim, "client", "server:7");
        }
        sim.run_for(2 * SECOND);
        assert_eq!(
            (port.accept_wait_count(), port.refusals().total(), lines.load(Ordering::Relaxed)),
            (waits, refused, logged)
        );
    }
}

/// A port of web sockets with what is inside them.
fn listen_for_web_sockets(sim: &Simulation, limits: AcceptLimits) -> (Port, Log) {
    let log = Log::default();
    let seen = log.clone();
    let inside = WebSocket::around(move |transport| Recorder::new(transport, seen.clone()));
    (sim.host("server").listen_tcp(ListenOptions::new(7).limits(limits), inside).unwrap(), log)
}

/// A client that shakes hands and says hello.
fn greet(sim: &Simulation, host: &str) {
    let greeting = |transport: Transport| {
        Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.write("hello"))
    };
    sim.host(host).connect_tcp("server:7", WebSocket::client("ws://server/", greeting));
    sim.run_for(SECOND);
}

#[test]
fn unestablished_connections_are_counted_and_beyond_the_limit_the_oldest_gives_way() {
    let sim = Simulation::new(1);
    let (port, log) = listen_for_web_sockets(&sim, AcceptLimits::new().pending(2));
    let first = connect(&sim, "one", "server:7");
    sim.run_for(SECOND);
    // An established connection does not count as pending.
    greet(&sim, "client");
    assert_eq!(
        (log.lines(), port.pending_count(), port.connection_count()),
        (vec!["made".into(), "data hello".into()], 1, 2)
    );
    assert!(is_let_in(&sim, "two"));
    assert_eq!((port.pending_count(), port.refusals().total()), (2, 0));
    assert!(is_let_in(&sim, "three"));
    assert_eq!((port.pending_count(), port.connection_count(), port.refusals().displaced), (2, 3, 1));
    assert!(first.has("lost") && !log.has("lost"));
    // Their handshakes time out.
    sim.run_for(10 * SECOND);
    assert_eq!((port.pending_count(), port.connection_count()), (0, 1));
    assert!(is_let_in(&sim, "client"));
    sim.reset_connections("client", "server");
    sim.run_for(SECOND);
    assert_eq!((port.pending_count(), port.connection_count()), (0, 0));
}

#[test]
fn of_those_that_are_not_established_the_peer_with_most_gives_way_and_no_other() {
    let sim = Simulation::new(1);
    let (port, _) = listen_for_web_sockets(&sim, AcceptLimits::new().pending(4).pending_per_peer(3));
    let honest = connect(&sim, "honest", "server:7");
    let flood: Vec<_> = (0..20).map(|_| connect(&sim, "flood", "server:7")).collect();
    sim.run_for(SECOND);
    let standing = |logs: &[Log]| logs.iter().filter(|log| !log.has("lost")).count();
    // Beyond its share the peer's own oldest goes.
    assert_eq!((port.pending_count(), standing(&flood), port.refusals().displaced), (4, 3, 17));
    for host in ["one", "two"] {
        assert!(is_let_in(&sim, host));
    }
    assert_eq!((standing(&flood), honest.has("lost"), port.refusals().total()), (1, false, 19));
    assert!(flood[19].lines() == ["made"], "the newest stays");
}

#[test]
fn where_a_port_or_the_reactor_is_full_those_that_are_not_established_give_way_to_newcomers() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    server.set_connection_budget(4);
    let (port, log) = listen_for_web_sockets(&sim, AcceptLimits::new().per_peer(usize::MAX));
    let silent: Vec<_> = (0..4).map(|_| connect(&sim, "silent", "server:7")).collect();
    sim.run_for(SECOND);
    for host in ["one", "two", "three", "four"] {
        greet(&sim, host);
    }
    assert_eq!((log.count("made"), log.has("lost"), port.connection_count()), (4, false, 4));
    assert_eq!((port.refusals().displaced, port.refusals().total()), (4, 4));
    assert!(silent.iter().all(|log| log.has("lost")));
    // Established connections never give way.
    assert!(!is_let_in(&sim, "five"));
    assert_eq!((port.refusals().budget, log.has("lost")), (1, false));
}

#[test]
fn where_the_reactor_is_full_those_of_another_port_give_way_too_but_not_to_a_peer_that_has_its_share() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    server.set_connection_budget(4);
    let unlimited = AcceptLimits::new().per_peer(usize::MAX);
    let (port, _) = listen_for_web_sockets(&sim, unlimited);
    let other = listen_on(&sim, "server", 8.into());
    let silent: Vec<_> = (0..4).map(|_| connect(&sim, "silent", "server:7")).collect();
    sim.run_for(SECOND);
    assert!(is_let_in_at(&sim, "one", "server:8") && is_let_in_at(&sim, "one", "server:8"));
    // One more would be more than half of all.
    assert!(!is_let_in_at(&sim, "one", "server:8"));
    assert!(is_let_in_at(&sim, "two", "server:8"));
    assert_eq!(silent.iter().map(|log| log.has("lost")).collect::<Vec<_>>(), [true, true, true, false]);
    assert_eq!((port.refusals().displaced, port.refusals().total()), (3, 3));
    assert_eq!((other.connection_count(), other.refusals().total()), (3, 1));
}

#[test]
fn no_peer_has_more_than_half_of_the_connections_unless_it_is_allowed_to() {
    let sim = Simulation::new(1);
    let port = listen(&sim, AcceptLimits::new().connections(6));
    assert_eq!(["one"; 4].map(|host| is_let_in(&sim, host)), [true, true, true, false]);
    assert_eq!(["two"; 4].map(|host| is_let_in(&sim, host)), [true, true, true, false]);
    assert_eq!((port.refusals().per_peer, port.refusals().connections), (1, 1));
    // Over all ports it is half of the budget.
    let server = sim.host("bounded");
    server.set_connection_budget(4);
    let ports = [7, 8].map(|port| listen_on(&sim, "bounded", port.into()));
    let proxied = listen_on(&sim, "bounded", ListenOptions::new(9).limits(AcceptLimits::new().per_peer(3)));
    let targets = ["bounded:7", "bounded:8", "bounded:7", "bounded:8", "bounded:9", "bounded:9"];
    let logs = targets.map(|target| {
        let log = connect(&sim, "one", target);
        sim.run_for(SECOND);
        log.has("lost")
    });
    assert_eq!(logs, [false, false, true, true, false, false]);
    assert_eq!(ports.map(|port| port.refusals().per_peer), [1, 1]);
    assert_eq!(proxied.connection_count(), 2);
}
