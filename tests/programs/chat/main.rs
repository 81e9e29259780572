//! Measures IRC servers side by side: memory, processor time, and how long a line takes beside a flood.
//!
//! `cargo build --release -p irc-server && cargo run --release -p tests --bin chat -- [write] [CLIENTS [SERVER...]]` starts each
//! of these servers that is installed (by default all), one after another, in rounds, with its limits out of the way, and prints a table. With `write` the table
//! goes into `docs/figures.md`, too. All traffic stays on the loopback interface.

mod crowd;
mod measurements;
mod servers;

use std::io;
use std::process::ExitCode;

use rig::page;

use measurements::{Figures, measure};
use servers::SERVERS;

/// How often each server is measured. The medians are told.
const ROUNDS: usize = 3;

/// The section of the page that `write` replaces.
const COMMAND: &str = "target/release/chat write";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let writes = arguments.next_if(|argument| argument == "write").is_some();
    let clients = match arguments.next().map(|argument| argument.parse()) {
        None => 10_000,
        Some(Ok(clients)) => clients,
        Some(Err(_)) => return Err(io::Error::other("the number of clients is a number, such as 10000")),
    };
    let names: Vec<_> = arguments.collect();
    rig::open_files();
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let servers: Vec<_> = SERVERS.iter().filter(|server| is_wanted(server.name) && server.is_installed()).collect();
    let mut all: Vec<Vec<Figures>> = servers.iter().map(|_| Vec::new()).collect();
    for round in 1..=ROUNDS {
        for (server, rounds) in servers.iter().zip(&mut all) {
            eprintln!("round {round}: {}", server.name);
            rounds.push(measure(server, clients)?);
        }
    }
    let mut head = vec!["what", "unit"];
    head.extend(servers.iter().map(|server| server.name));
    let rows = Figures::names(clients).into_iter().enumerate().map(|(number, (what, unit))| {
        let medians = all.iter().map(|rounds| page::number(median(rounds.iter().map(|figures| figures.0[number]))));
        [what, unit.to_owned()].into_iter().chain(medians).collect()
    });
    let table = page::table(&head, 2, &rows.collect());
    println!("{table}");
    if writes {
        page::replace_section(page::FIGURES, COMMAND, &table)?;
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
