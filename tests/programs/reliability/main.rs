//! Measures what the tests do not check: time, memory, processor time.
//!
//! `cargo run --release -p tests --bin reliability -- [NAME...]` prints one line per figure: its name, the value, the
//! limit, and whether the value exceeds it. A value over the limit is measured once more; if it is over twice, the exit
//! status is 1. Without names it measures everything that takes under a minute. Servers run as child processes
//! (`serve.rs`), on a processor of their own if there are two; all traffic stays on the loopback interface.
//!
//! `counts` compares instructions, allocations, system calls and bytes with those that are known, and needs valgrind and
//! strace: see `counts/mod.rs`.
//!
//! To examine a server with other tools, start it under them with `serve KIND`, and run `load ADDRESS MESSAGES [KIND]`:
//! without a kind, messages of 64 bytes over 64 connections; `lines`, lines of 32 bytes, 64 in flight on each of 16
//! connections; `fan-out`, messages of 64 bytes that come back to each of 1,000 connections and count once for each; `bulk`,
//! messages of 1 MiB on 4 connections; `datagrams`, 8 in flight on each of 8 sockets; `connections`, one after another, with
//! a message each.

mod checks;
mod cost;
mod counts;
mod drain;
mod framed;
mod half_open;
mod handover;
mod limits;
mod live_handover;
mod load;
mod many;
mod processor;
mod serve;
mod slow_readers;
mod soak;
mod spread;
mod unfinished_input;
mod volleys;

use std::io;
use std::process::ExitCode;

use checks::CHECKS;

#[global_allocator]
static ALLOCATOR: rig::allocations::Counting = rig::allocations::Counting;

/// A measured value.
pub(crate) struct Figure {
    what: String,
    measured: f64,
    gate: Option<f64>,
}

impl Figure {
    /// A value that must not exceed the limit.
    pub(crate) fn at_most(gate: f64, what: impl Into<String>, measured: f64) -> Self {
        Self { what: what.into(), measured, gate: Some(gate) }
    }

    /// A count that must be exact: the value is the difference.
    pub(crate) fn exactly(expected: u64, what: impl Into<String>, measured: u64) -> Self {
        Self::at_most(
            0.0,
            format!("{} ({measured} of {expected}): missing or too many", what.into()),
            expected.abs_diff(measured) as f64,
        )
    }

    /// A value without a limit.
    pub(crate) fn told(what: impl Into<String>, measured: f64) -> Self {
        Self { what: what.into(), measured, gate: None }
    }

    fn is_over(&self) -> bool {
        // NaN means that it was not measured.
        self.gate.is_some_and(|gate| self.measured.is_nan() || self.measured > gate)
    }

    fn print(&self, name: &str) {
        let measured = format!("{:.3}", self.measured);
        let measured = measured.trim_end_matches('0').trim_end_matches('.');
        match self.gate {
            Some(gate) => {
                println!(
                    "{name}: {}: {measured}, gate {gate}, {}",
                    self.what,
                    if self.is_over() { "over" } else { "ok" }
                );
            }
            None => println!("{name}: {}: {measured}", self.what),
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [first, kind, options @ ..] if first == "serve" => Some(serve::serve(kind, options).map(|()| true)),
        [first, address, messages, kind @ ..] if first == "load" => Some(report_load(address, messages, kind)),
        [first, arguments @ ..] if first == "counts" => Some(counts::counts(arguments)),
        [first, work, times] if first == "repeat" => Some(counts::repeat(work, times).map(|()| true)),
        _ => None,
    };
    match done {
        Some(Ok(true)) => return ExitCode::SUCCESS,
        Some(Ok(false)) => return ExitCode::FAILURE,
        Some(Err(error)) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
        None => (),
    }
    let known = |name: &String| CHECKS.iter().any(|check| check.name == name.split('=').next().unwrap_or_default());
    if let Some(unknown) = arguments.iter().find(|name| !known(name)) {
        let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        eprintln!("there is no measurement called {unknown}; there are: {}", names.join(" "));
        return ExitCode::FAILURE;
    }

    rig::open_files();
    processor::stay_on(1);
    let mut all_well = true;
    for check in CHECKS {
        let named = arguments.iter().find(|name| name.split('=').next() == Some(check.name));
        if named.is_none() && !arguments.is_empty() {
            continue;
        }
        let size = named.and_then(|name| name.split_once('=')?.1.parse().ok()).unwrap_or(check.size);
        all_well &= measure(check.name, || (check.run)(size));
    }
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Puts a load on a server, and says how long it took.
fn report_load(address: &str, messages: &str, kind: &[String]) -> io::Result<bool> {
    let address = address.parse().map_err(io::Error::other)?;
    let kind = kind.first().map_or("echo", String::as_str);
    let time = load::load(address, messages.parse().map_err(io::Error::other)?, kind)?;
    println!("{messages} messages in {time:?}");
    Ok(true)
}

/// Measures, and once more if something is over the limit.
fn measure(name: &str, run: impl Fn() -> io::Result<Vec<Figure>>) -> bool {
    for _ in 0..2 {
        match run() {
            Ok(figures) => {
                figures.iter().for_each(|figure| figure.print(name));
                if !figures.iter().any(Figure::is_over) {
                    return true;
                }
            }
            Err(error) => println!("{name}: could not be measured: {error}"),
        }
    }
    false
}
