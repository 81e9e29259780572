//! Telnet: what a handler is told of a stream, however that is cut.

use std::collections::HashMap;

use protocols::telnet::{Side, Telnet, TelnetCommand, TelnetHandler, TelnetOption, TelnetReceiver};
use reactor::{CloseReason, OnEof};

use crate::receiving::{CLOSE, Log, in_every_cut, obey, receive};

/// Three bytes select the limits and the cuts; the others are received.
pub fn telnet(data: &[u8]) {
    let [max_length, max_subnegotiation, cut, stream @ ..] = data else { return };
    let limits =
        Limits { max_length: usize::from(max_length % 32), max_subnegotiation: usize::from(max_subnegotiation % 16) };
    in_every_cut(stream, *cut, &limits.expect(stream), |pieces| limits.receive(pieces));
}

struct Limits {
    max_length: usize,
    max_subnegotiation: usize,
}

/// The results. Pieces of raw data are joined.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Line(Vec<u8>),
    Raw(Vec<u8>),
    Command(u8),
    Option(Side, u8, bool),
    Subnegotiation(u8, Vec<u8>),
    TooLong,
    Unfinished(Vec<u8>),
}

/// Lines that change what follows; raw data ends behind an exclamation mark.
const RAW: &[u8] = b"r";
const HIDE: &[u8] = b"h";
const SHOW: &[u8] = b"s";

fn accepts(option: u8) -> bool {
    option.is_multiple_of(2)
}

/// The rules, applied byte by byte.
struct Model<'a> {
    limits: &'a Limits,
    came: Vec<Came>,
    line: Vec<u8>,
    raw: bool,
    after_return: Option<&'static [u8]>,
    options: HashMap<(Side, u8), &'static str>,
    closed: bool,
}

impl Limits {
    fn expect(&self, stream: &[u8]) -> Vec<Came> {
        let mut model = Model {
            limits: self,
            came: Vec::new(),
            line: Vec::new(),
            raw: false,
            after_return: None,
            options: HashMap::new(),
            closed: false,
        };
        let mut rest = stream.iter().copied().peekable();
        while let Some(byte) = rest.next() {
            if byte != 255 {
                model.data(byte);
            } else {
                match rest.next() {
                    None => {}
                    Some(255) => model.data(255),
                    Some(250) => model.subnegotiation(&mut rest),
                    Some(verb @ 251..=254) => {
                        if let Some(option) = rest.next() {
                            model.negotiation(verb, option);
                        }
                    }
                    Some(code @ (236..=239 | 241..=249)) => model.command(code),
                    Some(_) => {}
                }
            }
            if model.closed {
                return model.came;
            }
        }
        model.came.push(Came::Unfinished(model.line));
        model.came
    }

    /// The actual results of these pieces, followed by the end of the stream.
    fn receive(&self, pieces: &[&[u8]]) -> Vec<Came> {
        receive(pieces, |told| {
            let factory = TelnetReceiver::factory(move |new: Telnet| {
                let (telnet, came) = told(new);
                Handler { telnet, came }
            });
            factory.max_length(self.max_length).max_subnegotiation(self.max_subnegotiation)
        })
    }
}

