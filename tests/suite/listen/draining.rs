//! Draining ports: work under way is finished, and nothing new begins.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::connect::Backoff;
use reactor::port::CutOff;
use reactor::testing::{Simulation, StringTransport, expect_panic};
use reactor::{CloseReason, Factory, Port, Protocol, Reactor, Transport};

use crate::support::{Callback, Log, Recorder, tap};

const DEADLINE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// Answers each line a second later, and closes behind the last answer when it was asked to finish.
struct Slow {
    lines: Lines,
    answering: u32,
    finishing: bool,
}

impl Slow {
    fn new(lines: Lines) -> Self {
        Self { lines, answering: 0, finishing: false }
    }

    fn close_if_done(&self) {
        if self.finishing && self.answering == 0 {
            self.lines.lose_connection();
        }
    }
}

impl LineHandler for Slow {
    fn connection_made(&mut self) {
        self.lines.on_drain(|this: &mut Self| {
            this.finishing = true;
            this.close_if_done();
        });
    }

    fn line_received(&mut self, line: &[u8]) {
        self.answering += 1;
        let line = line.to_vec();
        self.lines.call_later(Duration::from_secs(1), move |this: &mut Self| {
            this.lines.send_line(&line);
            this.answering -= 1;
            this.close_if_done();
        });
    }
}

/// Sends what it is given, and keeps what comes.
struct Client {
    transport: Transport,
    greeting: &'static str,
    log: Log,
}

impl Protocol for Client {
    fn connection_made(&mut self) {
        self.transport.write(self.greeting);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.log.data(data);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.add(format!("lost {reason:?}"));
    }
}

fn connect(sim: &Simulation, greeting: &'static str) -> Log {
    let log = Log::default();
    let told = log.clone();
    sim.host("client").connect_tcp("server:7", move |transport| Client { transport, greeting, log: told.clone() });
    log
}

/// Drains the port; what it gives is there when the simulation has got to it.
fn drain(reactor: &Reactor, port: &Port) -> Rc<RefCell<Option<Vec<CutOff>>>> {
    let result = Rc::new(RefCell::new(None));
    let (kept, drained) = (Rc::clone(&result), port.drain(DEADLINE));
    reactor.spawn(async move {
        let cut_off = drained.await;
        kept.replace(Some(cut_off));
    });
    result
}

fn serve(sim: &Simulation, factory: impl Factory) -> (Reactor, Port) {
    let server = sim.host("server");
    let port = server.listen_tcp(7, factory).unwrap();
    (server, port)
}

#[test]
fn a_drain_ends_with_the_last_connection_and_not_at_its_deadline() {
    for layered in [false, true] {
        let sim = Simulation::new(0);
        let (server, port) = if layered {
            let log = Log::default();
            serve(&sim, tap("a", &log, tap("b", &log, LineReceiver::factory(Slow::new))))
        } else {
            serve(&sim, LineReceiver::factory(Slow::new))
        };
        let (busy, idle) = (connect(&sim, "one\r\ntwo\r\n"), connect(&sim, ""));
        sim.run_for(Duration::from_millis(500));
        let drained = drain(&server, &port);
        sim.run_for(Duration::from_millis(100));
        assert_eq!(idle.lines(), ["lost Done"]);
        let late = connect(&sim, "late\r\n");
        assert!(sim.run_until(|| drained.borrow().is_some()));
        assert_eq!(sim.elapsed().as_secs(), 1);
        assert_eq!(drained.take(), Some(Vec::new()));
        sim.run_until_quiet(DEADLINE);
        assert_eq!(busy.received(), b"one\r\ntwo\r\n");
        assert!(busy.has("lost Done"));
        assert_eq!(late.lines(), Vec::<String>::new(), "nobody listens any more");
        assert!(server.is_running());
    }
}

#[test]
fn a_connection_that_ignores_a_drain_is_closed_when_all_is_sent() {
    let sim = Simulation::new(0);
    let (server, port) = serve(&sim, |transport: Transport| {
        transport.write(vec![b'x'; 1 << 20]);
        Client { transport, greeting: "", log: Log::default() }
    });
    let log = connect(&sim, "");
    sim.run_until(|| port.connection_count() == 1);
    let drained = drain(&server, &port);
    sim.run_until_quiet(DEADLINE);
    assert_eq!(log.received_len(), 1 << 20);
    assert!(log.has("lost Done"));
    assert_eq!(drained.take(), Some(Vec::new()));
}

/// Answers after a second, by a deferred call.
struct Deferring(Transport);

impl Protocol for Deferring {
    fn data_received(&mut self, data: &[u8]) {
        let (timer, data) = (self.0.reactor().timer().sleep(SECOND), data.to_vec());
        self.0.defer(timer, move |this: &mut Self, ()| this.0.write(data));
    }
}

