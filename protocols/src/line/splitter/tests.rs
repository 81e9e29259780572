use reactor::testing::every_cut;

use super::*;
use crate::receiver::input::{Buffer, SPARE};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Line(Vec<u8>),
    TooLong,
}

struct Splitter {
    framing: Framing,
    buffer: Buffer,
}

fn splitter(delimiter: &Delimiter, max_length: usize) -> Splitter {
    Splitter { framing: Framing { delimiter: delimiter.clone(), max_length }, buffer: Buffer::default() }
}

fn delimiters() -> Vec<Delimiter> {
    let bytes: [&[u8]; 5] = [b"\r\n", b"\n", b"\n\n", b"\r\r\n", b"\n\r\n\n"];
    bytes.into_iter().map(Delimiter::new).chain([Delimiter::AnyNewline]).collect()
}

/// Cuts a chunk, and keeps the rest of it. True at a line that is too long: there the tests end.
fn feed(splitter: &mut Splitter, chunk: &[u8], events: &mut Vec<Event>) -> bool {
    let mut input = splitter.buffer.input(chunk);
    loop {
        match splitter.framing.line(&mut input) {
            Ok(Some(line)) => events.push(Event::Line(line.to_vec())),
            Ok(None) => break,
            Err(LineTooLong) => {
                events.push(Event::TooLong);
                return true;
            }
        }
    }
    input.finish();
    false
}

fn split<'a>(delimiter: &Delimiter, max: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut splitter = splitter(delimiter, max);
    let mut events = Vec::new();
    for chunk in chunks {
        if feed(&mut splitter, chunk, &mut events) {
            break;
        }
    }
    events
}

/// Takes off the CR that belongs to an LF.
fn trim<'a>(delimiter: &Delimiter, line: &'a [u8]) -> &'a [u8] {
    match delimiter {
        Delimiter::Byte(_) | Delimiter::Bytes(_) => line,
        Delimiter::AnyNewline => line.strip_suffix(b"\r").unwrap_or(line),
    }
}

/// The rules again, in the plainest way and with all the bytes at hand.
fn expected(delimiter: &Delimiter, max: usize, mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let bare = &delimiter.to_send()[delimiter.to_send().len() - delimiter.len()..];
    while let Some(at) = bytes.windows(bare.len()).position(|window| window == bare) {
        let line = trim(delimiter, &bytes[..at]);
        if line.len() > max {
            events.push(Event::TooLong);
            return events;
        }
        events.push(Event::Line(line.to_vec()));
        bytes = &bytes[at + bare.len()..];
    }
    if bytes.len() >= max + delimiter.to_send().len() {
        events.push(Event::TooLong);
    }
    events
}

#[test]
fn short_inputs_give_the_same_lines_in_every_cut() {
    let inputs: [&[u8]; 8] = [
        b"\r\n",
        b"ab\r\ncd\r\n\r\nef",
        b"\r\n\r\n\n\r\r\n\r\r\n\n",
        b"\n\n\n\r\n\n\n\r\n\n\r",
        b"abcd\r\nabcde\r\n",
        b"abcd\rabcd\nab",
        b"abcde\nabcde\r\n",
        b"\r\r\r\r\r\n\r\r\r\r\r\r\n",
    ];
    for input in inputs {
        assert!(input.len() <= 14);
        for delimiter in delimiters() {
            for max in [0, 4, 100] {
                let lines = every_cut(input, |pieces| split(&delimiter, max, pieces.iter().copied()));
                assert_eq!(lines, expected(&delimiter, max, input), "{delimiter:?} {max}");
            }
        }
    }
}

#[test]
fn long_inputs_give_the_same_lines_however_they_are_cut() {
    let mut random = fastrand::Rng::with_seed(1);
    // The longest, for which every_cut goes to the greatest lengths, only once: it takes seconds.
    let lengths = [4096].into_iter().chain(std::iter::repeat(400));
    for (delimiter, length) in delimiters().into_iter().zip(lengths) {
        let text = "abcdefghijklmnopqrstuvwxyz".repeat(4) + "\r\n";
        for (letters, length, max) in [("\r\n", 400, 10), ("\r\nabc", 400, 100), (&text, length, 5000)] {
            let letters = letters.as_bytes();
            let input: Vec<u8> = (0..length).map(|_| letters[random.usize(..letters.len())]).collect();
            let lines = every_cut(&input, |pieces| split(&delimiter, max, pieces.iter().copied()));
            assert_eq!(lines, expected(&delimiter, max, &input), "{delimiter:?}");
        }
    }
}

