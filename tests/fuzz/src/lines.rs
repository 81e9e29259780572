//! Lines: the results of a receiver, however the stream is cut.

use protocols::line::OnLongLine;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::OnEof;

use crate::receiving::{CLOSE, Log, in_every_cut, obey, receive};

/// Three bytes select the options and the cuts; the others are received.
pub fn lines(data: &[u8]) {
    let [kind, max_length, cut, stream @ ..] = data else { return };
    let framing =
        Framing { delimiter: DELIMITERS[usize::from(*kind) % DELIMITERS.len()], max_length: *max_length % 32 };
    in_every_cut(stream, *cut, &framing.cut(stream), |pieces| framing.receive(pieces));
}

struct Framing {
    /// Any newline if empty.
    delimiter: &'static str,
    max_length: u8,
}

const DELIMITERS: [&str; 6] = ["", "\r\n", "\n", "aab", "abab", "\0"];

/// The results. Pieces of raw data are joined.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Line(Vec<u8>),
    Raw(Vec<u8>),
    TooLong,
    Unfinished(Vec<u8>),
}

/// The number of raw bytes after the line `r` and a digit.
fn raw_behind(line: &[u8]) -> Option<usize> {
    match line {
        [b'r', digit @ b'0'..=b'9'] => Some(usize::from(digit - b'0')),
        _ => None,
    }
}

impl Framing {
    /// The rules, applied to the whole stream at once.
    fn cut(&self, stream: &[u8]) -> Vec<Came> {
        let any_newline = self.delimiter.is_empty();
        let delimiter = if any_newline { b"\n" } else { self.delimiter.as_bytes() };
        let max = usize::from(self.max_length);
        let mut came = Vec::new();
        let mut rest = stream;
        loop {
            let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter) else {
                // An LF with a CR before it takes two bytes.
                let longest = if any_newline { 2 } else { delimiter.len() };
                came.push(if rest.len() >= max + longest { Came::TooLong } else { Came::Unfinished(rest.to_vec()) });
                return came;
            };
            let line = &rest[..at];
            let line = if any_newline { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
            if line.len() > max {
                came.push(Came::TooLong);
                return came;
            }
            rest = &rest[at + delimiter.len()..];
            came.push(Came::Line(line.to_vec()));
            if line == CLOSE {
                return came;
            }
            if let Some(count) = raw_behind(line).filter(|count| *count > 0) {
                let (raw, behind) = rest.split_at(count.min(rest.len()));
                if !raw.is_empty() {
                    came.push(Came::Raw(raw.to_vec()));
                }
                if raw.len() < count {
                    came.push(Came::Unfinished(Vec::new()));
                    return came;
                }
                rest = behind;
            }
        }
    }

    /// The actual results of these pieces, followed by the end of the stream.
    fn receive(&self, pieces: &[&[u8]]) -> Vec<Came> {
        receive(pieces, |told| {
            let factory = LineReceiver::factory(move |new: Lines| {
                let (lines, came) = told(new);
                Handler { lines, came, missing: 0 }
            });
            let factory = factory.max_length(self.max_length.into());
            if self.delimiter.is_empty() { factory.any_newline() } else { factory.delimiter(self.delimiter) }
        })
    }
}

struct Handler {
    lines: Lines,
    came: Log<Came>,
    missing: usize,
}

impl LineHandler for Handler {
    fn line_received(&mut self, line: &[u8]) {
        self.came.borrow_mut().push(Came::Line(line.to_vec()));
        obey(line, &self.lines);
        if let Some(count) = raw_behind(line).filter(|count| *count > 0) {
            self.missing = count;
            self.lines.set_raw_mode();
        }
    }

    fn raw_data_received(&mut self, data: &[u8]) {
        let (raw, behind) = data.split_at(data.len().min(self.missing));
        self.missing -= raw.len();
        let mut came = self.came.borrow_mut();
        match came.last_mut() {
            Some(Came::Raw(before)) => before.extend_from_slice(raw),
            _ => came.push(Came::Raw(raw.to_vec())),
        }
        if self.missing == 0 {
            self.lines.set_line_mode(behind);
        }
    }

    fn line_length_exceeded(&mut self, _data: &[u8]) -> OnLongLine {
        self.came.borrow_mut().push(Came::TooLong);
        OnLongLine::Close
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.came.borrow_mut().push(Came::Unfinished(unfinished.to_vec()));
        OnEof::Close
    }
}
