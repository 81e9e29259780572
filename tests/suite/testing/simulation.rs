//! Whole programs on the simulated network.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use reactor::connect::ConnectErrorKind;
use reactor::net::{ConnectOptions, ConnectionOptions, ListenOptions};
use reactor::testing::{Link, Simulation, expect_panic};
use reactor::{CloseReason, Connector, Protocol, Reactor, Transport};
use rig::storm;

/// An echo.
struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

/// Sends something, and keeps what it receives.
struct Client {
    transport: Transport,
    greeting: Vec<u8>,
    seen: Rc<Seen>,
}

#[derive(Default)]
struct Seen {
    data: RefCell<Vec<u8>>,
    chunks: Cell<usize>,
    lost: RefCell<Vec<String>>,
    /// Closes when it has received this much.
    enough: Cell<usize>,
}

impl Protocol for Client {
    fn connection_made(&mut self) {
        self.transport.write(&self.greeting);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.seen.chunks.set(self.seen.chunks.get() + 1);
        self.seen.data.borrow_mut().extend(data);
        if self.seen.data.borrow().len() == self.seen.enough.get() {
            self.transport.lose_connection();
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.seen.lost.borrow_mut().push(reason.to_string());
    }
}

fn echo_server(sim: &Simulation) -> Reactor {
    let server = sim.host("server");
    server.listen_tcp(7, |transport| Echo { transport }).unwrap();
    server
}

fn client(sim: &Simulation, greeting: &[u8], enough: usize) -> (Connector, Rc<Seen>) {
    let seen = Rc::new(Seen { enough: Cell::new(enough), ..Seen::default() });
    let (kept, greeting) = (Rc::clone(&seen), greeting.to_vec());
    let connector = sim.host("client").connect_tcp("server:7", move |transport| Client {
        transport,
        greeting: greeting.clone(),
        seen: Rc::clone(&kept),
    });
    (connector, seen)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * i / 7) as u8).collect()
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn every_byte_comes_back_in_order_over_a_rough_network() {
    Simulation::for_seeds(0..50, |sim| {
        sim.set_link(Link::rough().bandwidth(Some(1_000_000)));
        echo_server(sim);
        let sent = pattern(300_000);
        let (_, seen) = client(sim, &sent, sent.len());
        sim.run_until_quiet(HOUR);
        assert!(*seen.data.borrow() == sent);
        assert_eq!(*seen.lost.borrow(), ["connection closed cleanly"]);
        assert_eq!(sim.host("server").connection_count() + sim.host("client").connection_count(), 0);
    });
}

#[test]
fn equal_seeds_give_equal_logs_and_others_give_others() {
    let run = |seed| {
        let sim = Simulation::new(seed);
        sim.set_link(Link::rough().resets(0.01));
        echo_server(&sim);
        for len in [1, 10, 1000, 100_000] {
            client(&sim, &pattern(len), len);
        }
        sim.run_for(Duration::from_secs(2));
        sim.crash("server");
        sim.run_for(Duration::from_secs(2));
        echo_server(&sim);
        sim.run_until_quiet(HOUR);
        (sim.log(), sim.host("client").random())
    };
    let first = run(7);
    assert!(first.0.lines().count() > 30, "{}", first.0);
    assert_eq!(first, run(7));
    assert_ne!(first.0, run(8).0);
    assert_ne!(first.1, run(8).1);
}

#[test]
fn the_log_of_a_seed_is_the_same_in_every_build() {
    let sim = Simulation::new(1);
    sim.set_link(Link::rough());
    echo_server(&sim);
    client(&sim, b"hello", 5);
    sim.run_until_quiet(HOUR);
    assert_eq!(sim.log(), LOG_OF_SEED_1);
}

const LOG_OF_SEED_1: &str = "   0.000000000 host 0 up
   0.000000000 host 1 up
   0.031281580 [fd00::2]:32768 > [fd00::1]:7 open, attempt 0
   0.057666219 [fd00::1]:7 > [fd00::2]:32768 not opened 0
   0.072251626 10.0.0.2:32769 > 10.0.0.1:7 open, attempt 0
   0.108406331 10.0.0.1:7 > 10.0.0.2:32769 opened 0
   0.120041828 10.0.0.2:32769 > 10.0.0.1:7 data 0
   0.144172625 10.0.0.2:32769 > 10.0.0.1:7 data 5
   0.153386119 10.0.0.1:7 > 10.0.0.2:32769 data 5
   0.180733421 10.0.0.2:32769 > 10.0.0.1:7 data and end 0
   0.210614020 10.0.0.1:7 > 10.0.0.2:32769 data and end 0
