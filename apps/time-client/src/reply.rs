//! Where a reply ends, told from the bytes alone.

/// The reply to one text, put together from what the server sends.
///
/// A reply is the text that was sent, cut into one or more pieces, each behind a stamp: `[`, 24 bytes, `]`, a space.
/// The first stamp's bytes may be any, the others must look like them. Nothing says how many pieces there are, and
/// the text may itself look like a stamp, so every reading that fits what has come is followed at once. The reply is
/// over when no reading goes on.
#[derive(Debug)]
pub(crate) struct Reply {
    text: Vec<u8>,
    came: Vec<u8>,
    /// How long the reply is by the longest reading that has reached the end of the text.
    end: Option<usize>,
    /// What the next byte may be, by each reading that may still go on; the one with the fewest stamps first.
    readings: Vec<Reading>,
}

/// What is known of a [`Reply`] so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// More is expected, or what came is no reply to this text: then only silence tells where it ends.
    Open,
    /// All of the text is back, but its last bytes may be the beginning of another stamp. Silence says they are not.
    Perhaps,
    /// All of the text is back, and nothing that may come is part of it.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    /// How many bytes of the text are back.
    back: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// So many bytes of a stamp have come.
    Stamp(u8),
    /// Behind a stamp, where at least one byte of the text must follow.
    Piece,
    /// Inside a piece, where the text may go on or the next stamp begin.
    Text,
}

const STAMP: u8 = 27;

/// Only a text made of stamps has more readings than this, and then the least likely are dropped, so that it costs
/// time in proportion to its length.
const MOST_READINGS: usize = 64;

impl Reply {
    /// A reply to `text`, which is not empty, of which nothing has come yet.
    pub(crate) fn to(text: Vec<u8>) -> Self {
        let start = Reading { back: 0, place: Place::Stamp(0) };
        Self { text, came: Vec::new(), end: None, readings: vec![start] }
    }

    /// Adds what has come.
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

    pub(crate) fn progress(&self) -> Progress {
        match self.end {
            Some(_) if self.readings.is_empty() => Progress::Over,
            Some(_) => Progress::Perhaps,
            None => Progress::Open,
        }
    }

    /// How many bytes have come, those beyond the reply included.
    pub(crate) fn len(&self) -> usize {
        self.came.len()
    }

    /// Whether what has come is no reply to the text, whatever follows.
    pub(crate) fn is_foreign(&self) -> bool {
        self.end.is_none() && self.readings.is_empty()
    }

    /// The reply as it came, and what came behind it. If it is not over, all that came is the reply.
    pub(crate) fn finish(mut self) -> (Vec<u8>, Vec<u8>) {
        let beyond = self.came.split_off(self.end.unwrap_or(self.came.len()));
        (self.came, beyond)
    }
}

impl Reading {
    /// Adds to `next` the readings that this one allows when `byte` comes; `first` begins with the first stamp.
    fn step(self, byte: u8, text: &[u8], first: &[u8], next: &mut Vec<Self>) {
        let Self { back, place } = self;
        match place {
            Place::Stamp(done) => {
                let fits = match done {
                    0 => byte == b'[',
                    25 => byte == b']',
                    26 => byte == b' ',
                    _ => alike(byte, first[usize::from(done) - 1]),
                };
                if fits {
                    let done = done + 1;
                    let place = if done == STAMP { Place::Piece } else { Place::Stamp(done) };
                    next.push(Self { back, place });
                }
            }
            Place::Piece | Place::Text => {
                if text[back] == byte {
                    next.push(Self { back: back + 1, place: Place::Text });
                }
                if byte == b'[' && matches!(place, Place::Text) {
                    next.push(Self { back, place: Place::Stamp(1) });
                }
            }
        }
    }
}

/// Whether `data` is the reply to `text`, in one piece.
pub(crate) fn is_whole_reply(data: &[u8], text: &[u8]) -> bool {
    let mut reply = Reply::to(text.to_vec());
    reply.receive(data) != Progress::Open && reply.end == Some(data.len())
}

/// Whether two bytes can stand at the same place of two times of day: digits and the spaces that pad them, letters
/// of any language, or the same sign.
fn alike(one: u8, other: u8) -> bool {
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b' ';
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
    one == other || is_number(one) && is_number(other) || is_letter(one) && is_letter(other)
}

// The path is for the fuzz targets, which include this file.
#[cfg(test)]
#[path = "reply/tests.rs"]
mod tests;
