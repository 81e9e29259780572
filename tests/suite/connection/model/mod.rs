//! Connections compared with a model of the rules, for any events and any actions of callbacks, in any order.
//!
//! A failing case is shortened as far as possible, and printed with the seed that reproduces it.

mod compare;
mod rules;
mod script;
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::compare::check;
use self::script::{A, Act, Awaited, B, Input, LONGEST, Payload, Step, Who};

#[test]
fn connections_do_what_the_rules_say_whatever_happens() {
    let seed = std::env::var("REACTOR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED);
    let config = Config {
        // PROPTEST_CASES sets another number.
        cases: if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES },
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    // The default generator takes most of the time of a debug build.
    let bytes = (u128::from(seed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_le_bytes();
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &bytes));
    let result = runner.run(&case(), |steps| check(&steps).map_err(TestCaseError::fail));
    match result {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => {
            let steps: String = steps.iter().map(|step| format!("    {step:?}\n")).collect();
            panic!("{why}\nwith these steps (REACTOR_SEED={seed} finds them again):\n{steps}");
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_is_written_while_output_is_lent_counts_with_it() {
    let written = || Step { input: Input::LentAndWrote(A, 60_000), reactions: Vec::new() };
    let limited = Step { input: Input::Outside(Act::SetLimit(A, 130_000)), reactions: Vec::new() };
    // At first nothing is lent; the second makes it full, the third is too much.
    agree(&[made(A), limited, written(), written(), written()]);
}

#[test]
fn what_pause_writing_writes_is_not_owed_for_input() {
    let answer = vec![Act::Write(A, 65_535), Act::Write(A, 2)];
    let received = Step { input: Input::Received(A, 1), reactions: vec![answer, vec![Act::Write(A, 65_537)]] };
    let sent = Step { input: Input::Sent(A, 1), reactions: Vec::new() };
    agree(&[made(A), received, sent]);
}

#[test]
fn what_fills_the_output_up_to_its_limit_is_taken() {
    let acts = [Act::SetLimit(A, 100), Act::Write(A, 60), Act::Write(A, 40), Act::Write(A, 1)];
    agree(&acts.map(|act| Step { input: Input::Outside(act), reactions: Vec::new() }));
}

#[test]
fn a_call_that_was_moved_goes_behind_those_due_at_the_same_instant() {
    let acts = [Act::CallLater(A, 1), Act::CallLater(A, 2), Act::CallLater(A, 2), Act::Reset(0, 2), Act::Delay(1, 0)];
    let mut steps = vec![made(A)];
    steps.extend(acts.map(|act| Step { input: Input::Outside(act), reactions: Vec::new() }));
    steps.extend([Input::Advance(2), Input::Turn(A)].map(|input| Step { input, reactions: Vec::new() }));
    agree(&steps);
}

fn made(who: Who) -> Step {
    Step { input: Input::Made(who), reactions: Vec::new() }
}

#[track_caller]
fn agree(steps: &[Step]) {
    if let Err(why) = check(steps) {
        panic!("{why}");
    }
}

fn case() -> impl Strategy<Value = Vec<Step>> {
    let made = [A, B]
        .map(|who| (Just(Input::Made(who)), reactions()).prop_map(|(input, reactions)| Step { input, reactions }));
    let [first, second] = made;
    let any = (input(), reactions()).prop_map(|(input, reactions)| Step { input, reactions });
    let answer = prop_oneof![Just(Act::KeepWriting), Just(Act::NotYet)];
    let ended = (who(), answer, vec(act(), 0..3), reactions()).prop_map(|(who, answer, mut acts, mut reactions)| {
        acts.push(answer);
        reactions.insert(0, acts);
        Step { input: Input::Ended(who), reactions }
    });
    let step = prop_oneof![20 => any, 1 => ended];
    // Most cases begin as connections do.
    prop_oneof![
        9 => (first, second, vec(step.clone(), 1..40)).prop_map(|(first, second, mut steps)| {
            steps.splice(..0, [first, second]);
            steps
        }),
        1 => vec(step, 1..40),
    ]
}

fn input() -> impl Strategy<Value = Input> + Clone {
    prop_oneof![
        8 => (who(), 1_usize..100).prop_map(|(who, len)| Input::Received(who, len)),
        8 => who().prop_map(Input::Turn),
        8 => (who(), length()).prop_map(|(who, most)| Input::Sent(who, most)),
        4 => who().prop_map(|who| Input::Sent(who, usize::MAX)),
        4 => act().prop_map(Input::Outside),
        4 => (0_u64..10).prop_map(Input::Advance),
        1 => who().prop_map(Input::Ended),
        4 => who().prop_map(Input::Shut),
        2 => (0_usize..8).prop_map(Input::Open),
        1 => (who(), length()).prop_map(|(who, len)| Input::LentAndWrote(who, len)),
        1 => who().prop_map(Input::Made),
        1 => who().prop_map(Input::Lost),
        1 => who().prop_map(Input::Dropped),
    ]
}

fn reactions() -> impl Strategy<Value = Vec<Vec<Act>>> + Clone {
    vec(vec(act(), 0..4), 0..4)
}

fn act() -> impl Strategy<Value = Act> + Clone {
    prop_oneof![
        12 => (who(), length()).prop_map(|(who, len)| Act::Write(who, len)),
        6 => (who(), length()).prop_map(|(who, len)| Act::WriteBytes(who, len)),
        3 => (who(), length()).prop_map(|(who, len)| Act::WriteFmt(who, len)),
        2 => who().prop_map(Act::Lose),
        1 => who().prop_map(Act::Abort),
        1 => who().prop_map(Act::Fail),
        3 => who().prop_map(Act::WriteEof),
        2 => who().prop_map(Act::PauseReading),
        3 => who().prop_map(Act::ResumeReading),
        3 => (who(), who()).prop_map(|(source, destination)| Act::PacedBy(source, destination)),
        2 => (who(), prop_oneof![0_usize..60, 60_000_usize..140_000, Just(usize::MAX)])
            .prop_map(|(who, limit)| Act::SetLimit(who, limit)),
        5 => (who(), 0_u64..6).prop_map(|(who, delay)| Act::CallLater(who, delay)),
        1 => (0_usize..8).prop_map(Act::Cancel),
        2 => (0_usize..4, 0_u64..6).prop_map(|(number, delay)| Act::Reset(number, delay)),
        2 => (0_usize..4, 0_u64..6).prop_map(|(number, delay)| Act::Delay(number, delay)),
        5 => (who(), prop_oneof![3 => Just(Awaited::Ready), 3 => Just(Awaited::Gate), 1 => Just(Awaited::Panic)])
            .prop_map(|(who, awaited)| Act::Defer(who, awaited)),
        1 => (0_usize..8).prop_map(Act::CancelDeferred),
        1 => prop_oneof![Just(Act::KeepWriting), Just(Act::NotYet)],
        1 => prop_oneof![Just(Payload::Text), Just(Payload::Bomb)].prop_map(Act::Panic),
    ]
}

fn who() -> impl Strategy<Value = Who> + Clone {
    prop_oneof![3 => Just(A), 1 => Just(B)]
}

/// Above all those around which something changes.
fn length() -> impl Strategy<Value = usize> + Clone {
    prop_oneof![
        6 => 0_usize..40,
        2 => 16_380_usize..16_390,
        2 => 65_530_usize..65_542,
        2 => 15_000_usize..LONGEST,
    ]
}

/// The cases are the same each time, so that a failure is of the change that was made.
const SEED: u64 = 1;

const CASES: u32 = 1_000;
