//! R21: the same bytes in the same pieces for our receivers and Twisted's.
//!
//! The same messages result, at the same piece, except for intended differences:
//!
//! - S237, S242: in Twisted `loseConnection` does not stop the delivery of further strings in the same chunk.
//! - S237: Twisted waits for more if a newline follows the digits of a netstring's length.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::process::Stdio;
use std::rc::Rc;
use std::thread;

use fastrand::Rng;
use protocols::line::OnLongLine;
use protocols::receiver::Handle;
use protocols::stateful::{State, StatefulHandler, StatefulReceiver, States};
use protocols::string::{StringError, StringFormat};
use protocols::{LineHandler, LineReceiver, Lines, StringHandler, StringReceiver, Strings};
use reactor::Factory;
use reactor::testing::StringTransport;

use crate::apps::peers::{script, twisted};

const CASES: usize = 120_000;

#[test]
fn twisteds_receivers_cut_the_same_messages_out_of_the_same_bytes() {
    if !twisted("twisteds_receivers_cut_the_same_messages_out_of_the_same_bytes") {
        return;
    }
    let mut rng = Rng::with_seed(1);
    let cases: Vec<_> = (0..CASES).map(|number| Case::new(KINDS[number % KINDS.len()], &mut rng)).collect();
    let answers = ask_twisted(&cases);
    assert_eq!(answers.len(), CASES);
    let mut decided = 0;
    let mut messages = 0;
    for (number, (case, twisteds)) in cases.iter().zip(&answers).enumerate() {
        let ours = case.play();
        messages += ours.iter().filter(|byte| **byte == b'm').count();
        if ours != *twisteds {
            let said = |log: &[u8]| log.escape_ascii().to_string();
            let is_decided = case.is_decided(&ours, twisteds);
            assert!(is_decided, "{number}: {case:?}\n   ours: {}\nTwisted: {}", said(&ours), said(twisteds));
            decided += 1;
        }
    }
    assert!(messages > CASES, "the cases give {messages} messages");
    assert!((1..CASES / 10).contains(&decided), "{decided} cases differ by decision");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Lines,
    Netstrings,
    Int8,
    Int16,
    Int32,
    Stateful,
}

const KINDS: [Kind; 6] = [Kind::Lines, Kind::Netstrings, Kind::Int8, Kind::Int16, Kind::Int32, Kind::Stateful];

#[derive(Debug)]
struct Case {
    kind: Kind,
    max_length: u16,
    pieces: Vec<Vec<u8>>,
}

impl Case {
    fn new(kind: Kind, rng: &mut Rng) -> Self {
        let max_length = rng.u16(1..20);
        let mut stream = Vec::new();
        for _ in 0..rng.usize(1..8) {
            let length = rng.usize(..=usize::from(max_length) + 1).min(rng.usize(1..=21));
            let mut message: Vec<u8> = (0..length).map(|_| *rng.choice(b"abk\r\n,:07").unwrap()).collect();
            match rng.u8(..16) {
                0 => message = b"c".to_vec(),
                1 | 2 if kind != Kind::Netstrings && kind != Kind::Stateful => message = b"p".to_vec(),
                3 if kind == Kind::Lines => message = vec![b'r', b'0' + rng.u8(..10)],
                _ => {}
            }
            let length = message.len();
            match kind {
                Kind::Lines => {
                    message.extend(b"\r\n");
                    stream.extend(message);
                }
                Kind::Netstrings => {
                    stream.extend(format!("{length}:").bytes());
                    stream.extend(message);
                    stream.push(b',');
                    if rng.u8(..12) == 0 {
                        let odd = ["01:a,", "-1:", "00:", "12", "99999999999:", ":", "1:a;", "5\n", "0", " 1:a,"];
                        stream.extend(rng.choice(odd).unwrap().bytes());
                    }
                }
                Kind::Int8 => stream.extend([&[length as u8][..], &message].concat()),
                Kind::Int16 => stream.extend([&(length as u16).to_be_bytes()[..], &message].concat()),
                Kind::Int32 => stream.extend([&(length as u32).to_be_bytes()[..], &message].concat()),
                Kind::Stateful => {
                    message.truncate(7);
                    stream.extend([&[message.len() as u8][..], &message].concat());
                }
            }
        }
        if rng.bool() {
            stream.truncate(rng.usize(..=stream.len()));
        }
        let mut pieces = vec![stream];
        for _ in 0..rng.usize(..5) {
            let last = pieces.last_mut().unwrap();
            let behind = last.split_off(rng.usize(..=last.len()));
            pieces.push(behind);
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces.iter_mut().for_each(|piece| piece.truncate(255));
        Self { kind, max_length, pieces }
    }

    /// What our receiver is called with, as Twisted's tell it.
    fn play(&self) -> Vec<u8> {
        let max_length = self.max_length.into();
        let strings = |format| self.with(|make| StringReceiver::factory(format, make).max_length(max_length));
        match self.kind {
            Kind::Lines => self.with(|make| LineReceiver::factory(make).max_length(max_length)),
            Kind::Netstrings => strings(StringFormat::Netstring),
            Kind::Int8 => strings(StringFormat::Int8),
            Kind::Int16 => strings(StringFormat::Int16),
            Kind::Int32 => strings(StringFormat::Int32),
            Kind::Stateful => self.with(StatefulReceiver::factory),
        }
    }

    fn with<K: 'static, F: Factory>(&self, factory: impl FnOnce(Make<K>) -> F) -> Vec<u8> {
        let log = Rc::new(RefCell::new(Vec::new()));
        let handle = Rc::new(RefCell::new(None));
        let (logs, handles) = (Rc::clone(&log), Rc::clone(&handle));
        let make = move |new: Handle<K>| {
            handles.replace(Some(new.clone()));
            Recorder { handle: new, log: Rc::clone(&logs), missing: 0, raw: Vec::new() }
        };
        let mut wire = StringTransport::connect(factory(Box::new(make)));
        let handle: Handle<K> = handle.take().unwrap();
        for piece in &self.pieces {
            if handle.is_closing() {
                break;
            }
            let mut before = usize::MAX;
            wire.receive(piece);
            // Each pause lets through a message.
            while before != log.borrow().len() {
                before = log.borrow().len();
                handle.resume_reading();
                wire.settle();
            }
            log.borrow_mut().push(b'|');
        }
        log.take()
    }

