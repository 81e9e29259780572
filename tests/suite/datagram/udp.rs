//! Datagram ports on loopback sockets, with peers that do not use a reactor.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn, ready};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::panic::Location;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;
use std::{io, thread};

use reactor::datagram::{DatagramOptions, DatagramProtocol, DatagramTransport};
use reactor::testing::{StringTransport, expect_panic};
use reactor::{Protocol, Reactor, Transport, run_on_threads};

use crate::support::datagrams::{
    LOOPBACK, Moment, Recorder, listen, play, play_at, play_on_sockets, receive, socket, socket_at,
};
use crate::support::{Guard, Log, PATIENCE, every_reactor, in_time, panic_of, test_reactor};

#[test]
fn a_datagram_is_answered_to_its_sender() {
    play(
        |recorder| recorder.on(Moment::Received, Recorder::answer),
        |port| {
            let (one, other) = (port.peer(), port.peer());
            one.send_to(b"one", port.address);
            assert_eq!(one.receive(), (b"one".to_vec(), port.address));
            other.send_to(b"other", port.address);
            assert_eq!(other.receive(), (b"other".to_vec(), port.address));
            assert_eq!(port.log.lines(), ["started", "received one", "received other"]);
        },
    );
}

#[test]
fn s176_an_empty_datagram_is_delivered_and_can_be_sent() {
    play(
        |recorder| recorder.on(Moment::Received, Recorder::answer),
        |port| {
            let socket = port.peer();
            socket.send_to(b"", port.address);
            assert_eq!(socket.receive().0, b"");
            assert_eq!(port.log.lines(), ["started", "received "]);
        },
    );
}

#[test]
fn s176_the_longest_datagram_arrives_whole() {
    play(
        |recorder| recorder.on(Moment::Received, Recorder::answer),
        |port| {
            let socket = port.peer();
            let longest: Vec<u8> = (0..65_507).map(|i| (i % 251) as u8).collect();
            socket.send_to(&longest, port.address);
            assert!(socket.receive().0 == longest, "it comes back as it was");
        },
    );
}

#[test]
fn a_port_that_is_paused_delivers_nothing_not_even_of_what_was_read_together_until_it_is_resumed() {
    every_reactor(|reactor| {
        let log = Log::default();
        let reading = log.clone();
        let port = reactor.listen_udp(LOOPBACK, move |transport| {
            Recorder::new(transport, reading.clone()).on(Moment::Received, |this| {
                if this.data == b"5" {
                    return this.transport.reactor().stop();
                }
                this.transport.pause_reading();
                this.transport.call_later(Duration::from_millis(1), |this: &mut Recorder| {
                    this.log.add("resumed");
                    this.transport.resume_reading();
                });
            })
        });
        let target = port.unwrap().host().socket_addr().unwrap();
        reactor
            .listen_udp(LOOPBACK, |transport| {
                Recorder::new(transport, Log::default()).on(Moment::Start, move |this| {
                    for number in 1..=5 {
                        this.transport.write(number.to_string(), target).unwrap();
                    }
                })
            })
            .unwrap();
        reactor.run().unwrap();
        let lines = log.lines();
        let expected = ["1", "2", "3", "4"].map(|number| [format!("received {number}"), "resumed".to_owned()]).concat();
        assert_eq!(lines[1..9], expected);
        assert_eq!(lines[9], "received 5");
    });
}