impl Model<'_> {
    fn data(&mut self, byte: u8) {
        if self.after_return.take().is_some_and(|left_out| left_out.contains(&byte)) {
            return;
        }
        if self.raw {
            match self.came.last_mut() {
                Some(Came::Raw(raw)) => raw.push(byte),
                _ => self.came.push(Came::Raw(vec![byte])),
            }
            self.raw = byte != b'!';
            if byte == b'\r' && self.options.get(&(Side::Remote, 0)) != Some(&"YES") {
                self.after_return = Some(b"\0");
            }
            return;
        }
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' {
                    self.after_return = Some(b"\0\n");
                }
                self.line_end();
            }
            8 | 127 => self.erase(),
            21 => self.line.clear(),
            _ if self.line.len() == self.limits.max_length => self.too_long(),
            _ => self.line.push(byte),
        }
    }

    fn line_end(&mut self) {
        let line = std::mem::take(&mut self.line);
        match &line[..] {
            RAW => self.raw = true,
            HIDE => self.echo(true),
            SHOW => self.echo(false),
            CLOSE => self.closed = true,
            _ => {}
        }
        self.came.push(Came::Line(line));
    }

    fn erase(&mut self) {
        while self.line.pop().is_some_and(|byte| (0x80..0xC0).contains(&byte)) {}
    }

    fn too_long(&mut self) {
        self.came.push(Came::TooLong);
        self.closed = true;
    }

    fn command(&mut self, code: u8) {
        match code {
            247 => self.erase(),
            248 => self.line.clear(),
            _ => {}
        }
        self.came.push(Came::Command(code));
    }

    fn subnegotiation(&mut self, rest: &mut std::iter::Peekable<impl Iterator<Item = u8>>) {
        let Some(option) = rest.next() else { return };
        let mut data = Vec::new();
        while let Some(mut byte) = rest.next() {
            if byte == 255 {
                match rest.next() {
                    Some(240) => {
                        let is_on = |side| self.options.get(&(side, option)) == Some(&"YES");
                        if is_on(Side::Local) || is_on(Side::Remote) {
                            self.came.push(Came::Subnegotiation(option, data));
                        }
                        return;
                    }
                    Some(255) => byte = 255,
                    Some(250) => return self.subnegotiation(rest),
                    Some(verb @ 251..=254) => {
                        if let Some(option) = rest.next() {
                            self.negotiation(verb, option);
                        }
                        return;
                    }
                    Some(code @ (236..=239 | 241..=249)) => return self.command(code),
                    Some(_) | None => return,
                }
            }
            if data.len() == self.limits.max_subnegotiation {
                return self.too_long();
            }
            data.push(byte);
        }
    }

    /// RFC 1143, section 7, by its names of states.
    fn negotiation(&mut self, verb: u8, option: u8) {
        let (side, on) = match verb {
            251 => (Side::Remote, true),
            252 => (Side::Remote, false),
            253 => (Side::Local, true),
            _ => (Side::Local, false),
        };
        let state = self.options.entry((side, option)).or_insert("NO");
        let before = *state;
        *state = match (before, on) {
            ("NO", true) if accepts(option) => "YES",
            ("NO", _) => "NO",
            ("YES", true) => "YES",
            ("YES", false) => "NO",
            ("WANTNO", _) => "NO",
            ("WANTNO OPPOSITE", true) => "YES",
            ("WANTNO OPPOSITE", false) => "WANTYES",
            ("WANTYES", true) => "YES",
            ("WANTYES OPPOSITE", true) => "WANTNO",
            (_, _) => "NO",
        };
        if *state != before && matches!(*state, "YES" | "NO") {
            let enabled = *state == "YES";
            self.came.push(Came::Option(side, option, enabled));
        }
    }

    fn echo(&mut self, on: bool) {
        let state = self.options.entry((Side::Local, 1)).or_insert("NO");
        *state = match (*state, on) {
            ("NO", true) => "WANTYES",
            ("YES", false) => "WANTNO",
            ("WANTNO" | "WANTNO OPPOSITE", true) => "WANTNO OPPOSITE",
            ("WANTNO" | "WANTNO OPPOSITE", false) => "WANTNO",
            ("WANTYES" | "WANTYES OPPOSITE", true) => "WANTYES",
            ("WANTYES" | "WANTYES OPPOSITE", false) => "WANTYES OPPOSITE",
            (state, _) => state,
        };
    }
}

struct Handler {
    telnet: Telnet,
    came: Log<Came>,
}

impl TelnetHandler for Handler {
    fn line_received(&mut self, line: &[u8]) {
        self.came.borrow_mut().push(Came::Line(line.to_vec()));
        match line {
            RAW => self.telnet.set_raw_mode(),
            HIDE => self.telnet.set_echo(false),
            SHOW => self.telnet.set_echo(true),
            _ => obey(line, &self.telnet),
        }
    }

    fn raw_data_received(&mut self, data: &[u8]) {
        let end = data.iter().position(|byte| *byte == b'!').map_or(data.len(), |at| at + 1);
        let (raw, extra) = data.split_at(end);
        if raw.ends_with(b"!") {
            self.telnet.set_line_mode(extra);
        }
        let mut came = self.came.borrow_mut();
        match came.last_mut() {
            Some(Came::Raw(before)) => before.extend_from_slice(raw),
            _ => came.push(Came::Raw(raw.to_vec())),
        }
    }

    fn command_received(&mut self, command: TelnetCommand) {
        self.came.borrow_mut().push(Came::Command(command.0));
    }

    fn accept_option(&mut self, _side: Side, option: TelnetOption) -> bool {
        accepts(option.0)
    }

    fn option_negotiated(&mut self, side: Side, option: TelnetOption, enabled: bool) {
        self.came.borrow_mut().push(Came::Option(side, option.0, enabled));
    }

    fn subnegotiation_received(&mut self, option: TelnetOption, data: &[u8]) {
        self.came.borrow_mut().push(Came::Subnegotiation(option.0, data.to_vec()));
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.came.borrow_mut().push(Came::Unfinished(unfinished.to_vec()));
        OnEof::Close
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        if !reason.is_clean() {
            self.came.borrow_mut().push(Came::TooLong);
        }
    }
}