";

#[test]
fn in_a_storm_every_promise_is_kept_and_every_build_sees_the_same() {
    let outcomes = RefCell::new(Vec::new());
    Simulation::for_seeds(0..storm::KNOWN_SEEDS, |sim| outcomes.borrow_mut().push(storm::play(sim)));
    let outcomes = outcomes.into_inner();
    assert!(outcomes.iter().all(|outcome| outcome.connections >= 96), "{outcomes:?}");
    if std::env::var_os("REACTOR_SEED").is_none() {
        assert_eq!(storm::fingerprint(outcomes), storm::KNOWN_FINGERPRINT);
    }
}

#[test]
fn a_client_that_the_servers_factory_refuses_sees_the_end() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    server.listen_tcp(7, |_| None::<Echo>).unwrap();
    let (_, seen) = client(&sim, b"", 1);
    sim.run_until_quiet(HOUR);
    assert_eq!(*seen.lost.borrow(), ["connection closed cleanly"]);
}

#[test]
fn a_port_on_which_nobody_listens_refuses() {
    let sim = Simulation::new(0);
    sim.host("server");
    let (connector, _) = client(&sim, b"", 0);
    let error = sim.host("client").run_until(connector.finished()).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to server:7: connection refused");
    assert_eq!(error.attempts().len(), 2);
}

#[test]
fn a_name_that_is_no_hosts_is_not_known() {
    let sim = Simulation::new(0);
    let (connector, _) = client(&sim, b"", 0);
    let error = sim.host("client").run_until(connector.finished()).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to server:7: name not known");
}

#[test]
fn a_host_that_is_down_says_nothing_until_the_deadline() {
    let sim = Simulation::new(0);
    echo_server(&sim);
    sim.crash("server");
    let deadline = Duration::from_secs(5);
    let options = ConnectOptions::new("server:7").deadline(Some(deadline));
    let host = sim.host("client");
    let connector = host.connect_tcp(options, |transport| Echo { transport });
    let error = host.run_until(connector.finished()).unwrap().unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Deadline(deadline));
    assert_eq!(sim.elapsed().as_secs(), 5);
}

#[test]
fn s058_without_a_deadline_the_system_gives_up_after_two_minutes() {
    let sim = Simulation::new(0);
    echo_server(&sim);
    sim.crash("server");
    let host = sim.host("client");
    let options = ConnectOptions::new("server:7").deadline(None);
    let connector = host.connect_tcp(options, |transport| Echo { transport });
    let error = host.run_until(connector.finished()).unwrap().unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::TimedOut);
    assert_eq!(sim.elapsed().as_secs(), 127);
}

#[test]
fn s136_behind_an_address_that_swallows_everything_the_other_family_is_tried_after_a_quarter_of_a_second() {
    let sim = Simulation::new(0);
    sim.host("server").listen_tcp("[::]:7", |transport| Echo { transport }).unwrap();
    let [ipv6, ipv4] = sim.addresses_of("server")[..] else { panic!("two addresses") };
    assert!(ipv6.is_ipv6() && ipv4.is_ipv4());
    sim.set_black_hole(ipv6, true);
    let (connector, seen) = client(&sim, b"hi", 2);
    sim.run_for(Duration::from_millis(249));
    assert!(connector.transport().is_none());
    sim.run_for(Duration::from_millis(4));
    assert_eq!(connector.transport().unwrap().peer().socket_addr().unwrap().ip(), ipv4);
    sim.run_until_quiet(HOUR);
    assert_eq!(*seen.data.borrow(), b"hi");
}

#[test]
fn a_partition_delays_but_loses_nothing() {
    let sim = Simulation::new(0);
    echo_server(&sim);
    let sent = pattern(100_000);
    let (_, seen) = client(&sim, &sent, sent.len());
    sim.run_for(Duration::from_millis(4));
    sim.partition("client", "server");
    sim.run_for(Duration::from_secs(500));
    assert!(seen.data.borrow().len() < sent.len());
    assert!(seen.lost.borrow().is_empty());
    sim.heal("client", "server");
    sim.run_until_quiet(HOUR);
    assert!(*seen.data.borrow() == sent);
    assert_eq!(*seen.lost.borrow(), ["connection closed cleanly"]);
}

/// How long keep-alive takes by default: 5 minutes, and 9 probes in intervals of half a minute.
const KEPT_ALIVE: Duration = Duration::from_secs(570);