#[test]
fn s177_a_panic_in_any_callback_leaves_the_port_open_and_its_other_calls_alone() {
    expect_panic("oh", || {
        play(
            |recorder| {
                recorder
                    .on(Moment::Start, |this| {
                        this.transport
                            .defer(ready_at_the_second_look(), |this: &mut Recorder, ()| this.log.add("survivor"));
                        this.transport.defer(async { panic!("oh in a future") }, |_: &mut Recorder, ()| unreachable!());
                        this.transport.defer(ready(()), |_: &mut Recorder, ()| panic!("oh after a future"));
                        this.transport.call_later(Duration::ZERO, |_: &mut Recorder| panic!("oh in a timed call"));
                        panic!("oh at the start");
                    })
                    .on(Moment::Received, |this| match &this.data[..] {
                        b"panic" => panic!("oh in datagram_received"),
                        _ => {
                            this.answer();
                            this.transport.defer(ready(()), |this: &mut Recorder, ()| this.log.add("deferred"));
                            this.transport.call_later(Duration::ZERO, |this: &mut Recorder| this.log.add("timer"));
                        }
                    })
                    .on(Moment::Stop, |_| panic!("oh at the end"))
            },
            |port| {
                let socket = port.peer();
                for text in ["panic", "panic", "go on"] {
                    socket.send_to(text.as_bytes(), port.address);
                }
                assert_eq!(socket.receive().0, b"go on");
                for line in ["deferred", "timer", "survivor"] {
                    port.wait_for(line);
                }
            },
        );
    });
}

#[test]
fn s181_a_connected_port_is_told_of_a_refusal_while_nothing_is_written_and_goes_on() {
    play(
        |recorder| recorder,
        |port| {
            let peer = port.peer_at("127.7.0.1:0");
            let address = peer.address();
            port.act(move |transport| transport.connect(address).unwrap());
            drop(peer);
            for times in 1..=3 {
                port.act(|transport| transport.write_to_peer("anybody?").unwrap());
                port.wait_until("another refusal", |log| log.count("refused") == times);
            }
            let back = port.peer_at(&address.to_string());
            back.send_to("here again", port.address);
            port.wait_for("received here again");
            port.act(move |transport| transport.write("so you are", address).unwrap());
            assert_eq!(back.receive(), (b"so you are".to_vec(), port.address));
        },
    );
}

#[test]
fn s180_a_refusal_that_a_write_meets_is_told_and_costs_no_datagram() {
    let peer = socket_at("127.7.0.2:0");
    let address = peer.local_addr().unwrap();
    let mut peer = Some(peer);
    play_on_sockets(
        move |recorder| {
            recorder.on(Moment::Start, move |this| {
                this.transport.connect(address).unwrap();
                this.transport.write_to_peer("first").unwrap();
                let first = receive(peer.as_ref().unwrap()).0;
                assert_eq!(first, b"first");
                peer.take();
                // The refusal must arrive before the next write: a write reports the error of an earlier one.
                this.transport.write_to_peer("into the void").unwrap();
                let back = socket_at(address);
                this.transport.write_to_peer("second").unwrap();
                this.log.add(format!("arrived {}", String::from_utf8(receive(&back).0).unwrap()));
            })
        },
        |port| {
            port.log.wait_for("refused");
            assert_eq!(port.log.lines(), ["started", "arrived second", "refused"]);
        },
    );
}

#[test]
fn s180_a_port_that_is_not_connected_hears_of_no_refusal() {
    play(
        |recorder| recorder.on(Moment::Received, Recorder::answer),
        |port| {
            let nobody = port.peer_at("127.7.0.3:0").address();
            port.act(move |transport| {
                for _ in 0..3 {
                    transport.write("anybody?", nobody).unwrap();
                }
            });
            let peer = port.peer();
            peer.send_to("hi", port.address);
            assert_eq!(peer.receive().0, b"hi");
            assert_eq!(port.log.lines(), ["started", "received hi"]);
        },
    );
}

#[test]
fn s178_an_address_of_the_other_family_is_an_error_that_says_so() {
    let ipv6: SocketAddr = "[::1]:9".parse().unwrap();
    play(
        |recorder| recorder,
        move |port| {
            let host = port.address;
            port.act(move |transport| {
                for error in [transport.write("hi", ipv6).unwrap_err(), transport.connect(ipv6).unwrap_err()] {
                    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                    assert_eq!(
                        error.to_string(),
                        format!("cannot send to [::1]:9: it is an IPv6 address, and the port's is IPv4 ({host})")
                    );
                }
                assert_eq!(transport.peer(), None);
            });
        },
    );
}

