//! A panic of user code ends one connection, and affects nothing else.

use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use reactor::Protocol;
use reactor::testing::{StringTransport, expect_panic};

use crate::support::{
    Callback, Ending, HUGE, Log, PATIENCE, Peer, Recorder, every_world, in_time, read_to_the_end, test_reactor,
};

#[test]
fn s021_a_panic_in_connection_made_ends_that_connection_with_its_message() {
    panics_in(Callback::Made, |_| {}, &["made", "lost Panicked(oh Made)", "dropped"]);
}

#[test]
fn s018_a_panic_in_data_received_ends_that_connection_with_its_message() {
    panics_in(Callback::Data, |peer| peer.send("hi"), &["made", "data hi", "lost Panicked(oh Data)", "dropped"]);
}

#[test]
fn s046_a_panic_in_eof_received_ends_that_connection_with_its_message() {
    panics_in(Callback::Eof, Peer::send_eof, &["made", "eof", "lost Panicked(oh Eof)", "dropped"]);
}

#[test]
fn a_panic_in_pause_writing_ends_that_connection_with_its_message() {
    let write_much = |peer: &mut Peer| {
        peer.stop_reading();
        peer.act(|transport| transport.write(vec![0; HUGE]));
    };
    panics_in(Callback::Pause, write_much, &["made", "pause", "lost Panicked(oh Pause)", "dropped"]);
}

#[test]
fn a_panic_in_resume_writing_ends_that_connection_with_its_message() {
    expect_panic("oh", || {
        every_world(
            |recorder| {
                recorder.on(Callback::Data, |this| this.transport.write(vec![0; HUGE])).on(Callback::Resume, |this| {
                    this.transport.write("never seen");
                    panic!("oh Resume");
                })
            },
            |peer| {
                peer.stop_reading();
                peer.send("go");
                peer.wait_for("pause");
                // The reset may overtake the last of the bytes.
                assert!(!peer.read_what_comes().ends_with(b"seen"));
                peer.expect(&["made", "data go", "pause", "resume", "lost Panicked(oh Resume)", "dropped"]);
            },
        );
    });
}

#[test]
fn a_panic_in_a_timed_call_ends_that_connection_with_its_message() {
    let time = |peer: &mut Peer| {
        peer.act(|transport| {
            transport.call_later(Duration::ZERO, |this: &mut Recorder| {
                this.timer(Duration::from_millis(1), "t");
            });
        });
        peer.let_pass(Duration::from_millis(1));
    };
    panics_in(Callback::Timer, time, &["made", "timer t", "lost Panicked(oh Timer)", "dropped"]);
}

#[test]
fn a_panic_in_a_deferred_call_ends_that_connection_with_its_message() {
    let defer = |peer: &mut Peer| {
        peer.act(|transport| {
            transport.call_later(Duration::ZERO, |this: &mut Recorder| this.deferred());
        });
        peer.let_pass(Duration::ZERO);
    };
    panics_in(Callback::Deferred, defer, &["made", "deferred", "lost Panicked(oh Deferred)", "dropped"]);
}

#[test]
fn a_panic_in_a_deferred_future_ends_that_connection_with_its_message() {
    expect_panic("oh", || {
        every_world(
            |recorder| {
                recorder.on(Callback::Data, |this| {
                    this.deferred_for_ever();
                    this.transport.defer(async { panic!("oh future") }, |_: &mut Recorder, ()| {});
                })
            },
            |peer| {
                peer.send("hi");
                peer.wait_for("dropped");
                let lines = peer.log.lines();
                assert_eq!(lines[2..], ["future gone", "lost Panicked(oh future)", "dropped"]);
                assert_eq!(peer.read_to_the_end().1, Ending::Reset);
            },
        );
    });
}

#[test]
fn a_panic_in_connection_lost_is_contained_and_the_protocol_dropped() {
    expect_panic("oh", || {
        every_world(
            |recorder| recorder.on(Callback::Lost, |_| panic!("oh Lost")),
            |peer| {
                peer.send_eof();
                peer.expect(&["made", "eof", "lost Done", "dropped"]);
                assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
            },
        );
    });
}

#[test]
fn a_panic_in_a_protocols_drop_is_contained() {
    expect_panic("oh", || {
        every_world(
            |recorder| recorder.on(Callback::Drop, |_| panic!("oh Drop")),
            |peer| {
                peer.send_eof();
                peer.expect(&["made", "eof", "lost Done", "dropped"]);
                assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
            },
        );
    });
}

