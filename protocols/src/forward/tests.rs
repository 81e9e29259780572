use reactor::testing::{Link, Simulation};

use super::*;
use crate::remote_end::RemoteEnd;

/// A client and a target with a forwarder between them.
struct Chain {
    sim: Simulation,
    client: RemoteEnd,
    target: RemoteEnd,
}

impl Chain {
    fn new(sim: Simulation) -> Self {
        let (client, target) = (RemoteEnd::default(), RemoteEnd::default());
        sim.host("target").listen_tcp(80, target.factory()).unwrap();
        sim.host("forwarder").listen_tcp(8080, PortForward::new("target:80")).unwrap();
        sim.host("client").connect_tcp("forwarder:8080", client.factory());
        sim.run_until(|| client.is_connected());
        Self { sim, client, target }
    }

    fn connected() -> Self {
        let chain = Self::new(Simulation::new(1));
        chain.run();
        assert!(chain.target.is_connected());
        chain
    }

    fn run(&self) {
        self.sim.run_for(Duration::from_secs(1));
    }

    fn forwarded(&self) -> usize {
        self.sim.host("forwarder").connection_count()
    }
}

#[test]
fn s264_what_comes_before_the_target_is_connected_waits_and_then_goes_both_ways() {
    let sim = Simulation::new(1);
    sim.host("target");
    sim.host("forwarder");
    sim.set_link_between("forwarder", "target", Link::new().latency(Duration::from_millis(300)));
    let chain = Chain::new(sim);
    chain.client.transport().write("a question");
    chain.sim.run_for(Duration::from_millis(200));
    assert!(!chain.target.is_connected());
    chain.sim.run_until(|| chain.target.is_connected());
    chain.target.transport().write("a greeting");
    chain.run();
    assert_eq!(chain.target.received(), b"a question");
    assert_eq!(chain.client.received(), b"a greeting");
}

#[test]
fn s264_the_end_of_a_stream_is_passed_on_and_the_other_direction_goes_on() {
    let chain = Chain::connected();
    chain.client.transport().write("a question");
    chain.client.transport().write_eof();
    chain.run();
    assert!(chain.target.has_eof() && !chain.client.has_eof());
    chain.target.transport().write(vec![b'x'; 500_000]);
    chain.target.transport().lose_connection();
    chain.run();
    assert_eq!((chain.target.received(), chain.client.received().len()), (b"a question".to_vec(), 500_000));
    assert!(chain.client.lost_cleanly() && chain.target.lost_cleanly());
    assert_eq!(chain.forwarded(), 0);
}

#[test]
fn s264_a_stream_that_ends_before_the_target_is_connected_ends_there_too() {
    let chain = Chain::new(Simulation::new(1));
    chain.client.transport().write_eof();
    chain.run();
    assert!(chain.target.has_eof() && chain.client.lost().is_none());
    chain.target.transport().write("an answer");
    chain.target.transport().lose_connection();
    chain.run();
    assert_eq!(chain.client.received(), b"an answer");
    assert!(chain.client.lost_cleanly());
}

#[test]
fn s264_the_loss_of_either_side_closes_the_other_when_everything_was_sent() {
    for client_closes in [true, false] {
        let chain = Chain::connected();
        let (one, other) = if client_closes { (&chain.client, &chain.target) } else { (&chain.target, &chain.client) };
        other.transport().pause_reading();
        one.transport().write(vec![b'x'; 500_000]);
        one.transport().lose_connection();
        chain.run();
        assert!(other.lost().is_none());
        other.transport().resume_reading();
        chain.run();
        assert_eq!((other.received().len(), other.has_eof()), (500_000, true));
        other.transport().lose_connection();
        chain.run();
        assert!(one.lost_cleanly() && other.lost_cleanly());
        assert_eq!(chain.forwarded(), 0);
    }
}

