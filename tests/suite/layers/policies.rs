//! The policies of the protocols crate, each on a simulated network with many connections.

use std::cell::Cell;
use std::convert::identity;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use protocols::policies::{Bucket, ConnectionLimit, FirstMessageTimeout, IdleTimeout, Throttle, TrafficLog};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::testing::{Client, Simulation, StringTransport, expect_panic};
use reactor::{DelayedCall, Factory, Protocol, Reactor, Transport};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{Callback, Log, Recorder, Starting, count_logged};

const SECOND: Duration = Duration::from_secs(1);

struct EchoLines(Lines);

impl LineHandler for EchoLines {
    fn line_received(&mut self, line: &[u8]) {
        self.0.send_line(line);
    }
}

/// Writes without end, as fast as flow control allows.
struct Source(Transport);

impl Protocol for Source {
    fn connection_made(&mut self) {
        self.resume_writing();
    }
    fn data_received(&mut self, _data: &[u8]) {}
    fn resume_writing(&mut self) {
        while !self.0.is_full() {
            self.0.write([b'x'; 4096]);
        }
    }
}

/// Counts what it gets.
struct Sink(Rc<Cell<usize>>);

impl Protocol for Sink {
    fn data_received(&mut self, data: &[u8]) {
        self.0.set(self.0.get() + data.len());
    }
}

#[test]
fn s246_start_stop_and_every_callback_are_relayed_in_order() {
    let (sim, log, limit) = (Simulation::new(1), Log::default(), ConnectionLimit::total(9));
    let overflow = Starting { log: Log::default(), script: identity };
    let inside = limit.around_or(overflow, Starting { log: log.clone(), script: identity });
    let server = sim.host("server");
    let port = server.listen_tcp(7, IdleTimeout::around(SECOND, inside)).unwrap();
    let client = sim.host("client");
    client.connect_tcp("server:7", |transport: Transport| {
        transport.write("hi");
        transport.write_eof();
        Sink(Rc::default())
    });
    sim.run_for(10 * SECOND);
    server.spawn(async move { port.stop_listening().await });
    sim.run_for(SECOND);
    assert_eq!(log.lines(), ["start", "made", "data hi", "eof", "lost Done", "dropped", "stop"]);
    assert_eq!(limit.connection_count(), 0);
}

#[test]
fn s250_a_timer_of_the_protocols_own_is_set_restarted_and_cancelled() {
    struct Session {
        lines: Lines,
        timer: DelayedCall,
    }
    impl LineHandler for Session {
        fn line_received(&mut self, line: &[u8]) {
            match line {
                b"longer" => assert!(self.timer.reset(60 * SECOND)),
                b"never" => assert!(self.timer.cancel()),
                _ => assert!(self.timer.reset(10 * SECOND)),
            }
        }
    }
    let connect = || {
        StringTransport::connect(LineReceiver::factory(|lines: Lines| {
            let timer = lines.call_later(10 * SECOND, |this: &mut Session| this.lines.lose_connection());
            Session { lines, timer }
        }))
    };
    let mut wire = connect();
    for _ in 0..3 {
        wire.advance(9 * SECOND);
        wire.receive("x\r\n");
    }
    wire.receive("longer\r\n");
    wire.advance(59 * SECOND);
    assert!(wire.close_reason().is_none());
    wire.advance(SECOND);
    assert!(wire.close_reason().unwrap().is_clean());

    let mut wire = connect();
    wire.receive("never\r\n");
    wire.advance(1000 * SECOND);
    assert!(wire.close_reason().is_none());

    let mut wire = connect();
    let timer = wire.protocol::<Session>().timer.clone();
    wire.receive_eof();
    assert!(
        !timer.is_active() && wire.reactor().pending_call_count() == 0,
        "nobody has to cancel it when the connection ends"
    );
    assert!(!timer.reset(SECOND));
}

#[test]
fn s251_s252_limits_hold_for_all_ports_whatever_becomes_of_the_connections() {
    let sim = Simulation::new(1);
    let (total, per_peer) = (ConnectionLimit::total(8), ConnectionLimit::per_peer(5));
    let server = sim.host("server");
    let built = Rc::new(Cell::new(0));
    for port in [7, 8] {
        let built = Rc::clone(&built);
        let inside = move |transport: Transport| -> Option<Recorder> {
            built.set(built.get() + 1);
            match built.get() % 5 {
                3 => None,
                4 => panic!("oh"),
                _ => Some(Recorder::new(transport, Log::default())),
            }
        };
        server.listen_tcp(port, total.around(per_peer.around(inside))).unwrap();
    }
    for (host, connections) in [("one", 6), ("two", 6), ("three", 1)] {
        for number in 0..connections {
            let target = if number % 2 == 0 { "server:7" } else { "server:8" };
            sim.open(host, target);
        }
    }
    expect_panic("oh", || sim.run_for(SECOND));
    let standing = server.connection_count();
    assert_eq!((total.connection_count(), per_peer.connection_count()), (standing, standing));
    assert!(standing <= 8);
    assert_eq!(built.get() + (total.refused_count() + per_peer.refused_count()) as usize, 13);
    sim.reset_connections("one", "server");
    sim.crash("two");
    sim.host("three").stop();
    sim.run_for(SECOND);
    let standing = server.connection_count();
    assert_eq!((total.connection_count(), per_peer.connection_count()), (standing, standing));
    server.stop();
    sim.run_for(30 * SECOND);
    assert_eq!((total.connection_count(), per_peer.connection_count()), (0, 0));
}

