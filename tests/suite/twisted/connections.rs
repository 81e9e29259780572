//! The order of callbacks, and panics in them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::expect_panic;
use reactor::{Address, CloseReason, Factory, Protocol, Transport};

use crate::support::{
    Callback, Ending, Log, Recorder, every_reactor, every_world, every_world_and_layers, every_world_with,
};

/// Logs that it builds, and as whose peer.
fn logging(script: fn(Recorder) -> Recorder) -> impl Fn(Log) -> Box<dyn Factory> + Send + Sync {
    move |log: Log| {
        Box::new(move |transport: Transport| {
            log.add(format!("build with a peer: {}", transport.peer() != transport.host()));
            script(Recorder::new(transport, log.clone()))
        })
    }
}

#[test]
fn s001_a_connection_is_built_made_given_data_and_lost_once() {
    every_world_with(logging(|recorder| recorder), |peer| {
        peer.send("some");
        peer.wait_for("data some");
        peer.send(" data");
        peer.send_eof();
        peer.expect(&["build with a peer: true", "made", "data some data", "eof", "lost Done", "dropped"]);
    });
}

#[test]
fn s002_no_data_comes_before_connection_made_has_returned() {
    every_world_and_layers(
        |recorder| {
            recorder.on(Callback::Made, |this| {
                this.deferred();
                this.log.add("end of made");
            })
        },
        |peer| {
            peer.send("early");
            peer.wait_for("data early");
            assert_eq!(peer.log.lines()[..2], ["made", "end of made"]);
        },
    );
}

#[test]
fn s004_causes_of_an_end_that_coincide_end_it_once() {
    expect_panic("oh", || {
        every_world_and_layers(
            |recorder| {
                recorder.on(Callback::Data, |this| {
                    this.transport.write_eof();
                    this.transport.lose_connection();
                    this.transport.abort_connection();
                    this.transport.fail_connection(CloseReason::TimedOut);
                    panic!("oh all at once");
                })
            },
            |peer| {
                peer.send("go");
                peer.send_eof();
                peer.expect(&["made", "data go", "lost Panicked(oh all at once)", "dropped"]);
            },
        );
    });
}

#[test]
fn s005_nothing_received_is_no_data() {
    every_world(
        |recorder| recorder,
        |peer| {
            peer.send("");
            peer.send_eof();
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn s008_what_input_asks_for_comes_before_the_output_that_waits() {
    every_world_and_layers(
        |recorder| recorder.on(Callback::Data, |this| this.transport.abort_connection()),
        |peer| {
            peer.stop_reading();
            peer.act(|transport| transport.write(vec![b'x'; crate::support::HUGE]));
            peer.wait_for("pause");
            peer.send("abort");
            peer.wait_for("lost Aborted");
            let (data, ending) = peer.read_to_the_end();
            assert!(data.len() < crate::support::HUGE, "the rest was written all the same");
            assert_eq!(ending, Ending::Reset);
        },
    );
}

#[test]
fn s010_a_write_from_connection_lost_is_dropped() {
    every_world_and_layers(
        |recorder| {
            recorder.on(Callback::Lost, |this| {
                this.transport.write("too late");
                assert_eq!(this.transport.unsent_bytes(), 0);
                this.log.add("end of lost");
            })
        },
        |peer| {
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
            peer.expect(&["made", "eof", "lost Done", "end of lost", "dropped"]);
        },
    );
}

#[test]
fn s012_no_call_of_a_transport_calls_back_from_inside() {
    every_world_and_layers(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                let calls: [fn(&Transport); 5] = [
                    |transport| transport.write(vec![0; 100_000]),
                    Transport::pause_reading,
                    Transport::resume_reading,
                    Transport::lose_connection,
                    Transport::abort_connection,
                ];
                for call in calls {
                    call(&this.transport);
                }
                this.log.add("data has returned");
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("go");
            peer.wait_for("dropped");
            let lines = peer.log.lines();
            assert_eq!(lines[..3], ["made", "data go", "data has returned"]);
            assert_eq!(lines[lines.len() - 2..], ["lost Aborted", "dropped"]);
        },
    );
}

#[test]
fn s014_writes_after_the_end_are_silently_dropped() {
    every_world_and_layers(
        |recorder| recorder,
        |peer| {
            peer.send_eof();
            peer.wait_for("dropped");
            peer.act(|transport| {
                transport.write("to nobody");
                transport.write_bytes(b"to nobody"[..].into());
                write!(transport, "to {}", transport.peer());
                assert_eq!(transport.unsent_bytes(), 0);
                assert!(transport.is_closing());
            });
        },
    );
}

#[test]
fn s019_a_panic_discards_output_and_the_peer_can_see_that() {
    expect_panic("oh", || {
        every_world(
            |recorder| {
                recorder.on(Callback::Data, |this| {
                    this.transport.write("half an answer");
                    panic!("oh no");
                })
            },
            |peer| {
                peer.send("question");
                assert_eq!(peer.read_to_the_end(), (vec![], Ending::Reset));
            },
        );
    });
}

#[test]
fn s020_a_panic_wins_over_an_abort_before_it() {
    expect_panic("oh", || {
        every_world_and_layers(
            |recorder| {
                recorder.on(Callback::Data, |this| {
                    this.transport.abort_connection();
                    panic!("oh bug");
                })
            },
            |peer| {
                peer.send("go");
                peer.expect(&["made", "data go", "lost Panicked(oh bug)", "dropped"]);
            },
        );
    });
}

#[test]
fn s022_a_panic_in_connection_made_does_not_keep_those_behind_it_waiting() {
    expect_panic("oh", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let (seen, mut first) = (log.clone(), true);
            let port = reactor
                .listen_tcp("127.0.0.1:0", move |transport: Transport| {
                    let panics = std::mem::take(&mut first);
                    Recorder::new(transport, seen.clone()).on(Callback::Made, move |this| {
                        assert!(!panics, "oh first");
                        this.transport.lose_connection();
                    })
                })
                .unwrap();
            let address = port.host().socket_addr().unwrap();
            let clients: Vec<_> = (0..5)
                .map(|_| reactor.connect_tcp(address, |transport| Recorder::new(transport, Log::default())).finished())
                .collect();
            let outcomes = reactor.run_until(futures_util::future::join_all(clients)).unwrap();
            assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()), "all were connected");
            assert_eq!((log.count("lost Panicked(oh first)"), log.count("lost Done")), (1, 4));
        });
    });
}