#[test]
fn s221_exactly_the_maximum_is_accepted_wherever_the_line_is_cut() {
    const MAX: usize = 20;
    for delimiter in delimiters() {
        for len in [MAX - 1, MAX, MAX + 1] {
            let mut input = b"first".to_vec();
            input.extend(delimiter.to_send());
            input.extend(vec![b'x'; len]);
            input.extend(delimiter.to_send());
            input.extend(b"next");
            let line = if len > MAX { Event::TooLong } else { Event::Line(vec![b'x'; len]) };
            for at in 0..=input.len() {
                let (one, two) = input.split_at(at);
                assert_eq!(split(&delimiter, MAX, [one, two]), [Event::Line(b"first".to_vec()), line.clone()]);
            }
            let bytes = input.chunks(1);
            assert_eq!(split(&delimiter, MAX, bytes), [Event::Line(b"first".to_vec()), line.clone()]);
        }
    }
}

#[test]
fn s222_an_unfinished_line_may_have_the_maximum_and_all_but_one_byte_of_the_delimiter() {
    for delimiter in delimiters() {
        let room = 20 + delimiter.to_send().len() - 1;
        for chunk in [1, 7, 100] {
            assert_eq!(split(&delimiter, 20, vec![b'x'; room].chunks(chunk)), []);
            assert_eq!(split(&delimiter, 20, vec![b'x'; room + 1].chunks(chunk)), [Event::TooLong]);
        }
    }
}

#[test]
fn a_maximum_beyond_all_memory_is_none() {
    let input = vec![b'x'; 100_000];
    assert_eq!(split(&Delimiter::new(b"\r\n"), usize::MAX, input.chunks(999)), []);
}

#[test]
fn a_long_line_is_handed_out_with_all_that_follows() {
    for delimiter in delimiters() {
        let mut long = vec![b'x'; 10];
        long.extend(delimiter.to_send());
        long.extend(b"next");
        for at in 0..long.len() {
            let mut splitter = splitter(&delimiter, 9);
            if feed(&mut splitter, &long[..at], &mut Vec::new()) {
                continue;
            }
            let mut input = splitter.buffer.input(&long[at..]);
            assert_eq!(splitter.framing.line(&mut input), Err(LineTooLong));
            assert_eq!(input.everything(), long);
            assert_eq!(splitter.framing.line(&mut input), Ok(None));
            assert_eq!(input.finish(), 0);
        }
    }
}

#[test]
fn what_is_put_in_front_comes_before_what_was_kept_and_what_is_new() {
    let mut splitter = splitter(&Delimiter::new(b"\n"), 100);
    splitter.buffer.input(b"3\n4").finish();
    let mut input = splitter.buffer.input(b"\n5\n");
    input.put_in_front(b"2\n");
    input.put_in_front(b"1\n");
    for line in [b"1", b"2", b"3"] {
        assert_eq!(splitter.framing.line(&mut input), Ok(Some(&line[..])));
    }
    input.put_in_front(b"in pla");
    input.put_in_front(b"a line\n");
    for line in [&b"a line"[..], b"in pla4", b"5"] {
        assert_eq!(splitter.framing.line(&mut input), Ok(Some(line)));
    }
    input.put_in_front(b"6\n789");
    assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b"6"[..])));
    assert_eq!(splitter.framing.line(&mut input), Ok(None));
    input.put_in_front(b"a\n");
    assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b"a"[..])));
    assert!(input.finish() > 0);
}

#[test]
fn bytes_taken_back_come_again() {
    let mut splitter = splitter(&Delimiter::new(b"\n"), 100);
    splitter.buffer.input(b"kept").finish();
    let mut input = splitter.buffer.input(b" a\nb\nc");
    assert_eq!(input.raw(usize::MAX), Some(&b"kept"[..]));
    input.take_back(3);
    assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b"ept a"[..])));
    assert_eq!(input.raw(usize::MAX), Some(&b"b\nc"[..]));
    input.take_back(2);
    assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b""[..])));
    assert_eq!(splitter.framing.line(&mut input), Ok(None));
    assert_eq!(input.raw(usize::MAX), Some(&b"c"[..]));
    assert_eq!(input.raw(usize::MAX), None);
    input.take_back(0);
    assert_eq!(splitter.framing.line(&mut input), Ok(None));
    input.finish();

    let mut input = splitter.buffer.input(b"");
    input.put_in_front(b"long and searched");
    assert_eq!(splitter.framing.line(&mut input), Ok(None));
    assert!(input.raw(usize::MAX).is_some());
    input.take_back(1);
    assert_eq!(splitter.framing.line(&mut input), Ok(None));
    input.put_in_front(b"\n");
    assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b""[..])));
}