#[test]
fn s252_the_sixth_connection_of_one_peer_is_refused_and_other_peers_are_not() {
    let sim = Simulation::new(1);
    let limit = ConnectionLimit::per_peer(5);
    sim.host("server").listen_tcp(7, limit.around(LineReceiver::factory(EchoLines))).unwrap();
    let connect = |host: &str| {
        let client = sim.open(host, "server:7");
        sim.run_for(SECOND);
        client.close_reason().is_none()
    };
    let served: Vec<_> = (0..6).map(|_| connect("one")).collect();
    assert_eq!(served, [true, true, true, true, true, false]);
    assert!(connect("two"));
    sim.reset_connections("one", "server");
    assert!(connect("one"));
}

#[test]
fn of_many_refused_connections_one_line_is_logged_in_a_while() {
    let (_logging, lines) = count_logged(LevelFilter::WARN);
    let (sim, limit) = (Simulation::new(1), ConnectionLimit::total(0));
    sim.host("server").listen_tcp(7, limit.around(Source)).unwrap();
    for (refused, logged) in [(100, 1), (200, 1), (300, 2)] {
        for _ in 0..100 {
            sim.open("client", "server:7");
        }
        sim.run_for(3 * SECOND);
        assert_eq!((limit.refused_count(), lines.load(Ordering::Relaxed)), (refused, logged));
    }
}

#[test]
fn s254_connections_that_share_a_bucket_take_turns() {
    let sim = Simulation::new(1);
    let bucket = Bucket::new(100_000, 10_000);
    let throttled = Throttle::around(move |_| Throttle::new().sending(bucket.clone()), Source);
    sim.host("server").listen_tcp(7, throttled).unwrap();
    let sinks: Vec<_> = (0..10).map(|_| sim.open("client", "server:7")).collect();
    sim.run_for(60 * SECOND);
    let late = sim.open("client", "server:7");
    sim.run_for(60 * SECOND);
    let received = |client: &Client| client.received().len();
    let total: usize = sinks.iter().chain([&late]).map(received).sum();
    assert!((11_900_000..=12_010_000).contains(&total), "{total}");
    for sink in &sinks {
        assert!((1_100_000..1_200_000).contains(&received(sink)), "{sink:?}");
    }
    assert!((530_000..600_000).contains(&received(&late)), "{late:?}");
}

#[test]
fn s254_children_that_want_little_leave_the_rest_of_their_parent_to_the_others() {
    let sim = Simulation::new(1);
    let parent = Bucket::new(100_000, 10_000);
    let connections = Cell::new(0);
    let throttled = Throttle::around(
        move |_| {
            let number = connections.replace(connections.get() + 1);
            // A hundred slow readers, and then one that may use the whole rate.
            let rate = if number < 100 { 100 } else { 1_000_000 };
            Throttle::new().sending(parent.child(rate, 1000))
        },
        Source,
    );
    sim.host("server").listen_tcp(7, throttled).unwrap();
    let slow: Vec<_> = (0..100).map(|_| sim.open("client", "server:7")).collect();
    sim.run_for(SECOND);
    let fast = sim.open("client", "server:7");
    sim.run_for(100 * SECOND);
    for client in &slow {
        assert!((10_500..=11_200).contains(&client.received().len()), "{client:?}");
    }
    assert!((8_800_000..=9_100_000).contains(&fast.received().len()), "{fast:?}");
}

#[test]
fn what_is_received_is_throttled_for_all_that_share_the_bucket() {
    let sim = Simulation::new(1);
    let bucket = Bucket::new(100_000, 10_000);
    let received = Rc::new(Cell::new(0));
    let kept = Rc::clone(&received);
    let throttle = move |_: &Transport| Throttle::new().receiving(bucket.clone());
    sim.host("server").listen_tcp(7, Throttle::around(throttle, move |_| Sink(Rc::clone(&kept)))).unwrap();
    for _ in 0..3 {
        sim.host("client").connect_tcp("server:7", Source);
    }
    sim.run_for(60 * SECOND);
    // One chunk of each is read before anything is known of it.
    assert!((5_900_000..6_010_000 + 3 * 65_536).contains(&received.get()), "{}", received.get());
}

