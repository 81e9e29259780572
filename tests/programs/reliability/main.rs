//! Measures what the tests do not check: time, memory, processor time.
//!
//! `cargo run --release -p tests --bin reliability -- [NAME...]` prints one line per figure: its name, the value, the
//! limit, and whether the value exceeds it. A value over the limit is measured once more; if it is over twice, the exit
//! status is 1. Without names it measures everything that takes under a minute. Servers run as child processes
//! (`serve.rs`), on a processor of their own if there are two; all traffic stays on the loopback interface. With `write`
//! before the names, the figures go into the table of `docs/figures.md`, too.
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
mod figure;
mod framed;
mod half_open;
mod handover;
mod limits;
mod live_handover;
mod load;
mod logins;
mod many;
mod serve;
mod slow_readers;
mod soak;
mod spread;
mod tls;
mod unfinished_input;
mod volleys;

use std::io;
use std::process::ExitCode;

use checks::CHECKS;
pub(crate) use figure::Figure;

#[global_allocator]
static ALLOCATOR: rig::allocations::Counting = rig::allocations::Counting;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [first, kind, options @ ..] if first == "serve" => serve::serve(kind, options).map(|()| true),
        [first, address, messages, kind @ ..] if first == "load" => report_load(address, messages, kind),
        [first, arguments @ ..] if first == "counts" => counts::counts(arguments),
        [first, work, times] if first == "repeat" => counts::repeat(work, times).map(|()| true),
        arguments => measure_all(arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what is named, or everything; returns whether nothing is over its gate.
fn measure_all(arguments: &[String]) -> io::Result<bool> {
    let (writes, arguments) = match arguments {
        [first, names @ ..] if first == "write" => (true, names),
        names => (false, names),
    };
    let known = |name: &String| CHECKS.iter().any(|check| check.name == name.split('=').next().unwrap_or_default());
    if let Some(unknown) = arguments.iter().find(|name| !known(name)) {
        let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        let names = names.join(" ");
        return Err(io::Error::other(format!("there is no measurement called {unknown}; there are: {names}")));
    }
    rig::open_files();
    rig::stay_on_processor(1);
    let mut all_well = true;
    for check in CHECKS {
        let named = arguments.iter().find(|name| name.split('=').next() == Some(check.name));
        if named.is_none() && !arguments.is_empty() {
            continue;
        }
        let size = named.and_then(|name| name.split_once('=')?.1.parse().ok()).unwrap_or(check.size);
        let load = figure::load_of_the_machine();
        let (is_well, figures) = measure(check.name, || (check.run)(size));
        all_well &= is_well;
        if writes {
            figure::write(named.map_or(check.name, String::as_str), &figures, &load)?;
        }
    }
    Ok(all_well)
}

/// Puts a load on a server, and says how long it took.
fn report_load(address: &str, messages: &str, kind: &[String]) -> io::Result<bool> {
    let address = address.parse().map_err(io::Error::other)?;
    let kind = kind.first().map_or("echo", String::as_str);
    let time = load::load(address, messages.parse().map_err(io::Error::other)?, kind)?;
    println!("{messages} messages in {time:?}");
    Ok(true)
}

/// Measures, and once more if something is over the limit; returns the last figures, and whether all are well.
fn measure(name: &str, run: impl Fn() -> io::Result<Vec<Figure>>) -> (bool, Vec<Figure>) {
    let mut last = Vec::new();
    for _ in 0..2 {
        match run() {
            Ok(figures) => {
                figures.iter().for_each(|figure| figure.print(name));
                last = figures;
                if !last.iter().any(Figure::is_over) {
                    return (true, last);
                }
            }
            Err(error) => println!("{name}: could not be measured: {error}"),
        }
    }
    (false, last)
}
