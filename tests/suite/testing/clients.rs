//! Clients in a test's hands, and several connections of one reactor.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocols::{LineHandler, LineReceiver, Lines};
use reactor::connect::ConnectErrorKind;
use reactor::testing::{Pair, Simulation, StringTransport};
use reactor::{CloseReason, Protocol, Transport};

use crate::support::{Log, Recorder, echo, panic_of, recorder, test_reactor};

const SECOND: Duration = Duration::from_secs(1);

/// Shouts back, until it is told to stop.
struct Shout(Lines);

impl LineHandler for Shout {
    fn line_received(&mut self, line: &[u8]) {
        self.0.send_line(line.to_ascii_uppercase());
        if line == b"stop" {
            self.0.lose_connection();
        }
    }
}

fn shouting() -> Simulation {
    let sim = Simulation::new(0);
    sim.host("server").listen_tcp(7, LineReceiver::factory(Shout)).unwrap();
    sim
}

#[test]
fn a_client_sends_what_it_is_told_and_keeps_what_it_receives() {
    let sim = shouting();
    let client = sim.open("client", "server:7");
    client.send_line("one");
    client.send("two\r\nthr");
    assert_eq!(client.received(), b"");
    sim.run_for(SECOND);
    assert_eq!((client.received_text(), client.received()), ("ONE\r\nTWO\r\n".to_owned(), b"ONE\r\nTWO\r\n".to_vec()));
    assert_eq!(client.received_lines(), ["ONE", "TWO"]);
    assert_eq!(client.take_received_text(), "ONE\r\nTWO\r\n");
    client.send("ee\r\n");
    sim.run_for(SECOND);
    assert_eq!((client.take_received(), client.received_text()), (b"THREE\r\n".to_vec(), String::new()));
    assert!(client.close_reason().is_none() && client.connect_error().is_none());
}

#[test]
fn a_client_ends_in_each_way_that_there_is() {
    let sim = shouting();
    let [stopped, closed, ended, reset] = ["stop", "x", "x", "x"].map(|line| {
        let client = sim.open("client", "server:7");
        client.send_line(line);
        client
    });
    ended.send_eof();
    sim.run_for(SECOND);
    closed.close();
    reset.reset();
    sim.run_for(SECOND);
    for client in [&stopped, &closed, &ended] {
        assert!(client.close_reason().is_some_and(|reason| reason.is_clean()), "{client:?}");
    }
    assert!(matches!(reset.close_reason(), Some(CloseReason::Aborted)));
    assert_eq!((stopped.received_lines(), ended.received_lines()), (vec!["STOP".to_owned()], vec!["X".to_owned()]));
    stopped.send("too late");
    sim.run_for(SECOND);
    assert_eq!(sim.host("server").connection_count(), 0);
}

#[test]
fn a_client_of_nobody_says_why() {
    let sim = shouting();
    let client = sim.open("client", "server:8");
    client.send_line("anybody?");
    sim.run_for(SECOND);
    assert_eq!(client.connect_error().unwrap().kind(), &ConnectErrorKind::Refused);
    assert!(client.close_reason().is_none() && client.transport().is_none());
}

#[test]
fn a_client_can_stop_reading() {
    let sim = Simulation::new(0);
    sim.host("server").listen_tcp(7, recorder(&Log::default(), echo)).unwrap();
    let client = sim.open("client", "server:7");
    sim.run_for(SECOND);
    client.transport().unwrap().pause_reading();
    client.send("hello");
    sim.run_for(SECOND);
    assert_eq!(client.received_text(), "");
    client.transport().unwrap().resume_reading();
    sim.run_for(SECOND);
    assert_eq!(client.received_text(), "hello");
}

/// Passes on to all members what one of them says.
struct Member(Rc<RefCell<Vec<Transport>>>);

impl Protocol for Member {
    fn data_received(&mut self, data: &[u8]) {
        self.0.borrow().iter().for_each(|member| member.write(data));
    }
}

#[test]
fn several_string_transports_share_a_reactor_its_clock_and_what_their_protocols_share() {
    let all = Rc::<RefCell<Vec<_>>>::default();
    let join = move |transport: Transport| {
        all.borrow_mut().push(transport);
        Member(Rc::clone(&all))
    };
    let mut one = StringTransport::connect(join.clone());
    let reactor = one.reactor().clone();
    let [mut two, mut three] = [(); 2].map(|()| StringTransport::connect_on(&reactor, join.clone()));
    assert_eq!(reactor.connection_count(), 3);
    two.receive("hello");
    for wire in [&mut one, &mut two, &mut three] {
        wire.settle();
        assert_eq!(wire.take_written_text(), "hello");
    }
    let before = reactor.now();
    three.advance(SECOND);
    assert_eq!(one.reactor().now() - before, SECOND);
    drop(one);
    three.receive("still here");
    two.settle();
    assert_eq!((two.written_text(), three.written_text()), ("still here", "still here"));
}

#[test]
fn a_string_transport_joins_a_pair_but_no_reactor_that_runs_by_itself() {
    let build = |transport| Recorder::new(transport, Log::default());
    let pair = Pair::connect(build, build);
    assert!(StringTransport::connect_on(pair.reactor(), build).close_reason().is_none());
    let sim = Simulation::new(0);
    for reactor in [sim.host("here"), test_reactor()] {
        let panic = panic_of(|| drop(StringTransport::connect_on(&reactor, build)));
        assert!(panic.message.contains("another StringTransport's") && panic.file.ends_with("clients.rs"), "{panic:?}");
    }
}
