//! The policies of the protocols crate in any order, also repeated: bytes and endings are the same as without them.

use std::cell::RefCell;
use std::future::ready;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use protocols::policies::{Bucket, Capture, ConnectionLimit, FirstMessageTimeout, IdleTimeout, Throttle, TrafficLog};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::testing::{Link, Simulation, StringTransport, expect_panic};
use reactor::{CloseReason, Factory, OnEof, Protocol, Reactor, Transport};

/// An echo.
struct Echo {
    transport: Transport,
    log: Log,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.borrow_mut().push(format!("lost: {reason}"));
    }
}

/// Obeys the lines it receives.
struct Actor {
    lines: Lines,
    log: Log,
}

type Log = Rc<RefCell<Vec<String>>>;

impl LineHandler for Actor {
    fn connection_made(&mut self) {
        self.lines.send_line("hello");
    }

    fn line_received(&mut self, line: &[u8]) {
        self.log.borrow_mut().push(String::from_utf8_lossy(line).into_owned());
        match line {
            b"big" => self.lines.send_line([b'x'; 100_000]),
            b"later" => {
                self.lines.call_later(SOON, |this: &mut Self| this.lines.send_line("later"));
            }
            b"defer" => {
                self.lines.defer(ready("deferred"), |this: &mut Self, line| this.lines.send_line(line));
            }
            b"pause" => {
                self.lines.pause_reading();
                self.lines.call_later(SOON, |this: &mut Self| this.lines.resume_reading());
            }
            b"hold" => {
                self.lines.transport().pause_reading();
                self.lines.call_later(SOON, |this: &mut Self| this.lines.transport().resume_reading());
            }
            b"half" => self.lines.transport().write_eof(),
            b"quit" => {
                self.lines.send_line([b'y'; 50_000]);
                self.lines.lose_connection();
            }
            b"abort" => self.lines.abort_connection(),
            b"fail" => self.lines.transport().fail_connection(CloseReason::failed("mine")),
            b"panic" => panic!("oh"),
            _ => self.lines.send_line(line),
        }
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.log.borrow_mut().push(format!("eof {}", String::from_utf8_lossy(unfinished)));
        self.lines.send_line("bye");
        self.lines.call_later(SOON, |this: &mut Self| this.lines.lose_connection());
        OnEof::KeepWriting
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.borrow_mut().push(format!("lost: {reason}"));
    }
}

const SOON: Duration = Duration::from_millis(3);
const HOUR: Duration = Duration::from_secs(3600);

/// Long enough for everything that was asked for to have left the slowest stack.
const A_WHILE: Duration = Duration::from_secs(60);

/// A number below that.
fn pick(chance: &Reactor, below: u64) -> u64 {
    chance.random() % below
}

/// Up to five policies around a factory, and what they are.
fn stack(chance: &Reactor, inside: Box<dyn Factory>) -> (Box<dyn Factory>, Vec<&'static str>) {
    let (mut factory, mut names) = (inside, Vec::new());
    for _ in 0..pick(chance, 6) {
        let bucket = Bucket::new(20_000 + pick(chance, 1 << 20) as u32, 1 + pick(chance, 100_000) as u32);
        let bucket = if pick(chance, 2) == 0 { bucket } else { bucket.child(30_000, 1 + pick(chance, 9999) as u32) };
        let (name, around): (_, Box<dyn Factory>) = match pick(chance, 8) {
            0 => ("idle time-out", Box::new(IdleTimeout::around(HOUR, factory))),
            1 => ("first message time-out", Box::new(FirstMessageTimeout::around(100 * HOUR, factory))),
            2 => ("limit in all", Box::new(ConnectionLimit::total(1).around(factory))),
            3 => ("limit per peer", Box::new(ConnectionLimit::per_peer(1).around(factory))),
            4 => {
                let throttle = Throttle::new().sending(bucket);
                ("throttle sending", Box::new(Throttle::around(move |_| throttle.clone(), factory)))
            }
            5 => {
                let throttle = Throttle::new().receiving(bucket.clone()).sending(bucket);
                ("throttle", Box::new(Throttle::around(move |_| throttle.clone(), factory)))
            }
            6 => ("log", Box::new(TrafficLog::new(io::sink()).around(factory))),
            _ => ("capture", Box::new(Capture::new(io::sink()).around(factory))),
        };
        factory = around;
        names.push(name);
    }
    (factory, names)
}

/// What is done to a connection; then it is left alone for a while.
#[derive(Clone, Debug)]
enum Step {
    Receive(Vec<String>),
    /// The same, but the peer does not read before the next step.
    ReceiveStalled(Vec<String>),
    Eof,
    Break,
}

/// The last step may be one that discards output, so nothing is on its way by then.
fn script(chance: &Reactor) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..pick(chance, 8) {
        let whole = match pick(chance, 8) {
            0 => "big\r\n",
            1 => "later\r\n",
            2 => "defer\r\n",
            3 => "pause\r\na\r\npause\r\nb\r\nc\r\n",
            4 => "hold\r\na\r\nhold\r\nb\r\n",
            5 => &format!("{}\r\n", "long".repeat(4000)).repeat(9),
            _ => "one\r\ntwo\r\n\r\nthree\r\n",
        };
        let (first, second) = whole.split_at(pick(chance, whole.len() as u64 + 1) as usize);
        let pieces = [first, second].map(str::to_owned).to_vec();
        steps.push(if pick(chance, 4) == 0 { Step::ReceiveStalled(pieces) } else { Step::Receive(pieces) });
    }
    let line = |line: &str| Step::Receive(vec![format!("{line}\r\n")]);
    match pick(chance, 9) {
        0 => steps.push(line("quit")),
        1 => steps.push(line("abort")),
        2 => steps.push(line("fail")),
        3 => steps.push(line("panic")),
        4 => steps.push(Step::Break),
        5 => steps.extend([line("half"), line("more"), Step::Eof]),
        6 => steps.extend([Step::Receive(vec!["unfinished".to_owned()]), Step::Eof]),
        _ => steps.push(Step::Eof),
    }
    steps
}