#[test]
fn a_port_on_both_families_shows_ipv4_peers_as_such_and_answers_them() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return eprintln!("left out: this machine has no IPv6");
    }
    play_at(
        "[::]:0",
        |recorder| {
            recorder.on(Moment::Received, |this| {
                this.log.add(format!("from {}", this.peer.unwrap()));
                this.answer();
            })
        },
        |port| {
            for (host, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
                let socket = port.peer_at(host);
                let address = SocketAddr::new(to.parse().unwrap(), port.address.port());
                socket.send_to(b"hi", address);
                assert_eq!(socket.receive(), (b"hi".to_vec(), address));
                port.wait_for(&format!("from {}", socket.address()));
            }
        },
    );
}

#[test]
fn s178_a_datagram_too_long_to_be_sent_is_an_error_that_says_so() {
    play(
        |recorder| recorder,
        |port| {
            let peer = port.peer();
            let address = peer.address();
            port.act(move |transport| {
                let error = transport.write(vec![0; 65_508], address).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                assert_eq!(error.to_string(), "65508 bytes are too many for one datagram");
                transport.write("short", address).unwrap();
            });
            assert_eq!(peer.receive().0, b"short");
        },
    );
}

#[test]
fn s179_a_connected_port_has_one_peer_only() {
    play(
        |recorder| recorder,
        |port| {
            let (peer, stranger) = (port.peer(), port.peer());
            let (address, strange) = (peer.address(), stranger.address());
            port.act(|transport| {
                let error = transport.write_to_peer("to whom?").unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::NotConnected);
                assert_eq!(error.to_string(), "the port is not connected to a peer");
            });
            port.act(move |transport| {
                transport.connect(address).unwrap();
                assert_eq!(transport.peer(), Some(address));
                let error = transport.connect(address).unwrap_err();
                assert_eq!(error.to_string(), format!("the port is already connected to {address}"));
                let error = transport.write("hi", strange).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                assert_eq!(error.to_string(), format!("cannot send to {strange}: the port is connected to {address}"));
                transport.write("hi", address).unwrap();
            });
            stranger.send_to("too late", port.address);
            assert_eq!(peer.receive(), (b"hi".to_vec(), port.address));
            peer.send_to("ho", port.address);
            port.wait_for("received ho");
            assert_eq!(port.log.lines(), ["started", "received ho"]);
        },
    );
}

#[test]
fn what_came_before_a_port_was_connected_is_not_delivered() {
    let (peer, stranger) = (socket(), socket());
    let address = peer.local_addr().unwrap();
    play_on_sockets(
        move |recorder| {
            recorder.on(Moment::Start, move |this| {
                stranger.send_to(b"too early", this.transport.host()).unwrap();
                this.transport.connect(address).unwrap();
            })
        },
        |port| {
            port.log.wait_for("started");
            peer.send_to(b"ho", port.address).unwrap();
            port.log.wait_for("received ho");
            assert_eq!(port.log.lines(), ["started", "received ho"]);
        },
    );
}

#[test]
fn a_port_that_is_stopped_in_a_callback_receives_and_sends_nothing_more() {
    play_on_sockets(
        |recorder| {
            recorder.on(Moment::Received, |this| {
                this.answer();
                this.transport.stop_listening();
                let peer = this.peer.unwrap();
                for error in [
                    this.transport.write("too late", peer).unwrap_err(),
                    this.transport.write_to_peer("too late").unwrap_err(),
                    this.transport.connect(peer).unwrap_err(),
                ] {
                    assert_eq!(error.kind(), io::ErrorKind::NotConnected);
                    assert_eq!(error.to_string(), "the port was stopped");
                }
                this.log.add("returned");
            })
        },
        |port| {
            let socket = socket();
            // All three have arrived when the port polls, because its thread is busy meanwhile.
            let (peer, address) = (socket.try_clone().unwrap(), port.address);
            port.act(move |_| {
                for _ in 0..3 {
                    peer.send_to(b"hi", address).unwrap();
                }
            });
            assert_eq!(receive(&socket).0, b"hi");
            port.log.wait_for("dropped");
            assert_eq!(port.log.lines(), ["started", "received hi", "returned", "stopped", "dropped"]);
        },
    );
}

