//! Another protocol takes over a connection that goes on.

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use protocols::policies::IdleTimeout;
use protocols::web_socket::WebSocket;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::testing::{Pair, StringTransport, every_cut, expect_panic};
use reactor::{CloseReason, Factory, OnEof, Protocol, Transport, share};

use crate::support::{Ending, Guard, Log, Peer, every_world_with, in_memory_with, tap, throttle};

const SECOND: Duration = Duration::from_secs(1);

/// Logs its callbacks under a name, and does what `on_data` says with what it receives.
struct Voice {
    name: &'static str,
    transport: Transport,
    log: Log,
    on_data: OnData,
    on_made: fn(&Transport),
}

type OnData = Rc<dyn Fn(&Transport, &[u8])>;

fn voice<F>(name: &'static str, log: &Log, on_data: F) -> impl Factory + Clone + use<F>
where
    F: Fn(&Transport, &[u8]) + 'static,
{
    let (log, on_data) = (log.clone(), Rc::new(on_data) as OnData);
    move |transport| Voice { name, transport, log: log.clone(), on_data: on_data.clone(), on_made: |_| {} }
}

fn echo(name: &'static str, log: &Log) -> impl Factory + Clone + use<> {
    voice(name, log, |transport, data| transport.write(data))
}

/// Answers `hello` with `bye`, and gives the rest to the next.
fn greeter<N: Factory + Clone>(log: &Log, next: N) -> impl Factory + Clone + use<N> {
    voice("one", log, move |transport, data| {
        let (hello, rest) = data.split_at(5);
        assert_eq!(hello, b"hello");
        transport.write("bye ");
        transport.switch_to(next.clone(), rest);
    })
}

impl Voice {
    fn note(&self, what: &str) {
        self.log.add(format!("{} {what}", self.name));
    }
}

impl Protocol for Voice {
    fn connection_made(&mut self) {
        self.note("made");
        (self.on_made)(&self.transport);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.note(&format!("data {}", String::from_utf8_lossy(data)));
        (self.on_data)(&self.transport, data);
    }

    fn eof_received(&mut self) -> OnEof {
        self.note("eof");
        OnEof::Close
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.note(&format!("lost {reason}"));
    }
}

impl Drop for Voice {
    fn drop(&mut self) {
        self.note("gone");
    }
}

#[track_caller]
fn expect(peer: &mut Peer, lines: &[&str]) {
    peer.wait_for(lines.last().unwrap());
    assert_eq!(peer.log.lines(), lines);
}

const CLOSED: &str = "connection closed cleanly";

#[test]
fn the_next_protocol_is_made_gets_the_rest_and_then_what_comes() {
    every_world_with(
        |log| Box::new(greeter(&log, echo("two", &log))),
        |peer| {
            peer.send("hello world");
            peer.wait_for("two data  world");
            peer.send("more");
            peer.wait_for("two data more");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"bye  worldmore".to_vec(), Ending::Clean));
            let lost = format!("two lost {CLOSED}");
            let lines = [
                "one made",
                "one data hello world",
                "one gone",
                "two made",
                "two data  world",
                "two data more",
                "two eof",
                &lost,
                "two gone",
            ];
            expect(peer, &lines);
        },
    );
}