/// What can be seen from both sides.
#[derive(Debug, PartialEq)]
struct Outcome {
    written: Vec<u8>,
    eof_written: bool,
    was_reset: bool,
    closed: Option<String>,
    log: Vec<String>,
}

fn play(factory: impl Factory, log: &Log, steps: &[Step]) -> Outcome {
    let mut wire = StringTransport::connect(factory);
    for step in steps {
        match step {
            Step::Receive(pieces) => pieces.iter().for_each(|piece| wire.receive(piece)),
            Step::ReceiveStalled(pieces) => {
                wire.stall(true);
                pieces.iter().for_each(|piece| wire.receive(piece));
                wire.advance(A_WHILE);
                wire.stall(false);
            }
            Step::Eof => wire.receive_eof(),
            Step::Break => wire.break_connection(io::ErrorKind::ConnectionReset.into()),
        }
        wire.advance(A_WHILE);
    }
    assert!(
        wire.close_reason().is_none() || wire.reactor().pending_call_count() == 0,
        "calls after {:?}",
        wire.close_reason()
    );
    Outcome {
        eof_written: wire.eof_written(),
        was_reset: wire.was_reset(),
        closed: wire.close_reason().map(|reason| reason.to_string()),
        written: wire.take_written(),
        log: log.take(),
    }
}

fn actors(log: &Log) -> Box<dyn Factory> {
    let log = Rc::clone(log);
    Box::new(LineReceiver::factory(move |lines| Actor { lines, log: Rc::clone(&log) }))
}

fn echoes(log: &Log) -> Box<dyn Factory> {
    let log = Rc::clone(log);
    Box::new(move |transport| Echo { transport, log: Rc::clone(&log) })
}

#[test]
fn bytes_and_endings_are_the_same_in_any_stack_of_policies() {
    expect_panic("oh", || {
        Simulation::for_seeds(0..300, |sim| {
            let chance = sim.host("chance");
            for inside in [actors, echoes] {
                let (log, steps) = (Log::default(), script(&chance));
                let plain = play(inside(&log), &log, &steps);
                let (stacked, names) = stack(&chance, inside(&log));
                let stacked = play(stacked, &log, &steps);
                assert!(stacked == plain, "{names:?}: {steps:?}\n{:#?}\n{:#?}", stacked.log, plain.log);
            }
        });
    });
}

/// Takes one step after another, and keeps what it receives.
struct Client {
    transport: Transport,
    steps: Vec<Step>,
    seen: Log,
    data: Rc<RefCell<Vec<u8>>>,
}

impl Protocol for Client {
    fn connection_made(&mut self) {
        self.steps.reverse();
        self.transport.call_every(A_WHILE, |this: &mut Self, _| match this.steps.pop() {
            Some(Step::Receive(pieces) | Step::ReceiveStalled(pieces)) => this.transport.write(pieces.concat()),
            Some(Step::Eof) => this.transport.write_eof(),
            Some(Step::Break) | None => {}
        });
    }

    fn data_received(&mut self, data: &[u8]) {
        self.data.borrow_mut().extend(data);
    }

    fn eof_received(&mut self) -> OnEof {
        // The rest of the script comes after a half-close.
        if self.steps.is_empty() { OnEof::Close } else { OnEof::KeepWriting }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.seen.borrow_mut().push(format!("lost: {reason}"));
    }
}

#[test]
fn bytes_and_endings_are_the_same_in_any_stack_on_a_rough_network() {
    Simulation::for_seeds(0..100, |sim| {
        let chance = sim.host("chance");
        let (log, mut steps) = (Log::default(), script(&chance));
        // What a reset overtakes on a network depends on its delays.
        if steps.last().is_some_and(discards_output) {
            steps.pop();
            steps.push(Step::Eof);
        }
        let plain = play(actors(&log), &log, &steps);

        sim.set_link(Link::rough());
        let (stacked, names) = stack(&chance, actors(&log));
        sim.host("server").listen_tcp(7, stacked).unwrap();
        let (seen, data) = (Log::default(), Rc::default());
        let (kept, received) = (Rc::clone(&seen), Rc::clone(&data));
        sim.host("client").connect_tcp("server:7", move |transport| Client {
            transport,
            steps: steps.clone(),
            seen: Rc::clone(&kept),
            data: Rc::clone(&received),
        });
        sim.run_until_quiet(HOUR);
        assert!(*data.borrow() == plain.written, "{names:?}: {} bytes", data.borrow().len());
        assert_eq!(log.take(), plain.log, "{names:?}");
        assert_eq!(seen.take(), ["lost: connection closed cleanly"], "{names:?}");
        assert_eq!(sim.host("server").connection_count(), 0);
    });
}

fn discards_output(step: &Step) -> bool {
    match step {
        Step::Receive(pieces) => ["abort\r\n", "fail\r\n", "panic\r\n"].contains(&&*pieces.concat()),
        Step::Break => true,
        Step::ReceiveStalled(_) | Step::Eof => false,
    }
}
