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

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    const NOW: &str = "Sun Nov  1 16:58:06 2026";

    /// What a server answers that reads the text in pieces of these lengths, and then the rest.
    fn answer(text: &[u8], pieces: &[usize], stamp: &[u8]) -> Vec<u8> {
        let mut answer = Vec::new();
        let mut rest = text;
        for length in pieces {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            rest = after;
            if !piece.is_empty() {
                answer.extend([b"[", stamp, b"] ", piece].concat());
            }
        }
        if !rest.is_empty() {
            answer.extend([b"[", stamp, b"] ", rest].concat());
        }
        answer
    }

    fn stamped(text: &str) -> Vec<u8> {
        answer(text.as_bytes(), &[], NOW.as_bytes())
    }

    fn reply(text: &str) -> Reply {
        Reply::to(text.as_bytes().to_vec())
    }

    /// Feeds `input` whole, byte by byte, and in two parts cut at every place, and has every way agree.
    #[track_caller]
    fn outcome(text: &[u8], input: &[u8]) -> (Progress, Vec<u8>, Vec<u8>) {
        let outcome_of = |parts: &[&[u8]]| {
            let mut reply = Reply::to(text.to_vec());
            let mut progress = Progress::Open;
            for part in parts {
                progress = reply.receive(part);
            }
            let (reply, beyond) = reply.finish();
            (progress, reply, beyond)
        };
        let whole = outcome_of(&[input]);
        assert_eq!(outcome_of(&input.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
        for cut in 0..=input.len() {
            let (before, after) = input.split_at(cut);
            assert_eq!(outcome_of(&[before, after]), whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn a_reply_is_over_with_the_last_byte_of_its_text() {
        let input = stamped("hello");
        assert_eq!(outcome(b"hello", &input), (Progress::Over, input.clone(), vec![]));
        for cut in 0..input.len() {
            assert_eq!(reply("hello").receive(&input[..cut]), Progress::Open);
        }
    }

    #[test]
    fn what_comes_beyond_is_left_for_the_next_reply() {
        let input = [stamped("hi"), stamped("next")].concat();
        assert_eq!(outcome(b"hi", &input), (Progress::Over, stamped("hi"), stamped("next")));
    }

    #[test]
    fn a_text_that_the_server_read_in_pieces_comes_back_behind_several_stamps() {
        let text = "x".repeat(2500);
        let input = answer(text.as_bytes(), &[1024, 1024], NOW.as_bytes());
        assert_eq!(input.len(), 2500 + 3 * 27);
        assert_eq!(outcome(text.as_bytes(), &input), (Progress::Over, input.clone(), vec![]));
    }

    #[test]
    fn a_text_may_be_cut_after_every_byte() {
        let text = "[a] [b";
        let input = answer(text.as_bytes(), &[1; 6], NOW.as_bytes());
        assert_eq!(outcome(text.as_bytes(), &input), (Progress::Over, input.clone(), vec![]));
    }

    #[test]
    fn a_text_that_contains_a_stamp_is_told_from_a_second_stamp() {
        let text = format!("[{NOW}] [{NOW}] hi");
        for pieces in [&[][..], &[1], &[27], &[30], &[54], &[27, 27]] {
            let input = answer(text.as_bytes(), pieces, NOW.as_bytes());
            assert_eq!(outcome(text.as_bytes(), &input), (Progress::Over, input.clone(), vec![]), "{pieces:?}");
        }
    }

    #[test]
    fn a_text_that_ends_like_the_beginning_of_a_stamp_is_over_when_nothing_follows() {
        for (text, expected) in [
            ("a[", Progress::Perhaps),
            ("today is [Mon", Progress::Perhaps),
            ("[", Progress::Over),
            ("[Sun", Progress::Over),
            ("see [1]", Progress::Over),
            ("all is [well]", Progress::Over),
        ] {
            let input = stamped(text);
            assert_eq!(outcome(text.as_bytes(), &input), (expected, input.clone(), vec![]), "{text}");
        }
        let cut_before_the_bracket = answer(b"a[", &[1], NOW.as_bytes());
        let expected = (Progress::Over, cut_before_the_bracket.clone(), vec![]);
        assert_eq!(outcome(b"a[", &cut_before_the_bracket), expected);
    }

    #[test]
    fn what_only_looked_like_another_stamp_is_beyond_the_reply() {
        let input = [&stamped("a[")[..], b"Mon"].concat();
        assert_eq!(outcome(b"a[", &input), (Progress::Perhaps, stamped("a["), b"Mon".to_vec()));
        let input = [&stamped("a[")[..], b"Mondays"].concat();
        assert_eq!(outcome(b"a[", &input), (Progress::Over, stamped("a["), b"Mondays".to_vec()));
    }

    #[test]
    fn the_clock_may_go_on_between_two_pieces() {
        let input = ["[Sat Oct 31 23:59:59 2026] midnight ", "[Sun Nov  1 00:00:00 2026] came"].concat().into_bytes();
        assert_eq!(outcome(b"midnight came", &input), (Progress::Over, input.clone(), vec![]));
    }

    #[test]
    fn a_stamp_is_any_24_bytes() {
        for stamp in [[b']'; 24], [b'['; 24], [0xff; 24], [b'\n'; 24], *b"[] [] [] [] [] [] [] [] "] {
            let input = answer(b"hi", &[1], &stamp);
            assert_eq!(outcome(b"hi", &input), (Progress::Over, input.clone(), vec![]));
        }
    }

    #[test]
    fn a_reply_of_another_form_stays_open_and_is_all_that_came() {
        for (text, input) in [
            ("hi", "hello\n"),
            ("hi", "[12:00] hi, this is the clock speaking\n"),
            ("hi", "[Sun Nov  1 16:58:06 2026] HI"),
            ("hi", "[Sun Nov  1 16:58:06 2026]hi"),
            ("hi", "[Sun Nov  1 16:58:06 2026] [Sun Nov  1 16:58:06 2026] hi"),
            ("hi", "[Sun Nov  1 16:58:06 2026] h[2026-11-01T16:58:06.0000] i"),
        ] {
            let input = input.as_bytes().to_vec();
            assert_eq!(outcome(text.as_bytes(), &input), (Progress::Open, input.clone(), vec![]));
            let mut reply = reply(text);
            reply.receive(&input);
            assert!(reply.is_foreign());
        }
    }

    #[test]
    fn a_reply_that_has_only_begun_is_not_foreign() {
        let input = stamped("hello");
        for cut in 0..input.len() {
            let mut reply = reply("hello");
            reply.receive(&input[..cut]);
            assert!(!reply.is_foreign(), "cut at {cut}");
        }
    }

    #[test]
    fn a_long_text_made_of_stamps_comes_back_whole() {
        let text = format!("[{NOW}] ").repeat(5_000);
        let input = answer(text.as_bytes(), &[], NOW.as_bytes());
        let mut reply = reply(&text);
        assert_eq!(reply.receive(&input), Progress::Perhaps);
        assert_eq!(reply.finish().0, input);
    }

    /// Bytes of which stamps and texts look alike.
    fn confusing(length: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
        vec(select(b"[] a".to_vec()), length)
    }

    proptest! {
        #[test]
        fn a_reply_is_never_over_early_and_always_in_the_end(
            text in confusing(1..80),
            pieces in vec(1..40_usize, 0..6),
            stamp in confusing(24),
            cuts in vec(1..20_usize, 0..40),
            beyond in confusing(0..60),
        ) {
            let input = answer(&text, &pieces, &stamp);
            let mut reply = Reply::to(text);
            let mut rest = &input[..];
            for length in cuts {
                let (part, after) = rest.split_at(length.min(rest.len()));
                rest = after;
                let progress = reply.receive(part);
                prop_assert!(rest.is_empty() || progress != Progress::Over);
            }
            prop_assert_ne!(reply.receive(rest), Progress::Open);
            reply.receive(&beyond);
            let (whole, after) = reply.finish();
            prop_assert!(whole.starts_with(&input));
            prop_assert_eq!([whole, after].concat(), [input, beyond].concat());
        }
    }
}
