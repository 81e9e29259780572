use proptest::collection::vec;
use proptest::prelude::*;
use reactor::testing::every_cut;

use super::*;
use crate::receiver::input::Buffer;

/// Segments, then what came of one without an end, and what was held back. Data is put together.
type Came = (Vec<Vec<u8>>, Vec<u8>, Vec<u8>);

/// Cuts with these terminators in turn, from the first again behind the last.
fn split(terminators: &[Terminator], pieces: &[&[u8]]) -> (Came, usize) {
    let mut turn = terminators.iter().cycle().cloned();
    let mut terminator = turn.next().unwrap();
    let (mut segments, mut segment) = (Vec::new(), Vec::new());
    let mut buffer = Buffer::default();
    // The first is empty: what needs no bytes must not wait for any.
    for piece in [&&b""[..]].into_iter().chain(pieces) {
        let mut input = buffer.input(piece);
        while let Some(piece) = terminator.piece(&mut input) {
            match piece {
                Piece::Data(data) => {
                    assert!(!data.is_empty());
                    segment.extend_from_slice(data);
                }
                Piece::End(_) => {
                    segments.push(std::mem::take(&mut segment));
                    terminator = turn.next().unwrap();
                    input.search_anew();
                }
            }
        }
        input.finish();
    }
    ((segments, segment, buffer.kept().to_vec()), buffer.effort)
}

/// The rules again, with all the bytes at hand.
fn expected(terminators: &[Terminator], mut bytes: &[u8]) -> Came {
    let mut segments = Vec::new();
    for terminator in terminators.iter().cycle() {
        let (at, len) = match terminator {
            Terminator::Bytes(sought) => match bytes.windows(sought.len()).position(|window| window == &sought[..]) {
                Some(at) => (at, sought.len()),
                None => {
                    let held = (0..sought.len()).rev().find(|held| bytes.ends_with(&sought[..*held])).unwrap();
                    let (data, held) = bytes.split_at(bytes.len() - held);
                    return (segments, data.to_vec(), held.to_vec());
                }
            },
            Terminator::Count(count) if *count <= bytes.len() => (*count, 0),
            _ => break,
        };
        segments.push(bytes[..at].to_vec());
        bytes = &bytes[at + len..];
    }
    (segments, bytes.to_vec(), Vec::new())
}

#[test]
fn short_inputs_give_the_same_segments_in_every_cut() {
    let changing = [Terminator::from("\r\n\r\n"), Terminator::Count(3), Terminator::Count(0), Terminator::from("aab")];
    for (terminators, input) in [
        (&[Terminator::from("\r\n")][..], &b"a\r\n\r\r\n\r\n\n\rb\r"[..]),
        (&[Terminator::from("aab")], b"aaabaabaaaaba"),
        (&[Terminator::from("abab")], b"abaabababababa"),
        (&[Terminator::from(vec![0])], b"\0a\0\0b"),
        (&[Terminator::Count(3)], b"abcdefghi"),
        (&[Terminator::None], b"a\r\nb"),
        (&changing, b"\r\r\n\r\nxyzaaab\r"),
    ] {
        let came = every_cut(input, |pieces| split(terminators, pieces).0);
        assert_eq!(came, expected(terminators, input), "{}", input.escape_ascii());
    }
}

#[test]
fn the_effort_is_proportional_to_the_bytes_however_they_are_cut() {
    for terminator in ["\n", "\r\n", "\r\n\r\n", "aaaaaaaab"] {
        for letters in [&b"x"[..], b"a", b"\r", b"ab", b"\r\n", terminator.as_bytes()] {
            let input = letters.repeat((1 << 14) / letters.len());
            for chunk in [1, 2, 3, 100, 1460, 65_536] {
                let pieces: Vec<_> = input.chunks(chunk).collect();
                let (_, effort) = split(&[terminator.into()], &pieces);
                let most = input.len() * (2 + 3 * terminator.len());
                assert!(effort <= most, "{terminator:?} {letters:?} {chunk}: {effort}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_give_what_the_rules_say(
        terminators in vec(
            prop_oneof![
                4 => vec(0..2_u8, 1..5).prop_map(Terminator::from),
                2 => (1..6_usize).prop_map(Terminator::Count),
                1 => Just(Terminator::Count(0)),
            ],
            1..4,
        ).prop_filter("it gets on", |all| all.iter().any(|one| *one != Terminator::Count(0))),
        chunks in vec(vec(0..2_u8, 0..12), 0..12),
    ) {
        let pieces: Vec<_> = chunks.iter().map(|chunk| &chunk[..]).collect();
        prop_assert_eq!(split(&terminators, &pieces).0, expected(&terminators, &chunks.concat()));
    }
}
