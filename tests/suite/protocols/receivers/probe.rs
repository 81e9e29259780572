//! A handler for every receiver, which records its calls and obeys messages.

use std::cell::{Cell, RefCell};
use std::future::ready;
use std::rc::Rc;
use std::time::Duration;

use protocols::codec::{CodecHandler, CodecReceiver, Messages};
use protocols::receiver::Handle;
use protocols::segment::{Segments, TerminatorHandler, TerminatorReceiver};
use protocols::stateful::{State, StatefulHandler, StatefulReceiver, States};
use protocols::string::StringFormat;
use protocols::{LineHandler, LineReceiver, Lines, StringHandler, StringReceiver, Strings};
use reactor::layer::{self, Policy};
use reactor::testing::StringTransport;
use reactor::{CloseReason, Factory, OnEof};
use tokio_util::codec::LinesCodec;

/// A receiver, and how a message looks to it.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Connects it, or has its factory refuse.
    pub(super) connect: fn(accept: bool) -> Test,
    encode: fn(&str) -> String,
    /// What is called when the stream ends before the last byte of the message `b`.
    pub(super) at_the_end: &'static [&'static str],
}

pub(super) const KINDS: [Kind; 5] = [
    Kind {
        name: "lines",
        connect: |accept| connect(|make| LineReceiver::factory(move |lines: Lines| accept.then(|| make(lines)))),
        encode: |message| format!("{message}\r\n"),
        at_the_end: &["eof b\r", CLOSED],
    },
    Kind {
        name: "strings",
        connect: |accept| {
            connect(|make| {
                StringReceiver::factory(StringFormat::Netstring, move |strings: Strings| accept.then(|| make(strings)))
            })
        },
        encode: |message| format!("{}:{message},", message.len()),
        at_the_end: &["eof 1:b", CLOSED],
    },
    Kind {
        name: "states",
        connect: |accept| connect(|make| StatefulReceiver::factory(move |states: States| accept.then(|| make(states)))),
        encode: |message| format!("{:02}{message}", message.len()),
        at_the_end: &["eof", CLOSED],
    },
    Kind {
        name: "segments",
        connect: |accept| {
            connect(|make| {
                TerminatorReceiver::factory(move |segments: Segments| {
                    segments.set_terminator("\r\n");
                    accept.then(|| make(segments))
                })
            })
        },
        encode: |message| format!("{message}\r\n"),
        at_the_end: &["eof \r", CLOSED],
    },
    Kind {
        name: "codec",
        connect: |accept| {
            connect(|make| {
                let build = move |messages: Messages<LinesCodec>| accept.then(|| make(messages));
                CodecReceiver::factory(LinesCodec::new, build)
            })
        },
        encode: |message| format!("{message}\n"),
        at_the_end: &["b", "eof", CLOSED],
    },
];

const CLOSED: &str = "lost connection closed cleanly";

impl Kind {
    pub(super) fn encode(&self, messages: &[&str]) -> Vec<u8> {
        messages.iter().map(|message| (self.encode)(message)).collect::<String>().into_bytes()
    }

    /// The messages that these pieces give.
    pub(super) fn play(&self, pieces: &[&[u8]]) -> Vec<String> {
        let mut test = (self.connect)(true);
        pieces.iter().for_each(|piece| test.wire.receive(piece));
        test.log.take()
    }

    pub(super) fn connect(&self) -> Test {
        (self.connect)(true)
    }
}

pub(super) struct Test {
    pub(super) wire: StringTransport,
    pub(super) log: Rc<RefCell<Vec<String>>>,
    /// How often policies were told of messages.
    pub(super) messages: Rc<Cell<usize>>,
    /// Calls `resume_reading` of the handle.
    pub(super) resume: Box<dyn Fn()>,
}

