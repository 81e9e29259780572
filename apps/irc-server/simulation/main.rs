//! Plays a cluster on a simulated network, seed by seed, and checks that it keeps its promises:
//! `cargo run --release -p irc-server --bin irc-simulation -- [SEEDS]` (10,000). `REACTOR_SEED=17` plays that alone.

mod links;
mod toy;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let seeds = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse());
    let Ok(seeds) = seeds else {
        eprintln!("usage: irc-simulation [SEEDS]");
        return ExitCode::from(2);
    };
    let alone = std::env::var("REACTOR_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = alone.map_or(0..seeds, |seed: u64| seed..seed + 1);
    let began = start_of_time();
    println!("links: {:?}", play(seeds, |seed| links::play(seed, began)));
    println!("in {:.1} s", began.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

/// Plays each seed; the name of one that fails stands before its panic goes on.
fn play(seeds: std::ops::Range<u64>, one: impl Fn(u64) -> links::Outcome) -> links::Outcome {
    let mut all = links::Outcome::default();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| one(seed))) {
            Ok(outcome) => all.add(&outcome),
            Err(panic) => {
                eprintln!("REACTOR_SEED={seed} fails again");
                std::panic::resume_unwind(panic);
            }
        }
    }
    all
}

#[expect(clippy::disallowed_methods, reason = "the simulation's times are counted from some moment")]
fn start_of_time() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_agree_after_every_storm_and_deliver_each_event_once_in_order() {
        let began = start_of_time();
        let outcome = play(0..20, |seed| links::play(seed, began));
        assert!(outcome.delivered > 1000 && outcome.snapshots > 100 && outcome.exchanges > 0, "{outcome:?}");
    }
}
