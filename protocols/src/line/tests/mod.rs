mod cutting;
mod delivery;

use std::cell::{Cell, RefCell};
use std::io;
use std::time::Duration;

use reactor::layer::{self, Policy};
use reactor::testing::{StringTransport, every_cut};

use super::*;

/// Writes every callback down, and then does what the test says.
struct Probe {
    lines: Lines,
    log: Log,
    act: Act,
    on_eof: OnEof,
    on_long_line: OnLongLine,
}

type Log = Rc<RefCell<Vec<String>>>;
type Act = Box<dyn FnMut(&Lines, &str, &[u8])>;

impl Probe {
    fn called(&mut self, callback: &str, data: &[u8]) {
        self.log.borrow_mut().push(format!("{callback} {}", String::from_utf8_lossy(data)).trim_end().to_owned());
        (self.act)(&self.lines, callback, data);
    }
}

impl LineHandler for Probe {
    fn connection_made(&mut self) {
        self.called("made", b"");
    }

    fn line_received(&mut self, line: &[u8]) {
        self.called("line", line);
    }

    fn raw_data_received(&mut self, data: &[u8]) {
        self.called("raw", data);
    }

    fn line_length_exceeded(&mut self, data: &[u8]) -> OnLongLine {
        self.called("long", data);
        self.on_long_line
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.called("eof", unfinished);
        self.on_eof
    }

    fn pause_writing(&mut self) {
        self.called("pause", b"");
    }

    fn resume_writing(&mut self) {
        self.called("resume", b"");
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.called("lost", reason.to_string().as_bytes());
    }
}

struct Test {
    wire: StringTransport,
    log: Log,
    lines: Lines,
}

impl Test {
    /// What was called since this was last asked.
    fn log(&self) -> Vec<String> {
        self.log.take()
    }

    fn receive(&mut self, data: impl AsRef<[u8]>) -> Vec<String> {
        self.wire.receive(data);
        self.log()
    }

    fn resume(&mut self) -> Vec<String> {
        self.lines.resume_reading();
        assert_eq!(self.log(), [""; 0], "never called from inside a call of the handle");
        self.wire.settle();
        self.log()
    }
}

/// Counts the bytes that are received.
struct Count(Rc<Cell<usize>>);

impl Policy for Count {
    fn incoming(&mut self, data: &[u8]) {
        self.0.set(self.0.get() + data.len());
    }
}

type Made = Rc<RefCell<Option<(Log, Lines)>>>;

fn factory<A: FnMut(&Lines, &str, &[u8]) + 'static>(
    made: &Made,
    act: A,
    change: fn(&mut Probe),
) -> LineFactory<impl FnMut(Lines) -> Probe + use<A>> {
    let (made, mut act) = (Rc::clone(made), Some(act));
    LineReceiver::factory(move |lines| {
        let log = Log::default();
        made.replace(Some((Rc::clone(&log), lines.clone())));
        let act = Box::new(act.take().expect("one connection"));
        let mut probe = Probe { lines, log, act, on_eof: OnEof::Close, on_long_line: OnLongLine::Close };
        change(&mut probe);
        probe
    })
}

fn start(made: &Made, factory: impl Factory) -> Test {
    let wire = StringTransport::connect(factory);
    let (log, lines) = made.take().expect("the factory was called");
    assert_eq!(log.take(), ["made"]);
    Test { wire, log, lines }
}

fn connect(act: impl FnMut(&Lines, &str, &[u8]) + 'static) -> Test {
    let made = Made::default();
    start(&made, factory(&made, act, |_| ()).max_length(10))
}

fn idle(_: &Lines, _: &str, _: &[u8]) {}
