//! Attacks every ready-made server at once, in every way that is known, while honest clients ask it.
//!
//! `cargo build --release -p tests -p time-server -p irc-server && target/release/chaos [MINUTES [write]]` prints one table: for each
//! attack, and then for each server, how many honest requests were asked and lost, how long the slowest in a hundred took, how much
//! memory a server took at the most, and how many descriptors it had not given back. The exit status is 1 if anything is
//! worse than the documentation promises; the reasons are printed below the table. `write` writes
//! the attacks into `docs/figures.md`.
//!
//! Each server is a process of its own, with default options and 300 MiB of address space (`servers.rs`). In each round,
//! a minute long, it suffers one attack after another (`attacks.rs`) from one address, while clients with other
//! addresses, and some with the same, ask it (`honest.rs`). All traffic stays on the loopback interface.

mod attacks;
mod datagrams;
mod honest;
mod round;
mod serve;
mod servers;
mod table;

use std::process::ExitCode;

use crate::round::Rounds;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [first, name, options @ ..] if first == "serve" => serve::serve(name, options).map(|()| true),
        [] => chaos(1, false),
        [minutes] => minutes.parse().map_err(|_| usage()).and_then(|minutes| chaos(minutes, false)),
        [minutes, write] if write == "write" => {
            minutes.parse().map_err(|_| usage()).and_then(|minutes| chaos(minutes, true))
        }
        _ => Err(usage()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> std::io::Error {
    std::io::Error::other("usage: chaos [MINUTES [write]]")
}

/// Returns whether everything was as promised.
fn chaos(minutes: usize, writes: bool) -> std::io::Result<bool> {
    rig::open_files();
    let mut rounds = Rounds::start()?;
    let result = (0..minutes).try_for_each(|_| rounds.run());
    // Also of a server that has ended too early there is to be learned how.
    let report = rounds.finish();
    let well = table::print(&report);
    if writes {
        table::write(&report)?;
    }
    result.map(|()| well)
}