#[test]
fn what_is_cleared_does_not_come_but_what_is_put_in_front_later_does() {
    let mut splitter = splitter(&Delimiter::new(b"\n"), 100);
    splitter.buffer.input(b"a\nb").finish();
    let mut input = splitter.buffer.input(b"c\nd");
    assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b"a"[..])));
    input.clear();
    input.put_in_front(b"e\n");
    assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b"e"[..])));
    assert_eq!(splitter.framing.line(&mut input), Ok(None));
    assert_eq!(input.finish(), 0);
}

#[test]
fn the_effort_is_proportional_to_the_bytes_however_they_are_cut() {
    const BYTES: usize = 1 << 15;
    for delimiter in delimiters() {
        for line in [0, 1, 30, 16_000] {
            let mut input = Vec::new();
            while input.len() < BYTES {
                input.extend(vec![b'x'; line]);
                input.extend(delimiter.to_send());
            }
            for chunk in [1, 2, 3, 100, 1460, 65_536] {
                let mut splitter = splitter(&delimiter, 16_384);
                for chunk in input.chunks(chunk) {
                    assert!(!feed(&mut splitter, chunk, &mut Vec::new()));
                }
                // A byte is searched and kept; and a few are looked at again at each seam.
                let most = input.len() * (2 + 3 * delimiter.len());
                assert!(
                    splitter.buffer.effort <= most,
                    "{} for {} {line} {chunk}",
                    splitter.buffer.effort,
                    input.len()
                );
            }
        }
    }
}

#[test]
fn taking_one_line_at_a_time_out_of_what_is_kept_does_not_move_the_rest() {
    let input = b"x\r\n".repeat(1 << 17);
    let mut splitter = splitter(&Delimiter::new(b"\r\n"), 16_384);
    splitter.buffer.input(&input).finish();
    for _ in 0..1 << 17 {
        let mut input = splitter.buffer.input(b"");
        assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b"x"[..])));
        input.finish();
    }
    assert!(splitter.buffer.kept().is_empty());
    assert!(splitter.buffer.effort <= 4 * input.len(), "{}", splitter.buffer.effort);
}

#[test]
fn alternating_between_raw_bytes_and_lines_does_not_move_the_rest() {
    let bytes = b"rx\r\n".repeat(1 << 17);
    let cut = |splitter: &mut Splitter, chunk: &[u8]| {
        let mut input = splitter.buffer.input(chunk);
        for _ in 0..1 << 17 {
            let len = input.raw(usize::MAX).map_or(0, <[u8]>::len);
            input.take_back(len - 1);
            assert_eq!(splitter.framing.line(&mut input), Ok(Some(&b"x"[..])));
        }
        assert_eq!(input.finish(), 0);
    };
    let mut splitter = splitter(&Delimiter::new(b"\r\n"), 16_384);
    cut(&mut splitter, &bytes);
    assert!(splitter.buffer.effort <= bytes.len(), "{}", splitter.buffer.effort);
    splitter.buffer.input(&bytes).finish();
    cut(&mut splitter, b"");
    assert!(splitter.buffer.effort <= 4 * bytes.len(), "{}", splitter.buffer.effort);
}

#[test]
fn no_more_is_kept_than_a_line_and_a_chunk_and_memory_is_given_back() {
    let mut splitter = splitter(&Delimiter::new(b"\r\n"), 16_384);
    let mut most = 0;
    for byte in vec![b'x'; 16_384].chunks(1) {
        feed(&mut splitter, byte, &mut Vec::new());
        most = most.max(splitter.buffer.capacity());
    }
    splitter.buffer.input(&b"\r\n".repeat(1 << 15)).finish();
    most = most.max(splitter.buffer.capacity());
    assert!(most <= 16_384 + 65_536, "{most}");

    let mut lines = Vec::new();
    feed(&mut splitter, b"a usual line that is not yet", &mut lines);
    assert_eq!(lines.len(), 1 << 15);
    assert!(splitter.buffer.capacity() <= SPARE);
    feed(&mut splitter, b" finished\r\n", &mut lines);
    assert_eq!(lines.last(), Some(&Event::Line(b"a usual line that is not yet finished".to_vec())));
    assert!(splitter.buffer.capacity() > 0, "it serves the next");
}
