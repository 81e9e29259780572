//! Segments up to terminators that change, however the stream is cut.

use protocols::segment::{Segments, Terminator, TerminatorHandler, TerminatorReceiver};
use reactor::OnEof;

use crate::receiving::{CLOSE, Log, in_every_cut, obey, receive};

/// Two bytes select the terminators and the cuts; the others are received.
pub fn segments(data: &[u8]) {
    let [kind, cut, stream @ ..] = data else { return };
    let turn = TURNS[usize::from(*kind) % TURNS.len()];
    in_every_cut(stream, *cut, &expected(turn, stream), |pieces| {
        receive(pieces, |told| {
            TerminatorReceiver::factory(move |new: Segments| {
                let (segments, came) = told(new);
                Handler { segments, came, turn, next: 0, segment: Vec::new() }
            })
        })
    });
}

/// Terminators set one after another, repeated from the first.
type Turn = &'static [End];

#[derive(Clone, Copy)]
enum End {
    Bytes(&'static str),
    Count(usize),
    Never,
}

const TURNS: [Turn; 8] = [
    &[End::Bytes("\r\n")],
    &[End::Bytes("\r\n\r\n"), End::Count(3)],
    &[End::Bytes("aab"), End::Bytes("ab")],
    &[End::Bytes("abab"), End::Count(0), End::Bytes("aa")],
    &[End::Count(1), End::Count(2), End::Count(0)],
    &[End::Bytes("\0"), End::Never],
    &[End::Bytes("aaaab"), End::Count(1)],
    &[End::Bytes("")],
];

#[derive(Debug, PartialEq, Eq)]
enum Came {
    Segment(Vec<u8>),
    /// Bytes delivered without an end, and bytes held back.
    Unfinished(Vec<u8>, Vec<u8>),
}

/// The rules, applied to the whole stream at once.
fn expected(turn: Turn, stream: &[u8]) -> Vec<Came> {
    let mut came = Vec::new();
    let mut rest = stream;
    for end in turn.iter().cycle() {
        let found = match end {
            End::Bytes("") | End::Never => None,
            End::Count(count) => (*count <= rest.len()).then_some((*count, 0)),
            End::Bytes(bytes) => {
                let at = rest.windows(bytes.len()).position(|window| window == bytes.as_bytes());
                at.map(|at| (at, bytes.len()))
            }
        };
        let Some((at, length)) = found else {
            let bytes = if let End::Bytes(bytes) = end { bytes.as_bytes() } else { b"" };
            let held = (0..bytes.len()).rev().find(|held| rest.ends_with(&bytes[..*held])).unwrap_or(0);
            let (data, held) = rest.split_at(rest.len() - held);
            came.push(Came::Unfinished(data.to_vec(), held.to_vec()));
            return came;
        };
        came.push(Came::Segment(rest[..at].to_vec()));
        if rest[..at] == *CLOSE {
            return came;
        }
        rest = &rest[at + length..];
    }
    unreachable!("a cycle has no end");
}

struct Handler {
    segments: Segments,
    came: Log<Came>,
    turn: Turn,
    next: usize,
    segment: Vec<u8>,
}

impl Handler {
    fn set_next_terminator(&mut self) {
        match self.turn[self.next % self.turn.len()] {
            End::Bytes(bytes) => self.segments.set_terminator(bytes),
            End::Count(count) => self.segments.set_terminator(count),
            End::Never => self.segments.set_terminator(Terminator::None),
        }
        self.next += 1;
    }
}

impl TerminatorHandler for Handler {
    fn connection_made(&mut self) {
        self.set_next_terminator();
    }

    fn collect_incoming_data(&mut self, data: &[u8]) {
        assert!(!data.is_empty());
        self.segment.extend_from_slice(data);
    }

    fn found_terminator(&mut self) {
        let segment = std::mem::take(&mut self.segment);
        obey(&segment, &self.segments);
        self.came.borrow_mut().push(Came::Segment(segment));
        self.set_next_terminator();
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.came.borrow_mut().push(Came::Unfinished(std::mem::take(&mut self.segment), unfinished.to_vec()));
        OnEof::Close
    }
}