#[test]
fn a_silent_connection_that_is_cut_off_ends_by_keep_alive() {
    let sim = Simulation::new(0);
    echo_server(&sim);
    let (_, seen) = client(&sim, b"hello", usize::MAX);
    sim.run_for(Duration::from_millis(20));
    assert_eq!(*seen.data.borrow(), b"hello");
    // Not if that ends before.
    for _ in 0..2 {
        sim.partition("client", "server");
        sim.run_for(KEPT_ALIVE - Duration::from_secs(1));
        sim.heal("client", "server");
        sim.run_for(Duration::from_secs(30));
    }
    sim.partition("client", "server");
    sim.run_for(KEPT_ALIVE - Duration::from_secs(1));
    assert_eq!((seen.lost.borrow().len(), sim.host("server").connection_count()), (0, 1));
    sim.run_for(Duration::from_secs(2));
    assert_eq!(*seen.lost.borrow(), ["connection lost: timed out"]);
    assert_eq!(sim.host("server").connection_count(), 0);
}

#[test]
fn a_silent_client_learns_by_keep_alive_that_its_server_has_crashed_even_if_it_is_back() {
    let sim = Simulation::new(0);
    echo_server(&sim);
    let (_, seen) = client(&sim, b"hello", usize::MAX);
    sim.run_for(Duration::from_millis(20));
    sim.crash("server");
    sim.run_for(Duration::from_secs(60));
    sim.host("server");
    sim.run_for(KEPT_ALIVE);
    assert_eq!(*seen.lost.borrow(), ["connection lost: connection reset"]);
}

#[test]
fn without_keep_alive_nobody_notices_a_partition_before_somebody_sends() {
    let sim = Simulation::new(0);
    let options = ListenOptions::new(7).connection(ConnectionOptions::new().keep_alive(None));
    sim.host("server").listen_tcp(options, |transport| Echo { transport }).unwrap();
    let (connector, seen) = client(&sim, b"hello", usize::MAX);
    sim.run_for(Duration::from_millis(20));
    connector.transport().unwrap().set_keep_alive(None);
    sim.run_for(Duration::from_millis(20));
    sim.partition("client", "server");
    sim.run_for(HOUR);
    assert_eq!((seen.lost.borrow().len(), sim.host("server").connection_count()), (0, 1));
}

#[test]
fn the_peer_of_a_crashed_host_notices_when_it_sends_after_the_host_is_back() {
    let sim = Simulation::new(0);
    let server_lost = Rc::new(Cell::new(0));
    let lost = Rc::clone(&server_lost);
    struct Server {
        lost: Rc<Cell<u32>>,
    }
    impl Protocol for Server {
        fn data_received(&mut self, _data: &[u8]) {}
        fn connection_lost(&mut self, _reason: CloseReason) {
            self.lost.set(self.lost.get() + 1);
        }
    }
    sim.host("server").listen_tcp(7, move |_: Transport| Server { lost: Rc::clone(&lost) }).unwrap();
    let (connector, seen) = client(&sim, b"hello", usize::MAX);
    sim.run_for(Duration::from_millis(20));
    sim.crash("server");
    sim.run_for(Duration::from_secs(60));
    assert!(seen.lost.borrow().is_empty(), "half open: nobody told the client");
    assert_eq!(server_lost.get(), 0, "a crash calls nothing back");

    connector.transport().unwrap().write("are you there?");
    sim.run_for(Duration::from_secs(60));
    assert!(seen.lost.borrow().is_empty());
    sim.host("server");
    sim.run_for(Duration::from_secs(1));
    assert_eq!(seen.lost.borrow().len(), 1);
    assert!(seen.lost.borrow()[0].starts_with("connection lost: "), "{:?}", seen.lost);
}

#[test]
fn resetting_connections_ends_both_ends_as_lost() {
    let sim = Simulation::new(0);
    let server = echo_server(&sim);
    let (connector, seen) = client(&sim, b"hello", usize::MAX);
    sim.run_for(Duration::from_millis(20));
    assert_eq!(server.connection_count(), 1);
    sim.reset_connections("server", "client");
    sim.run_for(Duration::ZERO);
    assert_eq!(server.connection_count(), 0);
    assert_eq!(seen.lost.borrow().len(), 1);
    assert!(connector.transport().is_none());
}