#[test]
fn s182_a_port_is_stopped_once_however_often_it_is_asked() {
    every_reactor(|reactor| {
        let log = Log::default();
        let build = |transport| {
            Recorder::new(transport, log.clone()).on(Moment::Stop, |this| drop(this.transport.stop_listening()))
        };
        let port = reactor.listen_udp("127.7.0.4:0", build).unwrap();
        let address = port.host().socket_addr().unwrap();
        let again = reactor.clone();
        let closed = async move {
            let closed = port.stop_listening();
            port.stop_listening().await;
            closed.await;
            port.stop_listening().await;
            // It is really closed.
            let log = Log::default();
            let port = again.listen_udp(address, |transport| Recorder::new(transport, log)).unwrap();
            assert_eq!(port.host().socket_addr(), Some(address));
        };
        reactor.run_until(closed).unwrap();
        assert_eq!(log.lines(), ["started", "stopped", "dropped"]);
    });
}

#[test]
fn a_port_that_is_stopped_before_the_reactor_runs_is_started_and_stopped_all_the_same() {
    every_reactor(|reactor| {
        let log = Log::default();
        let port = listen(&reactor, &log, |recorder| recorder);
        port.stop_listening();
        reactor.run_until(port.stop_listening()).unwrap();
        assert_eq!(log.lines(), ["started", "stopped", "dropped"]);
    });
}

#[test]
fn the_end_of_the_reactor_stops_its_ports() {
    for stops in [
        |reactor: &Reactor| reactor.stop(),
        |reactor: &Reactor| {
            let again = reactor.clone();
            reactor.before_shutdown(async move || again.stop());
            reactor.stop();
        },
    ] {
        in_time(move || {
            let reactor = test_reactor();
            let log = Log::default();
            listen(&reactor, &log, |recorder| recorder);
            let ended = log.clone();
            reactor.after_shutdown(move || ended.add("after"));
            let stopped = reactor.clone();
            reactor.call_when_running(move || stops(&stopped));
            reactor.run().unwrap();
            assert_eq!(log.lines(), ["started", "stopped", "dropped", "after"]);
        });
    }
}

#[test]
fn a_port_whose_reactor_never_ran_is_dropped_without_a_callback() {
    let log = Log::default();
    let reactor = test_reactor();
    let port = reactor.listen_udp("127.7.0.5:0", |transport| Recorder::new(transport, log.clone())).unwrap();
    let address = port.host().socket_addr().unwrap();
    drop(reactor);
    assert_eq!(log.lines(), ["dropped"]);
    socket_at(address);
}

#[test]
fn timed_and_deferred_calls_are_made_in_order_and_dropped_before_the_port_stops() {
    play(
        |recorder| {
            recorder.on(Moment::Start, |this| {
                for name in ["first", "second"] {
                    this.transport.call_later(Duration::ZERO, move |this: &mut Recorder| this.log.add(name));
                }
                let cancelled = this.transport.call_later(Duration::ZERO, |this: &mut Recorder| this.log.add("never"));
                assert!(cancelled.cancel());
                this.transport.defer(async { "a result" }, |this: &mut Recorder, result| this.log.add(result));
                let guards = ["timer gone", "future gone"].map(|line| Guard::new(&this.log, line));
                let [timer, future] = guards;
                this.transport.call_later(PATIENCE * 2, move |_: &mut Recorder| drop(timer));
                let future = async move {
                    let _future = future;
                    pending::<()>().await;
                };
                this.transport.defer(future, |_: &mut Recorder, ()| {});
            })
        },
        |port| {
            port.wait_for("second");
            port.wait_for("a result");
            port.act(|transport| drop(transport.stop_listening()));
            port.wait_for("dropped");
            let lines = port.log.lines();
            let place = |wanted: &str| lines.iter().position(|line| line == wanted).expect(wanted);
            assert!(place("first") < place("second"), "{lines:?}");
            assert!(place("timer gone") < place("stopped") && place("future gone") < place("stopped"), "{lines:?}");
            assert!(!port.log.has("never"));
            // Requested through a stale handle, calls are dropped at once.
            let log = port.log.clone();
            port.act(move |transport| {
                let guard = Guard::new(&log, "late one gone");
                transport.call_later(Duration::ZERO, move |_: &mut Recorder| drop(guard));
            });
            port.wait_for("late one gone");
        },
    );
}

