//! The cost of timed calls: `reliability repeat set|put-off TIMES` does nothing else, so that it can be run under valgrind.

use std::io;
use std::time::Duration;

use reactor::testing::Simulation;
use rig::allocations::allocations;

use super::Counts;
use super::server::{CALLGRIND, instructions, under};

/// How many others are pending.
const PENDING: u64 = 10_000;

/// The counts of one, by difference.
pub(super) fn count(work: &str) -> io::Result<Counts> {
    const FEW: f64 = 10_000.0;
    const MANY: f64 = 110_000.0;
    let run = |times: f64| {
        let output = under("valgrind", CALLGRIND)?.args(["repeat", work, &times.to_string()]).output()?;
        let made = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().map_err(io::Error::other)?;
        let errors: Vec<_> = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
        Ok::<_, io::Error>([instructions(&errors)?, made])
    };
    let (few, many) = (run(FEW)?, run(MANY)?);
    let [instructions, allocations] = std::array::from_fn(|count| Some((many[count] - few[count]) / (MANY - FEW)));
    Ok(Counts { instructions, allocations, ..Counts::default() })
}

/// Does it this many times, and prints how often it has allocated memory.
pub(crate) fn repeat(work: &str, times: &str) -> io::Result<()> {
    // Its clock stands, so that each run sets the same times.
    let reactor = Simulation::new(1).host("timers");
    // Spread over a minute, in no order.
    let later = |number: u64| Duration::from_secs(60) + Duration::from_millis(number * 7919 % 60_000);
    let pending: Vec<_> = (0..PENDING).map(|number| reactor.call_later(later(number), || ())).collect();
    let before = allocations();
    for number in 0..times.parse().map_err(io::Error::other)? {
        match work {
            "set" => drop(reactor.call_later(later(number), || ()).cancel()),
            // Always to a later time, as a connection's time limit is.
            "put-off" => drop(pending[(number * 6007 % PENDING) as usize].delay(Duration::from_millis(1))),
            _ => return Err(io::Error::other(format!("there is nothing called {work} to repeat"))),
        }
    }
    println!("{}", allocations() - before);
    Ok(())
}
