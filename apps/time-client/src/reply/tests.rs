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
fn a_stamp_may_have_an_offset() {
    let stamps = ["2026-11-01T16:58:06.123+01:00", "2026-11-01T16:58:06.123-10:30", "2026-11-01T15:58:06.123Z"];
    for (stamp, text) in stamps.into_iter().flat_map(|stamp| [(stamp, "a"), (stamp, "] 2026 x")]) {
        for pieces in [&[][..], &[1]] {
            let input = answer(text.as_bytes(), pieces, stamp.as_bytes());
            assert_eq!(outcome(text.as_bytes(), &input), (Progress::Over, input, Vec::new()));
        }
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