#[test]
fn an_end_of_stream_behind_the_question_reaches_the_next_protocol() {
    every_world_with(
        |log| Box::new(greeter(&log, echo("two", &log))),
        |peer| {
            peer.send("hello you");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"bye  you".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn an_end_of_stream_that_the_first_protocol_has_heard_is_told_the_next_again() {
    in_memory_with(
        |log| {
            let next = echo("two", &log);
            struct Ends(Transport, Log, Box<dyn Fn() -> Box<dyn Factory>>);
            impl Protocol for Ends {
                fn data_received(&mut self, _data: &[u8]) {}
                fn eof_received(&mut self) -> OnEof {
                    self.1.add("one eof");
                    self.0.switch_to(self.2(), "rest");
                    OnEof::KeepWriting
                }
            }
            Box::new(move |transport| {
                let next = next.clone();
                Ends(transport, log.clone(), Box::new(move || Box::new(next.clone())))
            })
        },
        |peer| {
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"rest".to_vec(), Ending::Clean));
            let lost = format!("two lost {CLOSED}");
            expect(peer, &["one eof", "two made", "two data rest", "two eof", &lost, "two gone"]);
        },
    );
}

#[test]
fn what_the_first_has_asked_for_is_dropped_and_what_the_next_asks_for_is_its_own() {
    in_memory_with(
        |log| {
            let (made, seen) = (log.clone(), log.clone());
            let next = move |transport: Transport| {
                let log = made.clone();
                transport.call_later(SECOND, |this: &mut Voice| this.note("timer"));
                Voice { name: "two", transport, log, on_data: Rc::new(|_, _| {}), on_made: |_| {} }
            };
            Box::new(voice("one", &log, move |transport, _| {
                let [timer, future, handle] =
                    ["timer dropped", "future dropped", "handle dropped"].map(|line| Guard::new(&seen, line));
                transport.call_later(SECOND, move |_: &mut Voice| drop(timer));
                transport.defer(pending::<()>(), move |_: &mut Voice, ()| drop(future));
                transport.on_drain(|_: &mut Voice| unreachable!("it is not there any more"));
                transport.set_handle(Rc::new(handle));
                transport.pause_reading();
                transport.switch_to(next.clone(), "");
            }))
        },
        |peer| {
            peer.send("x");
            peer.send("y");
            peer.let_pass(SECOND);
            let lines = peer.log.lines();
            assert_eq!(lines[..2], ["one made", "one data x"]);
            let mut dropped = lines[2..5].to_vec();
            dropped.sort_unstable();
            assert_eq!(dropped, ["future dropped", "handle dropped", "timer dropped"]);
            assert_eq!(lines[5..], ["one gone", "two made", "two data y", "two timer"]);
            peer.act(Transport::drain);
            peer.wait_for(&format!("two lost {CLOSED}"));
        },
    );
}

#[test]
fn a_rest_waits_while_the_next_protocol_has_paused_reading_and_comes_before_anything_newer() {
    in_memory_with(
        |log| {
            let made = log.clone();
            let next = move |transport: Transport| Voice {
                name: "two",
                transport,
                log: made.clone(),
                on_data: Rc::new(|_, _| {}),
                on_made: Transport::pause_reading,
            };
            Box::new(greeter(&log, next))
        },
        |peer| {
            peer.send("helloabc");
            peer.send("def");
            peer.send_eof();
            peer.wait_for("two made");
            assert!(!peer.log.has("two data"));
            peer.act(Transport::resume_reading);
            let lines =
                ["one made", "one data helloabc", "one gone", "two made", "two data abc", "two data def", "two eof"];
            assert_eq!(peer.log.lines()[..7], lines);
        },
    );
}

#[test]
fn a_long_rest_comes_in_pieces_of_the_usual_size() {
    let log = Log::default();
    let rest = vec![b'x'; 150_000];
    let next = voice("two", &log, |_, data| assert!(data.len() <= 65_536));
    let mut wire =
        StringTransport::connect(voice("one", &log, move |transport, _| transport.switch_to(next.clone(), &rest)));
    wire.receive("go");
    wire.receive("y");
    let sizes: Vec<_> = log.lines().iter().filter(|line| line.starts_with("two data")).map(String::len).collect();
    assert_eq!(sizes, [65_536, 65_536, 18_928, 1].map(|size| size + "two data ".len()));
    assert_eq!(wire.reactor().held_bytes(), 0);
}

#[test]
fn a_switch_is_for_the_layer_that_asks_and_those_around_it_stay() {
    every_world_with(
        |log| Box::new(tap("a", &log, throttle(usize::MAX, greeter(&log, share(tap("b", &log, echo("two", &log))))))),
        |peer| {
            peer.send("hello!");
            peer.wait_for("two data !");
            peer.send("?");
            peer.wait_for("two data ?");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"bye !?".to_vec(), Ending::Clean));
            peer.wait_for("two gone");
            for (line, count) in
                [("a made", 1), ("a lost", 1), ("b made", 1), ("b lost", 1), ("one lost", 0), ("two lost", 1)]
            {
                assert_eq!(peer.log.count(line), count, "{line}: {:#?}", peer.log.lines());
            }
        },
    );
}

