//! Pausing a connection's reading: what is still delivered, what waits, and that nothing is lost.

use std::sync::mpsc;
use std::time::Duration;

use reactor::Transport;

use crate::support::{
    Callback, Ending, HUGE, Log, PATIENCE, Peer, Recorder, connect, every_world, every_world_and_layers,
    every_world_and_pipes, on_sockets,
};

/// Has the reactor go round some times.
fn some_turns(peer: &mut Peer) {
    for _ in 0..20 {
        peer.act(|_| ());
    }
}

#[test]
fn pausing_in_connection_made_takes_effect() {
    every_world_and_pipes(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.send("unread");
            some_turns(peer);
            assert_eq!(peer.log.lines(), ["made"]);
            peer.act(Transport::resume_reading);
            peer.wait_for("data unread");
        },
    );
}

#[test]
fn s081_a_reset_ends_a_paused_connection_at_once() {
    every_world(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.act(|_| ());
            peer.reset();
            peer.expect(&["made", "lost Lost", "dropped"]);
        },
    );
}

#[test]
fn a_reset_behind_unread_bytes_ends_a_paused_connection_at_once() {
    every_world(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.send("unread");
            some_turns(peer);
            peer.reset();
            peer.expect(&["made", "lost Lost", "dropped"]);
        },
    );
}

#[test]
fn s081_an_end_with_nothing_unread_before_it_is_told_to_a_paused_protocol_at_once() {
    every_world_and_pipes(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.act(|_| ());
            peer.send_eof();
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s080_an_end_behind_unread_bytes_waits_for_the_resume() {
    every_world_and_pipes(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.send("unread");
            some_turns(peer);
            peer.send_eof();
            some_turns(peer);
            assert_eq!(peer.log.lines(), ["made"]);
            peer.act(Transport::resume_reading);
            peer.expect(&["made", "data unread", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn an_end_that_comes_together_with_unread_bytes_waits_for_the_resume() {
    every_world(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.send(vec![b'x'; 200_000]);
            peer.send_eof();
            some_turns(peer);
            assert_eq!(peer.log.lines(), ["made"]);
            peer.act(Transport::resume_reading);
            peer.expect(&["made", "data of 200000 bytes", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s079_pausing_in_data_received_holds_back_what_follows() {
    every_world_and_pipes(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.pause_reading();
                this.log.add("paused");
            })
        },
        |peer| {
            peer.send("one");
            peer.wait_for("paused");
            peer.send("two");
            some_turns(peer);
            assert_eq!(peer.log.lines(), ["made", "data one", "paused"]);
            peer.act(Transport::resume_reading);
            peer.wait_until("the rest", |log| log.count("paused") == 2);
            assert_eq!(peer.log.received(), b"onetwo");
        },
    );
}

#[test]
fn s083_many_pauses_and_resumes_lose_and_repeat_nothing() {
    every_world_and_pipes(
        |recorder| {
            let mut count = 0;
            recorder
                .on(Callback::Data, move |this| {
                    count += 1;
                    this.transport.pause_reading();
                    match count % 4 {
                        0 => this.transport.resume_reading(),
                        1 => this.deferred(),
                        2 => {
                            let transport = this.transport.clone();
                            this.transport.reactor().call_later(Duration::ZERO, move || transport.resume_reading());
                        }
                        _ => {
                            this.transport.call_later(Duration::ZERO, |this: &mut Recorder| {
                                this.transport.resume_reading();
                                this.transport.pause_reading();
                                this.deferred();
                            });
                        }
                    }
                })
                .on(Callback::Deferred, |this| this.transport.resume_reading())
        },
        |peer| {
            let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
            for part in sent.chunks(100_000) {
                peer.send(part);
            }
            peer.send_eof();
            peer.let_pass(Duration::from_millis(1));
            peer.wait_for("dropped");
            assert!(peer.log.received() == sent, "{} bytes were received", peer.log.received_len());
            assert!(peer.log.has("lost Done"));
        },
    );
}

#[test]
fn a_paused_connection_sends_and_closes_as_any_other() {
    every_world_and_pipes(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.act(|transport| transport.write("hello"));
            assert_eq!(peer.read(5), b"hello");
            peer.send("unread");
            some_turns(peer);
            peer.act(|transport| {
                transport.write("bye");
                transport.lose_connection();
                transport.resume_reading();
            });
            assert_eq!(peer.read_to_the_end(), (b"bye".to_vec(), Ending::Clean));
            peer.expect(&["made", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s006_a_chunk_has_at_most_64_kib_and_a_flood_leaves_others_their_turn() {
    // The size of a chunk is checked by the recorder itself.
    every_world_and_layers(
        |recorder| recorder,
        |peer| {
            peer.send(vec![b'x'; 1_000_000]);
            peer.wait_until("all", |log| log.received_len() == 1_000_000);
        },
    );
}

#[test]
fn holds_of_several_destinations_are_counted() {
    on_sockets(
        |recorder| recorder,
        |peer| {
            let log = peer.log.clone();
            let (tell, told) = mpsc::channel();
            peer.act(move |source| {
                // Two destinations that do not read; the source waits for both.
                let reactor = source.reactor();
                let source = source.clone();
                let port = reactor
                    .listen_tcp("127.0.0.1:0", move |destination: Transport| {
                        source.paced_by(&destination);
                        destination.write(vec![0; HUGE]);
                        let log = log.clone();
                        log.add("destination");
                        Recorder::new(destination, Log::default()).on(Callback::Lost, move |_| log.add("let go"))
                    })
                    .unwrap();
                tell.send(port.host().socket_addr().unwrap()).unwrap();
            });
            let address = told.recv_timeout(PATIENCE).unwrap();
            let one = connect(address);
            let two = connect(address);
            peer.wait_until("both destinations", |log| log.count("destination") == 2);
            peer.send("held");
            some_turns(peer);
            assert!(!peer.log.has("data"));
            drop(one);
            peer.wait_for("let go");
            some_turns(peer);
            assert!(!peer.log.has("data"), "the other still holds it");
            drop(two);
            peer.wait_for("data held");
        },
    );
}
