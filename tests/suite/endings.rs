//! How connections end: what is called back, in which order, and what the peer sees.

use std::time::Duration;

use reactor::CloseReason;
use reactor::OnEof;
use reactor::Protocol;
use reactor::Transport;

use crate::support::Callback;
use crate::support::Ending;
use crate::support::Recorder;
use crate::support::every_world;
use crate::support::every_world_with;
use crate::support::in_time;
use crate::support::on_sockets;
use crate::support::read_to_the_end;
use crate::support::test_reactor;

/// More than a loopback connection's buffers take.
const HUGE: usize = 32 << 20;

#[test]
fn the_peers_end_of_stream_closes_in_order() {
    every_world(
        |recorder| recorder,
        |peer| {
            peer.send("hi");
            peer.send_eof();
            peer.expect(&["made", "data hi", "eof", "lost Done", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn the_peers_end_of_stream_does_not_discard_pending_output() {
    every_world(
        |recorder| recorder.on(Callback::Data, |this| this.transport.write(vec![b'x'; HUGE])),
        |peer| {
            peer.stop_reading();
            peer.send("all of it, please");
            peer.send_eof();
            let (data, ending) = peer.read_to_the_end();
            assert_eq!((data.len(), ending), (HUGE, Ending::Clean));
            peer.wait_for("dropped");
            assert_eq!(peer.log.count("lost Done"), 1);
        },
    );
}

#[test]
fn a_reset_by_the_peer_is_a_loss() {
    every_world(
        |recorder| recorder,
        |peer| {
            peer.send("hi");
            peer.wait_for("data hi");
            peer.reset();
            peer.expect(&["made", "data hi", "lost Lost", "dropped"]);
        },
    );
}

#[test]
fn what_was_sent_before_a_reset_is_received_before_the_loss_even_with_output_pending() {
    every_world(
        |recorder| recorder,
        |peer| {
            peer.stop_reading();
            peer.act(|transport| transport.write(vec![b'x'; HUGE]));
            peer.wait_for("pause");
            // Both are there when the connection looks, because its thread is busy meanwhile.
            if peer.is_socket() {
                let (done, wait) = std::sync::mpsc::channel::<()>();
                let (begun, begin) = std::sync::mpsc::channel();
                let log = peer.log.clone();
                peer.act(move |transport| {
                    let log = log.clone();
                    transport.reactor().call_later(Duration::ZERO, move || {
                        begun.send(()).unwrap();
                        let _ = wait.recv_timeout(crate::support::PATIENCE);
                        log.add("free");
                    });
                });
                begin.recv_timeout(crate::support::PATIENCE).unwrap();
                peer.send("last words");
                peer.reset();
                drop(done);
            } else {
                peer.send("last words");
                peer.reset();
            }
            peer.wait_for("dropped");
            assert_eq!(peer.log.received(), b"last words", "{:#?}", peer.log.lines());
            assert_eq!(peer.log.count("lost Lost"), 1);
        },
    );
}

#[test]
fn an_abort_resets_and_discards() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("never seen");
                this.transport.abort_connection();
                this.transport.abort_connection();
                this.transport.write("neither");
                assert!(this.transport.is_closing());
            })
        },
        |peer| {
            peer.send("hi");
            peer.expect(&["made", "data hi", "lost Aborted", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Reset));
        },
    );
}

#[test]
fn an_abort_in_the_middle_of_a_flush_wins_over_the_close() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("go");
            peer.wait_for("data go");
            peer.act(Transport::abort_connection);
            peer.wait_for("dropped");
            assert!(peer.log.has("lost Aborted"), "{:#?}", peer.log.lines());
            let (data, ending) = peer.read_to_the_end();
            assert!(data.len() < HUGE);
            assert_eq!(ending, Ending::Reset);
        },
    );
}

#[test]
fn closing_flushes_drops_later_writes_and_delivers_nothing_more() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.lose_connection();
                this.transport.lose_connection();
                this.transport.write("too late");
                write!(this.transport, "too {}", "late");
                assert!(this.transport.is_closing());
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("go");
            peer.wait_for("data go");
            peer.send("ignored");
            let (data, ending) = peer.read_to_the_end();
            assert_eq!((data.len(), ending), (HUGE, Ending::Clean));
            peer.wait_for("dropped");
            assert_eq!(peer.log.received(), b"go");
            assert!(peer.log.has("lost Done"));
        },
    );
}

#[test]
fn closing_with_unread_input_in_the_system_loses_the_peer_nothing() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Made, |this| this.transport.pause_reading()).on(Callback::Timer, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.send(vec![b'y'; 200_000]);
            peer.act(|transport| {
                transport.call_later(Duration::ZERO, |this: &mut Recorder| {
                    this.timer(Duration::ZERO, "close");
                });
            });
            let (data, ending) = peer.read_to_the_end();
            assert_eq!((data.len(), ending), (HUGE, Ending::Clean));
            peer.send(vec![b'y'; 200_000]);
            peer.wait_for("dropped");
            assert_eq!(peer.log.received(), b"");
            assert!(peer.log.has("lost Done"));
        },
    );
}

