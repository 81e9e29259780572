//! Plays clusters on a simulated network, seed by seed, and checks that they keep their promises:
//! `cargo run --release -p irc-server --bin irc-simulation -- [links | servers] [SEEDS]` (10,000). `REACTOR_SEED=17` plays that alone.

mod client;
mod links;
mod servers;
mod storm;
mod toy;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::time::Instant;

use client::Noticed;
use storm::Outcome;

fn main() -> ExitCode {
    let mut seeds = Some(10_000);
    let (mut plays_links, mut plays_servers) = (true, true);
    for argument in std::env::args().skip(1) {
        match &*argument {
            "links" => plays_servers = false,
            "servers" => plays_links = false,
            number => seeds = number.parse().ok(),
        }
    }
    let Some(seeds) = seeds else {
        eprintln!("usage: irc-simulation [links | servers] [SEEDS]");
        return ExitCode::from(2);
    };
    let alone = std::env::var("REACTOR_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = alone.map_or(0..seeds, |seed: u64| seed..seed + 1);
    let began = start_of_time();
    if plays_links {
        println!("links: {:?}", links(seeds.clone()));
    }
    if plays_servers {
        println!("servers: {:?}", servers(seeds));
    }
    println!("in {:.1} s", began.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

fn links(seeds: Range<u64>) -> Outcome {
    let (mut all, began) = (Outcome::default(), start_of_time());
    for seed in seeds {
        all.add(&named(seed, || links::play(seed, began)));
    }
    all
}

fn servers(seeds: Range<u64>) -> (Outcome, Noticed) {
    let (mut all, mut noticed, began) = (Outcome::default(), Noticed::default(), start_of_time());
    for seed in seeds {
        let (outcome, by_clients) = named(seed, || servers::play(seed, began));
        all.add(&outcome);
        noticed.add(&by_clients);
    }
    (all, noticed)
}

/// Plays a seed; if that fails, its name stands before the panic goes on.
fn named<T>(seed: u64, play: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|panic| {
        eprintln!("REACTOR_SEED={seed} fails again");
        resume_unwind(panic)
    })
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
        let outcome = links(0..10);
        assert!(outcome.delivered > 1000 && outcome.snapshots > 100 && outcome.exchanges > 0, "{outcome:?}");
    }

    #[test]
    fn servers_agree_after_every_storm_and_tell_each_line_once_in_order() {
        let (outcome, noticed) = servers(0..8);
        assert!(outcome.delivered > 100 && outcome.snapshots > 100, "{outcome:?}");
        assert!(noticed.speeches > 100 && noticed.netsplits > 10 && noticed.netjoins > 10, "{noticed:?}");
    }
}