/// Connects what `factory` makes with a function that makes its handlers.
fn connect<K: 'static, F: Factory>(factory: impl FnOnce(Make<K>) -> F) -> Test {
    let log = Rc::new(RefCell::new(Vec::new()));
    let handle = Rc::new(RefCell::new(None));
    let make = {
        let (log, handle) = (Rc::clone(&log), Rc::clone(&handle));
        move |new: Handle<K>| {
            handle.replace(Some(new.clone()));
            Probe { handle: new, log: Rc::clone(&log), segment: Vec::new() }
        }
    };
    let messages = Rc::new(Cell::new(0));
    let told = Rc::clone(&messages);
    let wire = StringTransport::connect(layer::around(move |_| Told(Rc::clone(&told)), factory(Box::new(make))));
    let handle = handle.take().unwrap();
    assert_eq!(log.take(), ["made"]);
    Test { wire, log, messages, resume: Box::new(move || handle.resume_reading()) }
}

type Make<K> = Box<dyn Fn(Handle<K>) -> Probe<Handle<K>>>;

/// Counts what policies are told of.
struct Told(Rc<Cell<usize>>);

impl Policy for Told {
    fn message_received(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

struct Probe<H> {
    handle: H,
    log: Rc<RefCell<Vec<String>>>,
    /// What came of a segment.
    segment: Vec<u8>,
}

impl<K: 'static> Probe<Handle<K>> {
    fn log(&self, entry: impl Into<String>) {
        self.log.borrow_mut().push(entry.into());
    }

    fn message(&mut self, message: &[u8]) {
        let message = String::from_utf8_lossy(message).into_owned();
        self.log(&*message);
        match &*message {
            "pause" => self.handle.pause_reading(),
            "lose" => {
                self.handle.transport().write("bye");
                self.handle.lose_connection();
                assert!(self.handle.is_closing());
            }
            "abort" => self.handle.abort_connection(),
            "panic" => panic!("as the message says"),
            "later" => {
                let call = |this: &mut Self| this.log("called later");
                let _ = self.handle.call_later(Duration::from_secs(1), call);
            }
            "defer" => {
                let _ = self.handle.defer(ready(5), |this: &mut Self, number| this.log(format!("deferred {number}")));
            }
            "big" => self.handle.transport().write([b'x'; 300_000]),
            _ => {}
        }
    }

    fn eof(&self, unfinished: &[u8]) -> OnEof {
        self.log(format!("eof {}", String::from_utf8_lossy(unfinished)).trim_end_matches(' '));
        OnEof::Close
    }
}

/// The callbacks that all kinds of handlers have, and that are not of one trait.
macro_rules! record_the_connection {
    () => {
        fn connection_made(&mut self) {
            self.log("made");
        }

        fn pause_writing(&mut self) {
            self.log("pause_writing");
        }

        fn resume_writing(&mut self) {
            self.log("resume_writing");
        }

        fn connection_lost(&mut self, reason: CloseReason) {
            self.log(format!("lost {reason}"));
        }
    };
}

impl LineHandler for Probe<Lines> {
    record_the_connection!();

    fn line_received(&mut self, line: &[u8]) {
        self.message(line);
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.eof(unfinished)
    }
}

impl StringHandler for Probe<Strings> {
    record_the_connection!();

    fn string_received(&mut self, string: &[u8]) {
        self.message(string);
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.eof(unfinished)
    }
}

impl StatefulHandler for Probe<States> {
    fn initial_state(&mut self) -> State<Self> {
        State::new(2, |_, length| {
            let length = str::from_utf8(length).unwrap().parse().unwrap();
            let body = |this: &mut Self, body: &[u8]| {
                this.message(body);
                Some(this.initial_state())
            };
            Some(State::new(length, body))
        })
    }

    record_the_connection!();

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.eof(unfinished)
    }
}

impl TerminatorHandler for Probe<Segments> {
    record_the_connection!();

    fn collect_incoming_data(&mut self, data: &[u8]) {
        self.segment.extend_from_slice(data);
    }

    fn found_terminator(&mut self) {
        let segment = std::mem::take(&mut self.segment);
        self.message(&segment);
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.eof(unfinished)
    }
}

impl CodecHandler for Probe<Messages<LinesCodec>> {
    type Codec = LinesCodec;

    record_the_connection!();

    fn message_received(&mut self, message: String) {
        self.message(message.as_bytes());
    }

    fn eof_received(&mut self) -> OnEof {
        self.eof(b"")
    }
}