#[test]
fn a_failure_of_the_users_own_is_the_reason_and_resets() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write("never seen");
                this.transport.fail_connection(CloseReason::failed("bad greeting"));
                this.transport.fail_connection(CloseReason::TimedOut);
                this.transport.abort_connection();
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.send("hi");
            peer.expect(&["made", "data hi", "lost Failed(bad greeting)", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Reset));
        },
    );
}

#[test]
fn whatever_reason_a_failure_is_given_the_peer_sees_that_output_is_missing() {
    let reasons: [fn() -> CloseReason; 4] = [
        || CloseReason::Done,
        || CloseReason::TimedOut,
        || CloseReason::Lost(std::sync::Arc::new(std::io::ErrorKind::BrokenPipe.into())),
        || CloseReason::Overflow,
    ];
    for reason in reasons {
        every_world(
            move |recorder| {
                recorder.on(Callback::Data, move |this| {
                    this.transport.write("never seen");
                    this.transport.fail_connection(reason());
                })
            },
            |peer| {
                peer.send("hi");
                peer.wait_for("dropped");
                assert_eq!(peer.read_to_the_end(), (vec![], Ending::Reset), "{}", reason());
            },
        );
    }
}

#[test]
fn a_panic_in_connection_made_ends_that_connection_with_its_message() {
    panics_in(Callback::Made, |_| {}, &["made", "lost Panicked(oh Made)", "dropped"]);
}

#[test]
fn a_panic_in_data_received_ends_that_connection_with_its_message() {
    panics_in(Callback::Data, |peer| peer.send("hi"), &["made", "data hi", "lost Panicked(oh Data)", "dropped"]);
}

#[test]
fn a_panic_in_eof_received_ends_that_connection_with_its_message() {
    panics_in(Callback::Eof, support_eof, &["made", "eof", "lost Panicked(oh Eof)", "dropped"]);
}

fn support_eof(peer: &mut crate::support::Peer) {
    peer.send_eof();
}

#[test]
fn a_panic_in_pause_writing_ends_that_connection_with_its_message() {
    let write_much = |peer: &mut crate::support::Peer| {
        peer.stop_reading();
        peer.act(|transport| transport.write(vec![0; HUGE]));
    };
    panics_in(Callback::Pause, write_much, &["made", "pause", "lost Panicked(oh Pause)", "dropped"]);
}

#[test]
fn a_panic_in_resume_writing_ends_that_connection_with_its_message() {
    let write_much = |peer: &mut crate::support::Peer| {
        peer.stop_reading();
        peer.act(|transport| transport.write(vec![0; HUGE]));
        peer.wait_for("pause");
        peer.read(HUGE);
    };
    panics_in(Callback::Resume, write_much, &["made", "pause", "resume", "lost Panicked(oh Resume)", "dropped"]);
}