#[test]
fn a_panic_with_a_payload_that_panics_when_dropped_is_contained() {
    expect_panic("a panic without a message", || {
        struct Nasty;
        impl Drop for Nasty {
            fn drop(&mut self) {
                panic!("and again");
            }
        }
        every_world(
            |recorder| recorder.on(Callback::Data, |_| std::panic::panic_any(Nasty)),
            |peer| {
                peer.send("hi");
                peer.expect(&["made", "data hi", "lost Panicked(a panic without a message)", "dropped"]);
            },
        );
    });
}

/// Only `connection_lost` follows a panic there; written bytes are discarded, the peer sees a reset, and other connections
/// go on.
fn panics_in(callback: Callback, provoke: impl Fn(&mut Peer), lines: &[&str]) {
    expect_panic("oh", || {
        every_world(
            move |recorder| {
                recorder.on(callback, move |this| {
                    this.timer(Duration::from_secs(3600), "never").is_active();
                    this.transport.write("never seen");
                    this.transport.lose_connection();
                    this.transport.abort_connection();
                    panic!("oh {callback:?}");
                })
            },
            |peer| {
                provoke(peer);
                peer.wait_for("dropped");
                let happened: Vec<_> = peer.log.lines().into_iter().filter(|line| line != "timer never gone").collect();
                assert_eq!(happened, lines, "socket: {}", peer.is_socket());
                let gone = peer.log.lines().iter().position(|line| line == "timer never gone");
                let lost = peer.log.lines().iter().position(|line| line.starts_with("lost"));
                assert!(gone.is_some() && gone < lost, "{:#?}", peer.log.lines());
                let (data, ending) = peer.read_to_the_end();
                assert!(!data.ends_with(b"never seen"));
                assert_eq!(ending, Ending::Reset);
            },
        )
    });
}

#[test]
fn timers_are_dropped_before_connection_lost_even_when_dropping_one_of_them_panics() {
    expect_panic("bomb", || {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                if !std::thread::panicking() {
                    panic!("bomb");
                }
            }
        }
        every_world(
            |recorder| {
                recorder.on(Callback::Made, |this| {
                    for _ in 0..2 {
                        let bomb = Bomb;
                        this.transport.call_later(Duration::from_secs(3600), move |_: &mut Recorder| drop(bomb));
                    }
                    this.timer(Duration::from_secs(3600), "behind");
                })
            },
            |peer| {
                peer.wait_for("made");
                peer.send_eof();
                peer.expect(&["made", "eof", "timer behind gone", "lost Done", "dropped"]);
                // The reactor's own timers go on.
                let log = peer.log.clone();
                peer.act(move |transport| {
                    if let Some(reactor) = Some(transport.reactor()) {
                        reactor.call_later(Duration::from_millis(30), move || log.add("alive"));
                    }
                });
                peer.let_pass(Duration::from_millis(30));
                peer.wait_for("alive");
            },
        );
    });
}

#[test]
fn a_handler_that_panics_when_asked_for_costs_one_client() {
    struct Odd;
    impl Protocol for Odd {
        fn data_received(&mut self, _data: &[u8]) {}
        fn handler(&mut self) -> Option<&mut dyn std::any::Any> {
            panic!("no handler yet")
        }
    }
    in_time(|| {
        let reactor = test_reactor();
        let port = reactor.listen_tcp("127.0.0.1:0", |_| Odd).unwrap();
        let address = port.host().socket_addr().unwrap();
        let clients = reactor.defer_to_thread(move || {
            for _ in 0..3 {
                let mut socket = TcpStream::connect(address).unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                read_to_the_end(&mut socket);
            }
        });
        reactor.run_until(clients).unwrap().unwrap();
    });
}

#[test]
fn a_panic_in_the_drop_of_bytes_that_were_sent_or_are_not_is_logged_and_nothing_more() {
    struct Bad(usize);
    impl AsRef<[u8]> for Bad {
        fn as_ref(&self) -> &[u8] {
            &[0; 20_000][..self.0]
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("oh bytes");
        }
    }
    let log = Log::default();
    let told = log.clone();
    let mut wire = StringTransport::connect(move |transport| Recorder::new(transport, told.clone()));
    let transport = wire.transport().clone();
    transport.write_bytes(Bytes::from_owner(Bad(20_000)));
    transport.write("next");
    expect_panic("oh bytes", || wire.advance(Duration::ZERO));
    assert_eq!(wire.written().len(), 20_004);
    transport.write_bytes(Bytes::from_owner(Bad(20_000)));
    transport.abort_connection();
    expect_panic("oh bytes", || wire.advance(Duration::ZERO));
    assert_eq!(log.lines(), ["made", "lost Aborted", "dropped"]);
}