#[test]
fn a_call_of_the_wrong_type_panics_where_it_is_asked_for() {
    play_on_sockets(
        |recorder| {
            recorder.on(Moment::Start, |this| {
                let transport = &this.transport;
                let line = Location::caller().line();
                for wrong in [
                    panic_of(|| drop(transport.call_later(Duration::ZERO, |_: &mut String| {}))),
                    panic_of(|| drop(transport.defer(ready(()), |_: &mut String, ()| {}))),
                ] {
                    assert!(wrong.message.contains("String") && wrong.message.contains("Recorder"), "{wrong:?}");
                    assert!(wrong.file.ends_with("udp.rs") && wrong.line.abs_diff(line) < 20, "{wrong:?}");
                }
                this.log.add("checked");
            })
        },
        |port| port.log.wait_for("checked"),
    );
}

#[test]
fn a_call_of_the_wrong_type_asked_for_too_early_is_not_made() {
    expect_panic("a call of `", || {
        every_reactor(|reactor| {
            let log = Log::default();
            let build = |transport: DatagramTransport| {
                transport.call_later(Duration::ZERO, |_: &mut String| unreachable!());
                transport.call_later(Duration::ZERO, |this: &mut Recorder| {
                    this.log.add("called");
                    this.transport.reactor().stop();
                });
                Recorder::new(transport, log.clone())
            };
            reactor.listen_udp(LOOPBACK, build).unwrap();
            reactor.run().unwrap();
            assert_eq!(log.lines(), ["started", "called", "stopped", "dropped"]);
        });
    });
}

#[test]
fn a_call_finds_the_handler_inside_the_protocol() {
    struct Outer(Inner);
    struct Inner(DatagramTransport, Log);

    impl DatagramProtocol for Outer {
        fn start_protocol(&mut self) {
            self.0.0.call_later(Duration::ZERO, |inner: &mut Inner| {
                inner.1.add("inner");
                inner.0.defer(ready(()), |outer: &mut Outer, ()| outer.0.0.reactor().stop());
            });
        }
        fn datagram_received(&mut self, _: &[u8], _: SocketAddr) {}
        fn handler(&mut self) -> Option<&mut dyn std::any::Any> {
            Some(&mut self.0)
        }
    }

    every_reactor(|reactor| {
        let log = Log::default();
        reactor.listen_udp(LOOPBACK, |transport| Outer(Inner(transport, log.clone()))).unwrap();
        reactor.run().unwrap();
        assert_eq!(log.lines(), ["inner"]);
    });
}

#[test]
fn several_reactors_share_a_port() {
    let (tell, told) = mpsc::channel();
    let (tell_address, addresses) = mpsc::channel();
    let running = thread::spawn(move || {
        run_on_threads(2, |reactor| {
            reactor.set_signal_handling(false);
            // A TCP port and a UDP port of one setup do not conflict.
            reactor.listen_tcp(LOOPBACK, |transport| Quiet { _transport: transport })?;
            let port = reactor.listen_udp(LOOPBACK, |transport| Named { transport })?;
            tell_address.send(port.host().socket_addr().unwrap()).unwrap();
            let (tell, remote) = (tell.clone(), reactor.remote());
            reactor.call_when_running(move || tell.send(remote).unwrap());
            Ok(())
        })
    });
    let remote = [told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap()].into_iter().next();
    let addresses = [addresses.recv().unwrap(), addresses.recv().unwrap()];
    assert_eq!(addresses[0], addresses[1]);

    let mut names = std::collections::HashSet::new();
    for _ in 0..200 {
        let socket = socket();
        // The system assigns all datagrams of one peer to the same thread.
        let answers = [0, 1].map(|_| {
            socket.send_to(b"who?", addresses[0]).unwrap();
            receive(&socket).0
        });
        assert_eq!(answers[0], answers[1]);
        names.extend(answers);
        if names.len() == 2 {
            break;
        }
    }
    assert_eq!(names.len(), 2, "both threads answer");
    remote.unwrap().stop();
    running.join().unwrap().unwrap();
}