#[test]
fn a_panic_in_a_timed_call_ends_that_connection_with_its_message() {
    let time = |peer: &mut crate::support::Peer| {
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
    let defer = |peer: &mut crate::support::Peer| {
        peer.act(|transport| {
            transport.call_later(Duration::ZERO, |this: &mut Recorder| this.deferred());
        });
        peer.let_pass(Duration::ZERO);
    };
    panics_in(Callback::Deferred, defer, &["made", "deferred", "lost Panicked(oh Deferred)", "dropped"]);
}

#[test]
fn a_panic_in_a_deferred_future_ends_that_connection_with_its_message() {
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
}

#[test]
fn a_panic_in_connection_lost_is_contained_and_the_protocol_dropped() {
    every_world(
        |recorder| recorder.on(Callback::Lost, |_| panic!("oh Lost")),
        |peer| {
            peer.send_eof();
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn a_panic_in_a_protocols_drop_is_contained() {
    every_world(
        |recorder| recorder.on(Callback::Drop, |_| panic!("oh Drop")),
        |peer| {
            peer.send_eof();
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn a_panic_with_a_payload_that_panics_when_dropped_is_contained() {
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
            peer.expect(&["made", "data hi", "lost Panicked(a panic without a text)", "dropped"]);
        },
    );
}

/// A panic there comes last but for the loss, discards what was written, resets, and touches nobody else.
fn panics_in(callback: Callback, provoke: impl Fn(&mut crate::support::Peer), lines: &[&str]) {
    every_world(
        move |recorder| {
            recorder.on(callback, move |this| {
                this.timer(Duration::from_secs(3600), "never").active();
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
    );
}

#[test]
fn too_much_output_ends_the_connection_with_overflow_and_a_reset() {
    every_world(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.write("one too many");
                assert!(this.transport.is_closing());
            })
        },
        |peer| {
            peer.stop_reading();
            peer.send("hi");
            peer.wait_for("dropped");
            assert!(peer.log.has("lost Overflow"), "{:#?}", peer.log.lines());
            assert_eq!(peer.read_to_the_end().1, Ending::Reset);
        },
    );
}

#[test]
fn timers_and_deferred_futures_are_dropped_before_connection_lost() {
    every_world(
        |recorder| {
            recorder
                .on(Callback::Made, |this| {
                    this.timer(Duration::from_secs(3600), "one");
                    this.deferred_for_ever();
                })
                .on(Callback::Lost, |this| {
                    // Asked of a dead connection these are dropped at once.
                    assert!(!this.timer(Duration::ZERO, "two").active());
                    this.deferred_for_ever();
                    this.log.add("end of the last callback");
                })
        },
        |peer| {
            peer.wait_for("made");
            peer.send_eof();
            peer.wait_for("dropped");
            let mut lines = peer.log.lines();
            lines[2..4].sort();
            assert_eq!(
                lines,
                [
                    "made",
                    "eof",
                    "future gone",
                    "timer one gone",
                    "lost Done",
                    "timer two gone",
                    "future gone",
                    "end of the last callback",
                    "dropped"
                ]
            );
        },
    );
}

#[test]
fn timers_are_dropped_before_connection_lost_even_when_dropping_one_of_them_panics() {
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
                    this.transport.call_later(Duration::from_millis(20), move |_: &mut Recorder| drop(bomb));
                }
                this.timer(Duration::from_millis(20), "behind");
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
}

#[test]
fn half_close_by_the_peer_first_goes_on_sending_until_closed() {
    every_world(
        |recorder| {
            recorder
                .keeping_writing()
                .on(Callback::Eof, |this| {
                    this.transport.write("still ");
                    this.timer(Duration::from_millis(1), "answer");
                })
                .on(Callback::Timer, |this| {
                    this.transport.write("here");
                    this.transport.lose_connection();
                })
        },
        |peer| {
            peer.send("question");
            peer.send_eof();
            peer.let_pass(Duration::from_millis(1));
            assert_eq!(peer.read_to_the_end(), (b"still here".to_vec(), Ending::Clean));
            peer.expect(&["made", "data question", "eof", "timer answer", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn half_close_by_this_side_first_goes_on_receiving_until_the_peer_ends() {
    every_world(
        |recorder| {
            recorder.keeping_writing().on(Callback::Made, |this| {
                this.transport.write("question");
                this.transport.write_eof();
                this.transport.write_eof();
                this.transport.write("dropped");
                assert!(!this.transport.is_closing());
            })
        },
        |peer| {
            assert_eq!(peer.read_to_the_end(), (b"question".to_vec(), Ending::Clean));
            peer.send("answer");
            peer.wait_for("data answer");
            peer.send_eof();
            peer.expect(&["made", "data answer", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn half_close_by_the_peer_and_then_by_this_side_closes() {
    every_world(
        |recorder| {
            recorder.keeping_writing().on(Callback::Eof, |this| {
                this.transport.write("bye");
                this.transport.write_eof();
            })
        },
        |peer| {
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"bye".to_vec(), Ending::Clean));
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn half_close_with_much_output_loses_nothing() {
    every_world(
        |recorder| {
            recorder
                .keeping_writing()
                .without_data()
                .on(Callback::Data, |this| {
                    let data = std::mem::take(&mut this.data);
                    this.transport.write(&data);
                })
                .on(Callback::Eof, |this| this.transport.lose_connection())
        },
        |peer| {
            let sent: Vec<u8> = (0..512 * 1024_u32).map(|n| (n % 251) as u8).collect();
            peer.send(&sent);
            peer.send_eof();
            let (data, ending) = peer.read_to_the_end();
            assert!(data == sent, "{} of {} bytes came back, or in another order", data.len(), sent.len());
            assert_eq!(ending, Ending::Clean);
            peer.wait_for("lost Done");
        },
    );
}

#[test]
fn a_refused_client_gets_no_callback_and_is_closed_and_the_next_is_served() {
    in_time(|| {
        let reactor = test_reactor();
        let mut count = 0;
        let log = crate::support::Log::default();
        let seen = log.clone();
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport: Transport| {
                count += 1;
                match count % 3 {
                    0 => panic!("in build_protocol"),
                    1 => None,
                    _ => Some(Recorder::new(transport, seen.clone()).on(Callback::Made, |this| {
                        this.transport.write("hello");
                        this.transport.lose_connection();
                    })),
                }
            })
            .unwrap();
        let address = port.host().socket_addr().unwrap();
        let clients = reactor.defer_to_thread(move || {
            (0..30)
                .map(|_| {
                    let mut socket = std::net::TcpStream::connect(address).unwrap();
                    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
                    read_to_the_end(&mut socket)
                })
                .collect::<Vec<_>>()
        });
        let seen = reactor.run_until(clients).unwrap().unwrap();
        for (index, (data, ending)) in seen.into_iter().enumerate() {
            assert_eq!(data, if index % 3 == 1 { &b"hello"[..] } else { b"" });
            assert_eq!(ending, Ending::Clean);
        }
        assert_eq!((log.count("made"), log.count("lost Done"), log.count("dropped")), (10, 10, 10));
    });
}

#[test]
fn a_handle_of_a_refused_connection_is_stale_and_what_was_asked_of_it_dropped() {
    in_time(|| {
        let reactor = test_reactor();
        let log = crate::support::Log::default();
        let handles = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let (kept, seen) = (std::rc::Rc::clone(&handles), log.clone());
        let mut count = 0;
        let port = reactor
            .listen_tcp("127.0.0.1:0", move |transport: Transport| -> Option<Recorder> {
                let guard = crate::support::Guard::new(&seen, "timer gone");
                transport.call_later(Duration::from_secs(3600), move |_: &mut Recorder| guard.disarm());
                let guard = crate::support::Guard::new(&seen, "future gone");
                let future = async move {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                };
                transport.defer(future, |_: &mut Recorder, ()| {});
                kept.borrow_mut().push(transport);
                count += 1;
                assert!(count < 2, "the second panics");
                None
            })
            .unwrap();
        let address = port.host().socket_addr().unwrap();
        let clients = reactor.defer_to_thread(move || {
            for _ in 0..2 {
                let mut socket = std::net::TcpStream::connect(address).unwrap();
                socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
                read_to_the_end(&mut socket);
            }
        });
        let pending = reactor.pending_calls();
        let inside = reactor.clone();
        let checked = async move {
            clients.await.unwrap();
            assert_eq!(inside.pending_calls(), pending, "a timer of a refused connection is left");
            for transport in handles.borrow().iter() {
                assert!(transport.is_closing(), "a refused connection's handle is not closing");
                transport.write("into the void");
                assert_eq!(transport.unsent(), 0);
            }
        };
        reactor.run_until(checked).unwrap();
        assert_eq!((log.count("timer gone"), log.count("future gone")), (2, 2));
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
                let mut socket = std::net::TcpStream::connect(address).unwrap();
                socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
                read_to_the_end(&mut socket);
            }
        });
        reactor.run_until(clients).unwrap().unwrap();
    });
}

#[test]
fn stopping_closes_in_order_and_flushes() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                this.transport.reactor().stop();
            })
        },
        |peer| {
            peer.send("hi");
            let (data, ending) = peer.read_to_the_end();
            assert_eq!((data.len(), ending), (HUGE, Ending::Clean));
            peer.wait_for("dropped");
            assert!(peer.log.has("lost Done"));
        },
    );
}

#[test]
fn stopping_reaches_a_connection_whose_reading_is_paused() {
    on_sockets(
        |recorder| recorder.on(Callback::Made, |this| this.transport.pause_reading()),
        |peer| {
            peer.send("never read");
            peer.act(|transport| transport.reactor().stop());
            peer.expect(&["made", "lost Done", "dropped"]);
        },
    );
}

#[test]
fn stopping_aborts_who_does_not_read_when_the_deadline_has_passed() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Made, |this| {
                this.transport.write(vec![b'x'; HUGE]);
                let reactor = this.transport.reactor();
                reactor.set_shutdown_deadline(Duration::from_millis(50));
                reactor.stop();
            })
        },
        |peer| {
            peer.wait_for("dropped");
            assert!(peer.log.has("lost Aborted"), "{:#?}", peer.log.lines());
            let (data, ending) = peer.read_to_the_end();
            assert!(data.len() < HUGE);
            assert_eq!(ending, Ending::Reset);
        },
    );
}

#[test]
fn a_protocol_whose_answer_to_the_end_is_half_close_is_closed_by_stopping() {
    on_sockets(
        |recorder| recorder.keeping_writing(),
        |peer| {
            peer.send_eof();
            peer.wait_for("eof");
            peer.act(|transport| transport.reactor().stop());
            peer.expect(&["made", "eof", "lost Done", "dropped"]);
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}

#[test]
fn the_default_callbacks_close_in_order() {
    struct Bare;
    impl Protocol for Bare {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    assert_eq!(Bare.eof_received(), OnEof::Close);
    every_world_with(
        |_| Box::new(|_: Transport| Bare),
        |peer| {
            peer.send("hi");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (vec![], Ending::Clean));
        },
    );
}