#[test]
fn a_switch_in_a_web_socket_and_one_to_a_web_socket_both_work() {
    let log = Log::default();
    let web = share(WebSocket::around(greeter(&log, echo("two", &log))));
    let sniff = voice("sniff", &log, move |transport, data| transport.switch_to(web.clone(), data));
    let told = log.clone();
    let client = WebSocket::client("ws://server/", move |transport: Transport| {
        transport.write("hello you");
        let log = told.clone();
        Voice { name: "client", transport, log, on_data: Rc::new(|_, _| {}), on_made: |_| {} }
    });
    let mut pair = Pair::connect(client, sniff);
    pair.run_until_quiet();
    for line in ["sniff gone", "one data hello you", "one gone", "two made", "two data  you", "client data bye "] {
        assert_eq!(log.count(line), 1, "{line}: {:#?}", log.lines());
    }
    assert_eq!(log.count("sniff lost") + log.count("one lost"), 0);
}

#[test]
fn several_switches_follow_each_other_with_what_each_has_left() {
    every_world_with(
        |log| {
            let third = echo("three", &log);
            let second = voice("two", &log, move |transport, data| {
                transport.write("2");
                transport.switch_to(third.clone(), &data[1..]);
            });
            Box::new(voice("one", &log, move |transport, data| {
                transport.write("1");
                transport.switch_to(second.clone(), &data[1..]);
            }))
        },
        |peer| {
            peer.send("abc");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"12c".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn a_switch_from_outside_happens_in_the_next_turn() {
    every_world_with(
        |log| Box::new(voice("one", &log, |_, _| {})),
        |peer| {
            peer.wait_for("one made");
            let log = peer.log.clone();
            peer.act(move |transport| transport.switch_to(echo("two", &log), "left "));
            peer.wait_for("two data left");
            peer.send("hello");
            peer.send_eof();
            assert_eq!(peer.read_to_the_end(), (b"left hello".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn a_connection_that_closes_fails_or_panics_first_is_not_switched() {
    type End = fn(&Transport);
    let ends: [(End, &str); 3] = [
        (Transport::lose_connection, CLOSED),
        (Transport::abort_connection, "connection aborted on this side"),
        (|_| panic!("oh"), "a callback panicked: oh"),
    ];
    for (end, reason) in ends {
        let log = Log::default();
        let never = echo("never", &log);
        let mut wire = StringTransport::connect(voice("one", &log, move |transport, _| {
            transport.switch_to(never.clone(), "");
            end(transport);
        }));
        if reason.contains("panicked") {
            expect_panic("oh", || wire.receive("x"));
        } else {
            wire.receive("x");
        }
        assert_eq!(log.lines(), ["one made", "one data x", &format!("one lost {reason}"), "one gone"]);
        wire.transport().switch_to(echo("late", &log), "");
        wire.settle();
        assert_eq!(log.count("late"), 0);
    }
}

#[test]
fn a_factory_that_refuses_or_panics_fails_the_connection_and_the_first_protocol_hears_it() {
    let log = Log::default();
    let mut wire = StringTransport::connect(voice("one", &log, |transport, _| {
        transport.switch_to(|_| None::<Voice>, "");
    }));
    wire.receive("x");
    let refused = "one lost the factory of the protocol to switch to has refused the connection";
    assert_eq!(log.take(), ["one made", "one data x", refused, "one gone"]);
    assert!(wire.was_reset());

    let mut wire = StringTransport::connect(voice("one", &log, |transport, _| {
        transport.switch_to(|_| -> Voice { panic!("oh") }, "");
    }));
    expect_panic("oh", || wire.receive("x"));
    assert_eq!(log.lines(), ["one made", "one data x", "one lost a callback panicked: oh", "one gone"]);
}

#[test]
fn factories_are_started_and_stopped_and_the_last_request_counts() {
    struct Noted(Log);
    impl Factory for Noted {
        fn start_factory(&mut self) {
            self.0.add("start");
        }
        fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
            echo("two", &self.0).build_protocol(transport)
        }
        fn stop_factory(&mut self) {
            self.0.add("stop");
        }
    }
    let log = Log::default();
    let noted = log.clone();
    let mut wire = StringTransport::connect(voice("one", &log, move |transport, _| {
        transport.switch_to(echo("never", &noted), "never");
        transport.switch_to(Noted(noted.clone()), "rest");
    }));
    wire.receive("x");
    assert_eq!(log.lines(), ["one made", "one data x", "start", "stop", "one gone", "two made", "two data rest"]);
    assert_eq!(wire.written_text(), "rest");
}

#[test]
fn a_peer_that_does_not_read_pauses_the_next_protocol_as_it_did_the_first() {
    struct Paced(Log);
    impl Protocol for Paced {
        fn data_received(&mut self, _data: &[u8]) {}
        fn pause_writing(&mut self) {
            self.0.add("pause");
        }
        fn resume_writing(&mut self) {
            self.0.add("resume");
        }
    }
    let log = Log::default();
    let paced = log.clone();
    let mut wire = StringTransport::connect(voice("one", &log, move |transport, _| {
        let log = paced.clone();
        transport.write(vec![0; 100_000]);
        transport.switch_to(move |_| Paced(log.clone()), "");
    }));
    wire.stall(true);
    wire.receive("x");
    assert_eq!(log.lines()[2..], ["one gone", "pause"]);
    wire.stall(false);
    assert_eq!(log.lines()[2..], ["one gone", "pause", "resume"]);
}

/// Lines up to an empty one, and then an echo.
struct Head {
    lines: Lines,
    log: Log,
}

impl LineHandler for Head {
    fn line_received(&mut self, line: &[u8]) {
        if line.is_empty() {
            self.lines.send_line("begin");
            self.lines.switch_to(echo("two", &self.log));
        }
    }
}

#[test]
fn lines_give_all_that_is_behind_the_last_of_them_to_the_next_however_it_is_cut() {
    let written = every_cut("a\r\n\r\nb\r\n\r\n", |pieces| {
        let log = Log::default();
        let mut wire = StringTransport::connect(IdleTimeout::around(
            SECOND,
            LineReceiver::factory(move |lines| Head { lines, log: log.clone() }),
        ));
        for piece in pieces {
            wire.receive(piece);
        }
        wire.receive_eof();
        assert!(wire.close_reason().unwrap().is_clean());
        wire.take_written()
    });
    assert_eq!(written, b"begin\r\nb\r\n\r\n");
}

#[test]
fn lines_that_are_paused_give_way_too() {
    let log = Log::default();
    let heads = log.clone();
    let mut wire = StringTransport::connect(LineReceiver::factory(move |lines| Head { lines, log: heads.clone() }));
    let lines: Lines = wire.transport().handle().unwrap();
    lines.pause_reading();
    wire.receive("a\r\nb\r\n");
    lines.switch_to(echo("two", &log));
    wire.receive_eof();
    assert_eq!(wire.written_text(), "a\r\nb\r\n");
    assert!(wire.close_reason().unwrap().is_clean());
}