#[test]
fn a_connection_that_ignores_a_drain_makes_its_deferred_calls_is_read_no_more_and_closes() {
    for layered in [false, true] {
        let sim = Simulation::new(0);
        let log = Log::default();
        let (server, port) =
            if layered { serve(&sim, tap("a", &log, tap("b", &log, Deferring))) } else { serve(&sim, Deferring) };
        let (busy, idle) = (connect(&sim, "one"), connect(&sim, ""));
        sim.run_for(SECOND / 2);
        let drained = drain(&server, &port);
        sim.run_for(SECOND / 10);
        assert_eq!(idle.lines(), ["lost Done"]);
        assert!(sim.run_until(|| drained.borrow().is_some()));
        assert_eq!((sim.elapsed().as_secs(), drained.take()), (1, Some(Vec::new())));
        sim.run_until_quiet(DEADLINE);
        assert_eq!(busy.lines(), ["data one", "lost Done"]);
    }
    let mut wire = StringTransport::connect(Deferring);
    wire.receive("x");
    wire.protocol::<Deferring>().0.drain();
    wire.advance(SECOND / 2);
    wire.receive("y");
    wire.advance(SECOND);
    assert_eq!(wire.written(), b"x");
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn a_connection_that_does_not_end_is_cut_off_at_the_deadline_and_named() {
    let sim = Simulation::new(0);
    let (server, port) = serve(&sim, |transport: Transport| {
        transport.on_drain(|this: &mut Client| this.transport.write("never mind"));
        transport.pause_reading();
        Client { transport, greeting: "", log: Log::default() }
    });
    let log = connect(&sim, "");
    sim.run_until(|| port.connection_count() == 1);
    sim.partition("client", "server");
    let drained = drain(&server, &port);
    assert!(sim.run_until(|| drained.borrow().is_some()));
    assert_eq!(sim.elapsed().as_secs(), DEADLINE.as_secs());
    let cut_off = drained.take().unwrap();
    assert_eq!(cut_off.len(), 1);
    assert!(sim.addresses_of("client").contains(&cut_off[0].peer.socket_addr().unwrap().ip()));
    assert_eq!(port.connection_count(), 0);
    sim.heal("client", "server");
    assert!(sim.run_until(|| log.has("lost Lost")), "{:?}", log.lines());
}

#[test]
fn a_connection_that_is_drained_before_it_says_what_to_do_is_told_then() {
    struct Late(Transport);
    impl Protocol for Late {
        fn data_received(&mut self, _data: &[u8]) {
            self.0.on_drain(|this: &mut Self| {
                this.0.write("bye");
                this.0.lose_connection();
            });
        }
    }
    let mut wire = StringTransport::connect(Late);
    wire.receive("x");
    assert!(wire.close_reason().is_none());
    wire.protocol::<Late>().0.drain();
    wire.receive("y");
    assert_eq!(wire.written(), b"bye");
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn a_reactor_that_stops_waits_for_busy_connections_and_no_longer_than_its_deadline() {
    for (deadline, answered) in [(8, true), (0, false)] {
        let sim = Simulation::new(0);
        let (server, _port) = serve(&sim, LineReceiver::factory(Slow::new));
        server.set_shutdown_deadline(Duration::from_secs(deadline));
        let (busy, idle) = (connect(&sim, "one\r\n"), connect(&sim, ""));
        sim.run_for(Duration::from_millis(500));
        server.stop();
        assert!(sim.run_until(|| !server.is_running()));
        assert_eq!(sim.elapsed() > Duration::from_secs(1), answered, "it waits for the answer, and for that alone");
        sim.run_until_quiet(DEADLINE);
        assert_eq!(busy.received() == b"one\r\n", answered);
        assert!(idle.has("lost Done"));
    }
}

#[test]
fn a_reactor_that_stops_asks_its_clients_to_finish_and_makes_none_anew() {
    let sim = Simulation::new(0);
    let (_server, _port) = serve(&sim, |transport| Recorder::new(transport, Log::default()));
    let (log, client) = (Log::default(), sim.host("client"));
    let told = log.clone();
    let build = move |transport| {
        Recorder::new(transport, told.clone()).on(Callback::Made, |this| {
            this.transport.on_drain(|this: &mut Recorder| {
                this.log.add("asked");
                this.transport
                    .call_later(Duration::from_secs(1), |this: &mut Recorder| this.transport.lose_connection());
            });
        })
    };
    client.connect_tcp("server:7", build).retry(Backoff::new().initial_delay(Duration::ZERO));
    sim.run_for(Duration::from_secs(1));
    client.stop();
    sim.run_until_quiet(DEADLINE);
    assert_eq!(log.lines(), ["made", "asked", "lost Done", "dropped"]);
    assert!(sim.elapsed() > Duration::from_secs(2), "it was given its time");
}

#[test]
fn the_end_of_a_connection_is_told_to_all_its_waiters_and_not_to_later_ones() {
    let sim = Simulation::new(0);
    let (server, _port) = serve(&sim, LineReceiver::factory(Slow::new));
    let kept = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&kept);
    let client = sim.host("client");
    client.connect_tcp("server:7", move |transport: Transport| {
        keep.replace(Some(transport.clone()));
        Client { transport, greeting: "", log: Log::default() }
    });
    sim.run_until(|| kept.borrow().is_some());
    let transport = kept.take().unwrap();
    let (one, other) = (transport.finished(), transport.finished());
    server.stop();
    let ends = client.run_until(async { (one.await, other.await, transport.finished().await) }).unwrap();
    assert!(matches!(ends, (Some(CloseReason::Done), Some(CloseReason::Done), None)), "{ends:?}");
}

#[test]
fn what_was_set_and_never_called_may_use_its_transport_when_it_is_dropped() {
    struct Uses(Transport, Rc<Cell<bool>>);
    impl Drop for Uses {
        fn drop(&mut self) {
            self.0.peer_credentials();
            self.1.set(true);
            panic!("dropped");
        }
    }
    let dropped = Rc::new(Cell::new(false));
    let told = Rc::clone(&dropped);
    let wire = StringTransport::connect(move |transport: Transport| {
        let uses = Uses(transport.clone(), Rc::clone(&told));
        let called = Rc::clone(&told);
        transport.on_drain(move |_: &mut Recorder| drop(uses));
        transport.call_later(DEADLINE, move |_: &mut Recorder| called.set(false));
        Recorder::new(transport, Log::default())
    });
    let transport = wire.transport().clone();
    let mut wire = wire;
    transport.abort_connection();
    expect_panic("dropped", || wire.advance(DEADLINE));
    assert!(dropped.get() && wire.close_reason().is_some());
}