#[test]
fn s088_a_closure_that_builds_a_protocol_is_a_factory() {
    struct Counting(Rc<RefCell<u32>>);
    impl Protocol for Counting {
        fn connection_made(&mut self) {
            *self.0.borrow_mut() += 1;
        }
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let count = Rc::new(RefCell::new(0));
    let build = || Counting(Rc::clone(&count));
    let (a, b, c, d) = (build(), build(), build(), build());
    let (mut a, mut b, mut c, mut d) = (Some(a), Some(b), Some(c), Some(d));
    let factories: [Box<dyn Factory>; 4] = [
        Box::new(move |_: Transport| a.take().unwrap()),
        Box::new(move |_: Transport| b.take()),
        Box::new(move |_: Transport| Box::new(c.take().unwrap()) as Box<dyn Protocol>),
        Box::new(move |_: Transport| d.take().map(|protocol| Box::new(protocol) as Box<dyn Protocol>)),
    ];
    for factory in factories {
        reactor::testing::StringTransport::connect(factory);
    }
    assert_eq!(*count.borrow(), 4);
}

#[test]
fn s089_the_peer_is_known_when_the_protocol_is_built_and_stays_the_same() {
    every_reactor(|reactor| {
        let peers = Rc::new(RefCell::new(Vec::<Address>::new()));
        let (built, made) = (Rc::clone(&peers), Rc::clone(&peers));
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport: Transport| {
                built.borrow_mut().push(transport.peer());
                let made = Rc::clone(&made);
                Recorder::new(transport, Log::default()).on(Callback::Made, move |this| {
                    made.borrow_mut().push(this.transport.peer());
                    this.transport.lose_connection();
                })
            })
            .unwrap();
        let hosts = Rc::clone(&peers);
        let client = reactor.connect_tcp(port.host().socket_addr().unwrap(), move |transport: Transport| {
            hosts.borrow_mut().push(transport.host());
            Recorder::new(transport, Log::default())
        });
        reactor.run_until(client.finished()).unwrap().unwrap();
        let peers = peers.borrow();
        assert_eq!(peers.len(), 3);
        assert_eq!(peers.iter().collect::<HashSet<_>>().len(), 1, "{peers:?}");
    });
}

#[test]
fn s106_addresses_compare_and_hash_by_value() {
    let address = |text: &str| Address::from(text.parse::<std::net::SocketAddr>().unwrap());
    let all: HashSet<_> = ["127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:2", "[::1]:1"].map(address).into();
    assert_eq!(all.len(), 3);
    assert_eq!(address("[::1]:1").to_string(), "[::1]:1");
}

#[test]
fn s144_a_call_is_made_once_after_its_delay() {
    let log = Log::default();
    let mut wire = reactor::testing::StringTransport::connect({
        let log = log.clone();
        move |transport| Recorder::new(transport, log.clone())
    });
    let seen = log.clone();
    wire.reactor().call_later(Duration::from_secs(5), move || seen.add("called"));
    wire.advance(Duration::from_millis(4_999));
    assert!(!log.has("called"));
    wire.advance(Duration::from_millis(1));
    wire.advance(Duration::from_secs(3600));
    assert_eq!(log.count("called"), 1);
}
