//! Parts, each of which determines the length of the next, however the stream is cut.

use protocols::stateful::{State, StatefulHandler, StatefulReceiver, States};
use reactor::OnEof;

use crate::receiving::{CLOSE, Log, in_every_cut, obey, receive};

/// Two bytes select the options and the cuts; the others are received: a length, and a body of that many bytes modulo
/// 16. A body that begins with `k` is followed by another of the same length.
pub fn states(data: &[u8]) {
    let [max_length, cut, stream @ ..] = data else { return };
    let max_length = 1 + usize::from(*max_length) % 16;
    in_every_cut(stream, *cut, &expected(max_length, stream), |pieces| {
        receive(pieces, |told| {
            let build = move |new: States| {
                let (states, came) = told(new);
                Handler { states, came }
            };
            StatefulReceiver::factory(build).max_length(max_length)
        })
    });
}

#[derive(Debug, PartialEq, Eq)]
enum Came {
    Body(Vec<u8>),
    TooLong(usize),
    Unfinished(Vec<u8>),
}

/// The rules, applied to the whole stream at once.
fn expected(max_length: usize, stream: &[u8]) -> Vec<Came> {
    let mut came = Vec::new();
    let mut rest = stream;
    let mut length = None;
    loop {
        let Some(body_length) = length else {
            let Some((first, behind)) = rest.split_first() else {
                came.push(Came::Unfinished(Vec::new()));
                return came;
            };
            (length, rest) = (Some(usize::from(*first % 16)), behind);
            continue;
        };
        if body_length > max_length {
            came.push(Came::TooLong(body_length));
            return came;
        }
        let Some((body, behind)) = rest.split_at_checked(body_length) else {
            came.push(Came::Unfinished(rest.to_vec()));
            return came;
        };
        came.push(Came::Body(body.to_vec()));
        if body == CLOSE {
            return came;
        }
        if !body.starts_with(b"k") {
            length = None;
        }
        rest = behind;
    }
}

struct Handler {
    states: States,
    came: Log<Came>,
}

impl Handler {
    fn length_received(&mut self, length: &[u8]) -> Option<State<Self>> {
        Some(State::new(usize::from(length[0] % 16), Self::body_received))
    }

    fn body_received(&mut self, body: &[u8]) -> Option<State<Self>> {
        self.came.borrow_mut().push(Came::Body(body.to_vec()));
        obey(body, &self.states);
        if body.starts_with(b"k") { None } else { Some(self.initial_state()) }
    }
}

impl StatefulHandler for Handler {
    fn initial_state(&mut self) -> State<Self> {
        State::new(1, Self::length_received)
    }

    fn length_limit_exceeded(&mut self, length: usize) {
        self.came.borrow_mut().push(Came::TooLong(length));
    }

    fn eof_received(&mut self, unfinished: &[u8]) -> OnEof {
        self.came.borrow_mut().push(Came::Unfinished(unfinished.to_vec()));
        OnEof::Close
    }
}
