//! Finds the end of a reply from its bytes alone.

/// The reply to one text, assembled from the server's bytes.
///
/// A reply is the text that was sent, cut into one or more pieces, each preceded by a stamp: `[`, 24 or 29 bytes, `]`, a
/// space: a time as C's `ctime` or RFC 3339 writes it, in UTC or with an offset. The first stamp of 24 may contain any bytes; the others must look like the first. The number of pieces is not announced,
/// and the text may itself look like a stamp, so all readings that fit the received bytes are followed in parallel. The
/// reply is over when no reading can continue.
#[derive(Debug)]
pub(crate) struct Reply {
    text: Vec<u8>,
    came: Vec<u8>,
    /// The length of the reply by the longest reading that has reached the end of the text.
    end: Option<usize>,
    /// What the next byte may be in each reading that can continue; the one with the fewest stamps first.
    readings: Vec<Reading>,
}

/// The state of a [`Reply`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// More is expected, or this is not a reply to the text: then only silence marks its end.
    Open,
    /// All of the text has come back, but its last bytes may be the beginning of another stamp. Silence means they are
    /// not.
    Perhaps,
    /// All of the text has come back, and nothing that follows is part of the reply.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    /// The length of its stamps.
    stamp: u8,
    /// How many bytes of the text have come back.
    back: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// How many bytes of a stamp have arrived.
    Stamp(u8),
    /// After a stamp, where at least one byte of the text must follow.
    Piece,
    /// Inside a piece, where the text may continue or the next stamp begin.
    Text,
}

/// The length of a stamp of any kind, with its brackets and the space.
const ANY_STAMP: u8 = 24 + 3;

/// The length of a stamp by RFC 3339 with an offset. Its bytes tell it from one of the other kind at once.
const OFFSET_STAMP: u8 = 29 + 3;

/// Only a text made of stamps has more readings than this; then the least likely are dropped, so that time stays
/// proportional to its length.
const MOST_READINGS: usize = 64;

impl Reply {
    /// An empty reply to `text`, which must not be empty.
    pub(crate) fn to(text: Vec<u8>) -> Self {
        let readings =
            [ANY_STAMP, OFFSET_STAMP].map(|stamp| Reading { stamp, back: 0, place: Place::Stamp(0) }).to_vec();
        Self { text, came: Vec::new(), end: None, readings }
    }

    /// Appends received bytes.
    pub(crate) fn receive(&mut self, data: &[u8]) -> Progress {
        let mut position = self.came.len();
        self.came.extend_from_slice(data);
        let mut next = Vec::new();
        for byte in data {
            if self.readings.is_empty() {
                break;
            }
            position += 1;
            for reading in self.readings.drain(..) {
                reading.step(*byte, &self.text, &self.came[1..], &mut next);
            }
            if next.iter().any(|reading| reading.back == self.text.len()) {
                self.end = Some(position);
                next.retain(|reading| reading.back < self.text.len());
            }
            next.truncate(MOST_READINGS);
            std::mem::swap(&mut self.readings, &mut next);
        }
        self.progress()
    }

    /// The text that was sent.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn progress(&self) -> Progress {
        match self.end {
            Some(_) if self.readings.is_empty() => Progress::Over,
            Some(_) => Progress::Perhaps,
            None => Progress::Open,
        }
    }

    /// How many bytes have arrived, including those after the reply.
    pub(crate) fn len(&self) -> usize {
        self.came.len()
    }

    /// Whether these bytes cannot be a reply to the text, whatever follows.
    pub(crate) fn is_foreign(&self) -> bool {
        self.end.is_none() && self.readings.is_empty()
    }

    /// The reply as received, and the bytes after it. If the reply is not over, all bytes are the reply.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        let beyond = self.came.split_off(self.end.unwrap_or(self.came.len()));
        (self.came, beyond)
    }
}

impl Reading {
    /// Adds to `next` the readings that result from this one with `byte`; `first` begins with the first stamp.
    fn step(self, byte: u8, text: &[u8], first: &[u8], next: &mut Vec<Self>) {
        let Self { stamp, back, place } = self;
        match place {
            Place::Stamp(done) => {
                let fits = match done {
                    0 => byte == b'[',
                    _ if done == stamp - 2 => byte == b']',
                    _ if done == stamp - 1 => byte == b' ',
                    _ if stamp == OFFSET_STAMP && !b"0123456789-:.+T".contains(&byte) => false,
                    _ => alike(byte, first[usize::from(done) - 1]),
                };
                if fits {
                    let done = done + 1;
                    let place = if done == stamp { Place::Piece } else { Place::Stamp(done) };
                    next.push(Self { place, ..self });
                }
            }
            Place::Piece | Place::Text => {
                if text[back] == byte {
                    next.push(Self { back: back + 1, place: Place::Text, ..self });
                }
                if byte == b'[' && matches!(place, Place::Text) {
                    next.push(Self { place: Place::Stamp(1), ..self });
                }
            }
        }
    }
}

/// Whether `data` is the reply to `text` in one piece.
pub(crate) fn is_whole_reply(data: &[u8], text: &[u8]) -> bool {
    let mut reply = Reply::to(text.to_vec());
    reply.receive(data) != Progress::Open && reply.end == Some(data.len())
}

/// Whether two bytes can be at the same place of two times: digits and the spaces that pad them, letters of any
/// language, or the same sign.
fn alike(one: u8, other: u8) -> bool {
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b' ';
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    one == other || is_number(one) && is_number(other) || is_letter(one) && is_letter(other)
}

// The path is needed by the fuzz targets, which include this file.
#[cfg(test)]
#[path = "reply/tests.rs"]
mod tests;