#[test]
fn dropping_handles_changes_nothing() {
    struct Deaf(Log);

    impl DatagramProtocol for Deaf {
        fn datagram_received(&mut self, data: &[u8], _: SocketAddr) {
            self.0.add(format!("received {}", String::from_utf8_lossy(data)));
        }
        fn stop_protocol(&mut self) {
            self.0.add("stopped");
        }
    }

    let log = Log::default();
    let (tell, told) = mpsc::channel();
    let thread = {
        let log = log.clone();
        thread::spawn(move || {
            let reactor = test_reactor();
            // Neither the port nor the transport is stored.
            let port = reactor.listen_udp(LOOPBACK, |_| Deaf(log)).unwrap();
            tell.send((port.host().socket_addr().unwrap(), reactor.remote())).unwrap();
            drop(port);
            reactor.run().unwrap();
        })
    };
    let (address, remote) = told.recv_timeout(PATIENCE).unwrap();
    socket().send_to(b"still there", address).unwrap();
    log.wait_for("received still there");
    remote.stop();
    log.wait_for("stopped");
    thread.join().unwrap();
}

#[test]
fn a_connections_callback_writes_to_a_datagram_port_and_back() {
    struct Gateway {
        transport: Transport,
        datagrams: DatagramTransport,
        to: SocketAddr,
    }

    impl Protocol for Gateway {
        fn data_received(&mut self, data: &[u8]) {
            self.datagrams.write(data, self.to).unwrap();
        }
        fn connection_made(&mut self) {
            CONNECTION.replace(Some(self.transport.clone()));
        }
    }

    thread_local! {
        static CONNECTION: RefCell<Option<Transport>> = const { RefCell::new(None) };
    }

    let peer = socket();
    let to = peer.local_addr().unwrap();
    play_on_sockets(
        move |recorder| {
            recorder
                .on(Moment::Start, move |this| {
                    let datagrams = this.transport.clone();
                    let factory = move |transport| Gateway { transport, datagrams: datagrams.clone(), to };
                    let port = this.transport.reactor().listen_tcp(LOOPBACK, factory).unwrap();
                    this.log.add(format!("tcp {}", port.host()));
                })
                .on(Moment::Received, |this| {
                    let connection = CONNECTION.take().unwrap();
                    connection.write(&this.data);
                    connection.lose_connection();
                })
        },
        |port| {
            port.log.wait_for("tcp");
            let lines = port.log.lines();
            let address = lines.iter().find_map(|line| line.strip_prefix("tcp ")).unwrap();
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"there").unwrap();
            assert_eq!(receive(&peer), (b"there".to_vec(), port.address));
            peer.send_to(b"and back", port.address).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "and back");
        },
    );
}

#[test]
fn a_flood_of_datagrams_keeps_neither_timers_nor_connections_nor_deferred_calls_waiting() {
    // It sends everything it receives to itself, so there is always something to read.
    let again = |this: &mut Recorder| {
        let _ = this.transport.write(&this.data, this.transport.host());
    };
    play_on_sockets(
        move |recorder| {
            recorder.quiet().on(Moment::Received, again).on(Moment::Start, |this| {
                for _ in 0..16 {
                    this.transport.write("round and round", this.transport.host()).unwrap();
                }
                this.tick(0);
                let port = this.transport.reactor().listen_tcp(LOOPBACK, |transport| Echo { transport }).unwrap();
                this.log.add(format!("tcp {}", port.host()));
            })
        },
        |port| {
            port.log.wait_for("tcp");
            let lines = port.log.lines();
            let address = lines.iter().find_map(|line| line.strip_prefix("tcp ")).unwrap();
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            for _ in 0..100 {
                stream.write_all(b"ping").unwrap();
                stream.read_exact(&mut [0; 4]).unwrap();
            }
            port.log.wait_for("tick 100");
        },
    );
}