#[test]
fn stopping_a_host_sends_what_was_written_and_closes() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    struct Farewell {
        transport: Transport,
    }
    impl Protocol for Farewell {
        fn connection_made(&mut self) {
            self.transport.write(pattern(200_000));
        }
        fn data_received(&mut self, _data: &[u8]) {}
    }
    server.listen_tcp(7, |transport| Farewell { transport }).unwrap();
    sim.set_link(Link::new().bandwidth(Some(100_000)));
    let (_, seen) = client(&sim, b"", usize::MAX);
    sim.run_for(Duration::from_millis(50));
    server.stop();
    server.run().unwrap();
    sim.run_until_quiet(HOUR);
    assert_eq!(seen.data.borrow().len(), 200_000);
    assert_eq!(*seen.lost.borrow(), ["connection closed cleanly"]);
    assert!(!server.is_running());
    assert!(server.run().is_err(), "a reactor runs once");
}

#[test]
fn s275_the_same_main_runs_in_a_simulation() {
    fn main(reactor: &Reactor) -> std::io::Result<Vec<u8>> {
        reactor.listen_tcp("127.0.0.1:7", |transport| Echo { transport })?;
        let seen = Rc::new(Seen { enough: Cell::new(4), ..Seen::default() });
        let kept = Rc::clone(&seen);
        let client = reactor.connect_tcp("localhost:7", move |transport| Client {
            transport,
            greeting: b"ping".to_vec(),
            seen: Rc::clone(&kept),
        });
        reactor.run_until(client.finished())??;
        Ok(seen.data.take())
    }
    assert_eq!(main(&Simulation::new(3).host("here")).unwrap(), b"ping");
}

#[test]
fn waiting_for_what_cannot_come_is_an_error() {
    let sim = Simulation::new(0);
    let error = sim.host("alone").run_until(std::future::pending::<()>()).unwrap_err();
    assert_eq!(error.to_string(), "nothing is left to happen in the simulation, and there is no result yet");
}

#[test]
fn a_chain_of_calls_without_delay_does_not_stop_the_time() {
    fn again(reactor: Reactor, count: Rc<Cell<u32>>) {
        count.set(count.get() + 1);
        let next = reactor.clone();
        reactor.call_later(Duration::ZERO, move || again(next, count));
    }
    let sim = Simulation::new(0);
    let count = Rc::new(Cell::new(0));
    again(sim.host("busy"), Rc::clone(&count));
    sim.run_for(Duration::from_millis(1));
    assert!(sim.elapsed() <= Duration::from_micros(1010), "{:?}", sim.elapsed());
    assert!(count.get() >= 1000, "{}", count.get());
}

#[test]
fn a_job_for_another_thread_runs_in_place() {
    let sim = Simulation::new(0);
    let host = sim.host("worker");
    let job = host.defer_to_thread(|| 6 * 7);
    assert_eq!(host.run_until(job).unwrap().unwrap(), 42);
}

#[test]
fn a_future_that_needs_tokio_ends_its_connection_and_says_so() {
    struct NeedsTokio {
        transport: Transport,
        lost: Rc<RefCell<String>>,
    }
    impl Protocol for NeedsTokio {
        fn connection_made(&mut self) {
            let future = async { tokio::net::UdpSocket::bind("127.0.0.1:0").await.is_ok() };
            self.transport.defer(future, |_: &mut Self, _| {});
        }
        fn data_received(&mut self, _data: &[u8]) {}
        fn connection_lost(&mut self, reason: CloseReason) {
            self.lost.replace(reason.to_string());
        }
    }
    let sim = Simulation::new(0);
    let lost = Rc::new(RefCell::new(String::new()));
    let kept = Rc::clone(&lost);
    let server = sim.host("server");
    server.listen_tcp(7, move |transport| NeedsTokio { transport, lost: Rc::clone(&kept) }).unwrap();
    client(&sim, b"", 0);
    expect_panic("Tokio", || sim.run_until_quiet(HOUR));
    assert!(lost.borrow().contains("Tokio"), "{lost:?}");
}

#[test]
fn ports_are_taken_once_and_free_again_when_closed() {
    let sim = Simulation::new(0);
    let server = echo_server(&sim);
    let again = |address: &str| server.listen_tcp(address, |transport| Echo { transport });
    let error = again("127.0.0.1:7").unwrap_err();
    assert_eq!(error.to_string(), "cannot listen on 127.0.0.1:7: address in use");
    let error = again("192.0.2.1:7").unwrap_err();
    assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:7: not an address of this machine");
    let port = again("0").unwrap();
    assert_ne!(port.host().socket_addr().unwrap().port(), 0);
    port.stop_listening();
    sim.run_for(Duration::ZERO);
    again(&port.host().to_string()).unwrap();
}