    /// Whether it is one of the differences that are meant to be.
    fn is_decided(&self, ours: &[u8], twisteds: &[u8]) -> bool {
        let ours = ours.strip_suffix(b"|").unwrap_or(ours);
        let goes_on_after_close = ours.ends_with(b"m\0\x01c") && twisteds.starts_with(ours);
        let newline_behind_digit = |pair: &[u8]| pair[0].is_ascii_digit() && pair[1] == b'\n';
        let waits = self.kind == Kind::Netstrings
            && self.pieces.concat().windows(2).any(newline_behind_digit)
            && ours.strip_suffix(b"x\0\0").is_some_and(|before| twisteds.starts_with(before));
        let stops_at_close = matches!(self.kind, Kind::Lines | Kind::Stateful);
        goes_on_after_close && !stops_at_close || waits
    }

    fn write_to(&self, all: &mut Vec<u8>) {
        all.push(self.kind as u8);
        all.extend(self.max_length.to_be_bytes());
        all.push(self.pieces.len() as u8);
        for piece in &self.pieces {
            all.push(piece.len() as u8);
            all.extend(piece);
        }
    }
}

fn ask_twisted(cases: &[Case]) -> Vec<Vec<u8>> {
    let mut questions = Vec::new();
    cases.iter().for_each(|case| case.write_to(&mut questions));
    let mut python = script("twisted_receivers.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = python.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&questions).unwrap());
    let mut output = Vec::new();
    python.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap();
    assert!(python.wait().unwrap().success());
    let mut rest = &output[..];
    let mut answers = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (answer, behind) = behind.split_at(u32::from_be_bytes(*length) as usize);
        answers.push(answer.to_vec());
        rest = behind;
    }
    answers
}

type Make<K> = Box<dyn Fn(Handle<K>) -> Recorder<Handle<K>>>;

/// A handler that writes down its calls, and pauses, closes and reads raw data where a message says so.
struct Recorder<H> {
    handle: H,
    log: Rc<RefCell<Vec<u8>>>,
    missing: usize,
    raw: Vec<u8>,
}

impl<K> Recorder<Handle<K>> {
    fn called(&self, letter: u8, data: &[u8]) {
        let mut log = self.log.borrow_mut();
        log.push(letter);
        log.extend((data.len() as u16).to_be_bytes());
        log.extend(data);
    }

    fn message(&self, data: &[u8]) {
        self.called(b'm', data);
        match data {
            b"c" => self.handle.lose_connection(),
            b"p" => self.handle.pause_reading(),
            _ => {}
        }
    }
}

impl LineHandler for Recorder<Lines> {
    fn line_received(&mut self, line: &[u8]) {
        self.message(line);
        if let [b'r', digit @ b'1'..=b'9'] = line {
            self.missing = usize::from(digit - b'0');
            self.handle.set_raw_mode();
        }
    }

    fn raw_data_received(&mut self, data: &[u8]) {
        let (raw, rest) = data.split_at(data.len().min(self.missing));
        self.missing -= raw.len();
        self.raw.extend(raw);
        if self.missing == 0 {
            let raw = std::mem::take(&mut self.raw);
            self.called(b'r', &raw);
            self.handle.set_line_mode(rest);
        }
    }

    fn line_length_exceeded(&mut self, data: &[u8]) -> OnLongLine {
        self.called(b'x', data);
        OnLongLine::Close
    }
}

impl StringHandler for Recorder<Strings> {
    fn string_received(&mut self, string: &[u8]) {
        self.message(string);
    }

    fn string_rejected(&mut self, _error: StringError) {
        self.called(b'x', b"");
    }
}

impl StatefulHandler for Recorder<States> {
    fn initial_state(&mut self) -> State<Self> {
        State::new(1, |_, length| Some(State::new(usize::from(length[0] % 8), Self::body_received)))
    }
}

impl Recorder<States> {
    fn body_received(&mut self, body: &[u8]) -> Option<State<Self>> {
        self.message(body);
        if body.starts_with(b"k") { None } else { Some(self.initial_state()) }
    }
}