#[test]
fn a_port_lets_others_have_their_turn_after_a_few_datagrams_or_many_bytes() {
    for (flying, len, most) in [(32, 10, 16), (3, 50_000, 2)] {
        in_time(move || {
            let reactor = test_reactor();
            let received = Rc::new(Cell::new(0));
            let count = Rc::clone(&received);
            let build = |transport: DatagramTransport| {
                for _ in 0..flying {
                    transport.write(vec![0; len], transport.host()).unwrap();
                }
                Recorder::new(transport, Log::default()).quiet().on(Moment::Received, move |this| {
                    count.set(count.get() + 1);
                    this.transport.write(&this.data, this.transport.host()).unwrap();
                })
            };
            reactor.listen_udp(LOOPBACK, build).unwrap();
            let stops = reactor.clone();
            let greatest = Rc::new(Cell::new(0));
            let seen = Rc::clone(&greatest);
            // A second task takes turns with the port's.
            reactor.spawn(async move {
                for _ in 0..1000 {
                    ready_at_the_second_look().await;
                    seen.set(received.take().max(seen.get()));
                }
                stops.stop();
            });
            reactor.run().unwrap();
            assert_eq!(greatest.get(), most);
        });
    }
}

#[test]
fn a_protocol_that_always_defers_another_call_keeps_nothing_waiting() {
    fn again(this: &mut Recorder) {
        this.transport.defer(ready(()), |this: &mut Recorder, ()| again(this));
    }
    play_on_sockets(
        |recorder| {
            recorder.on(Moment::Received, Recorder::answer).on(Moment::Start, |this| {
                again(this);
                this.tick(0);
            })
        },
        |port| {
            port.log.wait_for("tick 100");
            let socket = socket();
            socket.send_to(b"hi", port.address).unwrap();
            assert_eq!(receive(&socket).0, b"hi");
        },
    );
}

#[test]
fn a_port_that_cannot_be_had_is_an_error_that_names_the_address() {
    let reactor = test_reactor();
    let taken = socket();
    let address = taken.local_addr().unwrap();
    let error = reactor.listen_udp(address, |_| -> Recorder { unreachable!() }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(error.to_string(), format!("cannot listen on {address}: address in use"));

    let error = reactor.listen_udp("192.0.2.1:0", |_| -> Recorder { unreachable!() }).unwrap_err();
    assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:0: not an address of this machine");

    let error = reactor.listen_udp("anywhere", |_| -> Recorder { unreachable!() }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("cannot listen on 'anywhere': expected a port"), "{error}");
}

#[test]
fn a_reactor_in_a_tests_hands_has_no_datagrams() {
    let wire = StringTransport::connect(|transport| Echo { transport });
    let error = wire.reactor().listen_udp(LOOPBACK, |_| -> Recorder { unreachable!() }).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "cannot listen on 127.0.0.1:0: this reactor is in memory and has no sockets");
}

#[test]
fn the_buffers_of_the_system_can_be_asked_for() {
    in_time(|| {
        let reactor = test_reactor();
        let log = Log::default();
        let options = DatagramOptions::new(LOOPBACK).receive_buffer(8 << 10).send_buffer(1 << 20);
        let build = |transport| {
            Recorder::new(transport, log.clone()).on(Moment::Received, |this| {
                let reactor = this.transport.reactor();
                this.transport.call_later(Duration::from_millis(20), move |_: &mut Recorder| reactor.stop());
            })
        };
        let port = reactor.listen_udp(options, build).unwrap();
        let address = port.host().socket_addr().unwrap();
        // Most of these exceed the buffer.
        let peer = socket();
        for _ in 0..100 {
            peer.send_to(&[0; 1000], address).unwrap();
        }
        reactor.run().unwrap();
        assert!(log.count("received") < 50, "{} were received", log.count("received"));
    });
}