#[test]
fn a_throttled_connection_is_not_idle() {
    let mut wire = StringTransport::connect(IdleTimeout::around(
        10 * SECOND,
        Throttle::around(
            |_| Throttle::new().sending(Bucket::new(100, 1)),
            |transport: Transport| {
                transport.write([b'x'; 10_000]);
                transport.lose_connection();
                Sink(Rc::default())
            },
        ),
    ));
    wire.advance(101 * SECOND);
    assert_eq!(wire.written().len(), 10_000);
    assert!(wire.close_reason().unwrap().is_clean());
}

/// R9: what a peer can make a connection hold by sending and not reading.
#[test]
fn a_slow_reader_makes_a_stack_of_policies_hold_no_more_than_a_protocol_without_any() {
    for policies in 0..6 {
        let received = Rc::new(Cell::new(0));
        let count = Rc::clone(&received);
        let mut factory: Box<dyn Factory> = Box::new(move |transport: Transport| {
            let count = Rc::clone(&count);
            Recorder::new(transport, Log::default()).on(Callback::Data, move |this| {
                count.set(count.get() + this.data.len());
                this.transport.write(&this.data);
            })
        });
        for _ in 0..policies {
            factory = Box::new(IdleTimeout::around(SECOND, factory));
        }
        let mut wire = StringTransport::connect(factory);
        wire.stall(true);
        wire.receive(vec![b'x'; 4 << 20]);
        assert_eq!(received.get(), 2 * 65_536, "{policies} policies");
        wire.stall(false);
        assert_eq!(wire.take_written().len(), 4 << 20);
    }
}

/// R11, in a time of its own.
#[test]
fn five_thousand_clients_that_drip_their_first_line_are_gone_in_time_and_an_honest_one_is_served() {
    /// Sends a byte now and every ten seconds.
    struct Drip(Transport);
    impl Protocol for Drip {
        fn connection_made(&mut self) {
            self.0.write("x");
            self.0.call_every(10 * SECOND, |this: &mut Self, _| this.0.write("x"));
        }
        fn data_received(&mut self, _data: &[u8]) {}
    }
    /// Asks every second, and counts the answers.
    struct Honest(Lines, Rc<Cell<usize>>);
    impl LineHandler for Honest {
        fn connection_made(&mut self) {
            self.0.call_every(SECOND, |this: &mut Self, _| this.0.send_line("hello"));
        }
        fn line_received(&mut self, _line: &[u8]) {
            self.1.set(self.1.get() + 1);
        }
    }
    let sim = Simulation::new(1);
    let server = sim.host("server");
    let lines = LineReceiver::factory(EchoLines);
    server.listen_tcp(7, FirstMessageTimeout::around(30 * SECOND, lines)).unwrap();
    let attack = |host: Reactor| {
        for _ in 0..1000 {
            host.connect_tcp("server:7", Drip);
        }
    };
    for host in ["a", "b", "c", "d", "e"] {
        attack(sim.host(host));
    }
    let answers = Rc::new(Cell::new(0));
    let count = Rc::clone(&answers);
    let honest = LineReceiver::factory(move |lines| Honest(lines, Rc::clone(&count)));
    sim.host("client").connect_tcp("server:7", honest);
    sim.run_for(5 * SECOND);
    assert_eq!(server.connection_count(), 5001);
    sim.run_for(30 * SECOND);
    assert_eq!(server.connection_count(), 1);
    sim.run_for(100 * SECOND);
    assert!(answers.get() >= 133, "{}", answers.get());
}

#[test]
fn the_stack_of_the_documentation_works_as_one() {
    let sim = Simulation::new(1);
    let (limit, everybody) = (ConnectionLimit::total(100), Bucket::new(1_000_000, 64_000));
    let throttle = move |_: &Transport| Throttle::new().sending(everybody.child(10_000, 4_000));
    let log = TrafficLog::new(std::io::sink());
    let inside = log.around(LineReceiver::factory(EchoLines));
    let stack = limit.around(IdleTimeout::around(60 * SECOND, Throttle::around(throttle, inside)));
    let server = sim.host("server");
    server.listen_tcp(7, stack).unwrap();
    let client = sim.open("client", "server:7");
    client.send_line([b'x'; 10_000]);
    sim.run_for(59 * SECOND);
    assert_eq!((client.received().len(), server.connection_count()), (10_002, 1));
    sim.run_for(2 * SECOND);
    assert!(client.close_reason().is_some_and(|reason| reason.is_clean()));
    assert_eq!((limit.connection_count(), server.connection_count()), (0, 0));
}