#[test]
fn s264_a_reset_of_either_side_resets_the_other() {
    for client_aborts in [true, false] {
        let chain = Chain::connected();
        let (one, other) = if client_aborts { (&chain.client, &chain.target) } else { (&chain.target, &chain.client) };
        one.transport().write("half of it");
        chain.run();
        one.transport().abort_connection();
        chain.run();
        assert!(other.was_reset(), "{:?}", other.lost());
        assert_eq!(other.received(), b"half of it");
        assert_eq!(chain.forwarded(), 0);
    }
}

#[test]
fn s264_a_target_that_refuses_has_the_client_see_a_reset_and_no_empty_answer() {
    let sim = Simulation::new(1);
    sim.host("target");
    let client = RemoteEnd::default();
    sim.host("forwarder").listen_tcp(8080, PortForward::new("target:80")).unwrap();
    sim.host("client").connect_tcp("forwarder:8080", client.factory());
    sim.run_until_quiet(Duration::from_secs(1));
    assert!(client.was_reset() && !client.has_eof(), "{:?}", client.lost());
    assert_eq!(sim.host("forwarder").connection_count(), 0);
}

#[test]
fn s264_a_client_that_leaves_while_the_target_is_tried_ends_the_attempt() {
    let sim = Simulation::new(1);
    for address in {
        sim.host("target");
        sim.addresses_of("target")
    } {
        sim.set_black_hole(address, true);
    }
    let chain = Chain::new(sim);
    chain.run();
    chain.client.transport().abort_connection();
    chain.run();
    assert_eq!((chain.forwarded(), chain.sim.host("forwarder").pending_call_count()), (0, 0));
}

#[test]
fn s264_each_side_that_does_not_read_stops_the_other_from_being_read() {
    const BYTES: usize = 8 << 20;
    let chain = Chain::connected();
    for end in [&chain.client, &chain.target] {
        end.transport().pause_reading();
        end.transport().write(vec![b'x'; BYTES]);
    }
    chain.run();
    for end in [&chain.client, &chain.target] {
        // What the forwarder holds, and what is on its way before and behind it.
        let taken = BYTES - end.transport().unsent_bytes();
        assert!(taken < 1 << 20, "{taken} bytes were taken");
    }
    chain.client.transport().resume_reading();
    chain.run();
    assert_eq!((chain.client.received().len(), chain.target.received().len()), (BYTES, 0));
    chain.target.transport().resume_reading();
    chain.run();
    assert_eq!(chain.target.received().len(), BYTES);
}

#[test]
fn s264_every_byte_arrives_or_the_end_is_a_reset() {
    Simulation::for_seeds(0..200, |sim| {
        sim.set_link(Link::new().latency(Duration::from_millis(10)).splits(0.5).resets(0.01));
        let (client, target) = (RemoteEnd::default(), RemoteEnd::default());
        sim.host("target").listen_tcp(80, target.factory()).unwrap();
        sim.host("forwarder").listen_tcp(8080, PortForward::new("target:80")).unwrap();
        let sent: Vec<u8> = (0..300_000).map(|place| (place % 251) as u8).collect();
        let reactor = sim.host("client");
        reactor.connect_tcp("forwarder:8080", client.factory());
        let (text, end) = (sent.clone(), client.clone());
        reactor.call_later(Duration::from_secs(1), move || {
            if end.is_connected() {
                end.transport().write(text);
                end.transport().write_eof();
            }
        });
        sim.run_for(Duration::from_secs(60));
        assert!(sent.starts_with(&target.received()));
        assert!(!target.has_eof() || target.received() == sent, "an end that lies");
    });
}

#[test]
fn when_one_stream_has_ended_the_other_goes_on_until_it_is_silent_for_five_minutes() {
    let chain = Chain::connected();
    chain.client.transport().write_eof();
    for _ in 0..10 {
        chain.sim.run_for(HALF_CLOSED - Duration::from_secs(2));
        chain.target.transport().write("more");
        chain.run();
    }
    assert_eq!((chain.client.received().len(), chain.forwarded()), (40, 2));
    chain.sim.run_for(HALF_CLOSED);
    assert_eq!(chain.forwarded(), 0);
    // Whole connections may be silent.
    let chain = Chain::connected();
    chain.sim.run_for(100 * HALF_CLOSED);
    assert_eq!(chain.forwarded(), 2);
}