#[test]
fn what_is_written_before_the_reactor_runs_is_sent_at_once() {
    let reactor = test_reactor();
    let peer = socket();
    let address = peer.local_addr().unwrap();
    let log = Log::default();
    let build = |transport: DatagramTransport| {
        transport.write("early", address).unwrap();
        transport.connect(address).unwrap();
        transport.write_to_peer("connected").unwrap();
        Recorder::new(transport, log.clone())
    };
    reactor.listen_udp(LOOPBACK, build).unwrap();
    assert_eq!(receive(&peer).0, b"early");
    assert_eq!(receive(&peer).0, b"connected");
    assert!(log.lines().is_empty(), "no callback comes before the reactor runs");
}

#[test]
fn a_port_opened_in_a_callback_is_started_when_that_has_returned() {
    play_on_sockets(
        |recorder| {
            recorder.on(Moment::Start, |this| {
                let log = this.log.clone();
                let port = listen(&this.transport.reactor(), &log, |recorder| {
                    recorder.on(Moment::Start, |this| this.log.add("the inner one"))
                });
                this.log.add("returned");
                this.transport.reactor().call_later(Duration::ZERO, move || {
                    log.add("timer");
                    port.stop_listening();
                });
            })
        },
        |port| {
            port.log.wait_for("dropped");
            let lines = port.log.lines();
            assert_eq!(lines[..4], ["started", "returned", "started", "the inner one"]);
        },
    );
}

#[test]
fn a_panic_while_the_protocol_is_built_is_the_callers_and_closes_the_socket() {
    let reactor = test_reactor();
    let kept = Rc::new(RefCell::new(None));
    let build = {
        let kept = Rc::clone(&kept);
        move |transport: DatagramTransport| -> Recorder {
            kept.replace(Some(transport));
            panic!("not today")
        }
    };
    let panic = panic_of(|| drop(reactor.listen_udp("127.7.0.6:0", build)));
    assert_eq!(panic.message, "not today");
    let transport = kept.take().unwrap();
    assert_eq!(transport.write_to_peer("hi").unwrap_err().to_string(), "the port was stopped");
    socket_at(transport.host());
}

#[test]
fn a_protocol_may_use_its_transport_when_it_is_dropped() {
    struct Last(DatagramTransport, Rc<Cell<bool>>);

    impl DatagramProtocol for Last {
        fn start_protocol(&mut self) {
            self.0.stop_listening();
        }
        fn datagram_received(&mut self, _: &[u8], _: SocketAddr) {}
    }

    impl Drop for Last {
        fn drop(&mut self) {
            assert!(self.0.write("gone", self.0.host()).is_err());
            self.0.call_later(Duration::ZERO, |_: &mut Self| unreachable!());
            self.0.defer(ready(()), |_: &mut Self, ()| unreachable!());
            drop(self.0.stop_listening());
            self.1.set(true);
        }
    }

    every_reactor(|reactor| {
        let dropped = Rc::new(Cell::new(false));
        let flag = Rc::clone(&dropped);
        reactor.listen_udp(LOOPBACK, |transport| Last(transport, flag)).unwrap();
        let stops = reactor.clone();
        reactor.call_later(Duration::ZERO, move || stops.stop());
        reactor.run().unwrap();
        assert!(dropped.get());
    });
}

async fn ready_at_the_second_look() {
    let mut looked = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut looked, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct Echo {
    transport: Transport,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }
}

struct Quiet {
    _transport: Transport,
}

impl Protocol for Quiet {
    fn data_received(&mut self, _: &[u8]) {}
}

/// Answers with the name of its thread.
struct Named {
    transport: DatagramTransport,
}

impl DatagramProtocol for Named {
    fn datagram_received(&mut self, _: &[u8], peer: SocketAddr) {
        self.transport.write(format!("{:?}", thread::current().id()), peer).unwrap();
    }
}

#[test]
fn a_port_is_not_connected_to_itself() {
    let reactor = test_reactor();
    let connected = Rc::new(RefCell::new(None));
    let told = Rc::clone(&connected);
    listen(&reactor, &Log::default(), move |this| {
        told.replace(Some(this.transport.connect(this.transport.host())));
        this
    });
    let error = connected.take().unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().starts_with("the port would be connected to itself, 127.0.0.1:"), "{error}");
}
