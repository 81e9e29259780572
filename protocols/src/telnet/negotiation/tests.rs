use std::collections::{HashSet, VecDeque};

use super::*;

const STATES: [State; 6] = [
    State::No,
    State::Yes,
    State::WantNo { opposite: false },
    State::WantNo { opposite: true },
    State::WantYes { opposite: false },
    State::WantYes { opposite: true },
];

/// One end of a connection, with regard to one option, and what is on its way to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct End {
    state: State,
    agrees: bool,
    coming: VecDeque<bool>,
}

type Ends = [End; 2];

fn ends(states: [State; 2], agree: [bool; 2]) -> Ends {
    [0, 1].map(|end| End { state: states[end], agrees: agree[end], coming: VecDeque::new() })
}

/// Has this end receive what comes next, if anything does.
fn pump(ends: &mut Ends, end: usize) -> bool {
    let Some(on) = ends[end].coming.pop_front() else { return false };
    let agrees = ends[end].agrees;
    let answer = ends[end].state.received(on, agrees).send;
    ends[1 - end].coming.extend(answer);
    true
}

/// Moves everything, and returns the number of messages.
#[track_caller]
fn until_quiet(ends: &mut Ends) -> usize {
    let from = format!("{ends:?}");
    let mut moved = 0;
    while pump(ends, 0) || pump(ends, 1) {
        moved += 1;
        assert!(moved < 10, "a loop from {from}");
    }
    moved
}

fn each_agreement() -> [[bool; 2]; 4] {
    [[true, true], [true, false], [false, true], [false, false]]
}

#[test]
fn from_every_pair_of_states_a_message_to_either_end_comes_to_an_end() {
    for (one, other) in STATES.iter().flat_map(|one| STATES.iter().map(move |other| (*one, *other))) {
        for agree in each_agreement() {
            for (end, on) in [(0, true), (0, false), (1, true), (1, false)] {
                let mut ends = ends([one, other], agree);
                ends[end].coming.push_back(on);
                assert!(until_quiet(&mut ends) <= 4, "{one:?} and {other:?}");
            }
        }
    }
}

#[test]
fn whatever_both_ends_ask_for_and_whenever_they_come_to_agree() {
    for agree in each_agreement() {
        let mut reached = HashSet::from([ends([State::No; 2], agree)]);
        let mut new: Vec<Ends> = reached.iter().cloned().collect();
        while let Some(from) = new.pop() {
            let mut quiet = from.clone();
            until_quiet(&mut quiet);
            let states = quiet.map(|end| end.state);
            assert!(states == [State::Yes; 2] || states == [State::No; 2], "{from:?} ends in {states:?}");
            for end in 0..2 {
                let mut next = vec![from.clone(), from.clone(), from.clone()];
                pump(&mut next[0], end);
                for (on, asked) in [true, false].into_iter().zip(&mut next[1..]) {
                    let sent = asked[end].state.request(on);
                    asked[1 - end].coming.extend(sent);
                }
                next.retain(|ends| reached.insert(ends.clone()));
                new.extend(next);
            }
        }
        assert!((20..1000).contains(&reached.len()), "{}", reached.len());
        assert!(reached.iter().flatten().all(|end| end.coming.len() <= 2));
    }
}

#[test]
fn what_was_asked_for_last_holds_if_the_peer_agrees() {
    for requests in 0..(1_u32 << 6) {
        let mut ends = ends([State::No; 2], [true; 2]);
        let mut last = false;
        for request in 0..3 {
            last = requests >> (2 * request) & 1 != 0;
            let sent = ends[0].state.request(last);
            ends[1].coming.extend(sent);
            if requests >> (2 * request + 1) & 1 != 0 {
                pump(&mut ends, 1);
                pump(&mut ends, 0);
            }
        }
        until_quiet(&mut ends);
        assert_eq!(ends[0].state, if last { State::Yes } else { State::No }, "{requests:b}");
    }
}

#[test]
fn a_repeated_verb_is_not_answered() {
    for before in STATES {
        for on in [true, false] {
            let mut state = before;
            state.received(on, true);
            if state == (if on { State::Yes } else { State::No }) {
                assert_eq!(state.received(on, true), Step::default(), "{before:?}");
            }
        }
    }
}

#[test]
fn a_refusal_is_told_and_what_is_refused_leaves_no_trace() {
    let mut options = Options::default();
    assert_eq!(options.request(Side::Local, TelnetOption::ECHO, true), Some(Verb::Will));
    assert!(!options.is_proposal(Verb::Do, TelnetOption::ECHO) && options.is_proposal(Verb::Will, TelnetOption::ECHO));
    assert_eq!(options.received(Verb::Dont, TelnetOption::ECHO, true), (None, Some(false)));
    for code in 0..=255 {
        let option = TelnetOption(code);
        assert_eq!(options.received(Verb::Will, option, false), (Some(Verb::Dont), None));
        assert_eq!(options.received(Verb::Do, option, false), (Some(Verb::Wont), None));
    }
    assert!(options.states.is_empty());
    assert_eq!(options.received(Verb::Do, TelnetOption::ECHO, true), (Some(Verb::Will), Some(true)));
    assert!(options.is_enabled(Side::Local, TelnetOption::ECHO));
    assert!(!options.is_enabled(Side::Remote, TelnetOption::ECHO));
}
