//! Measures IRC servers beside each other: memory of a client, processor time of a line, and round trips beside a flood.
//!
//! `cargo build --release -p irc-server -p tests && target/release/chat` measures all that are installed, in turns, and prints
//! one table; `target/release/chat irc-server ngircd --clients 1000` those two with fewer clients. Each is started with a
//! configuration of its own on a free port, and ended. All traffic stays on the loopback interface.

mod client;
mod crowd;
mod figures;
mod interruption;
mod round_trips;
mod running;
mod servers;
mod stages;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use rig::page;

use crate::figures::Figures;
use crate::servers::{SERVERS, Server};

/// Measures IRC servers beside each other.
#[derive(Debug, Parser)]
struct Arguments {
    /// The servers, of `irc-server`, `irc-server-without-history`, `ngircd` and `inspircd`; by default all that are installed.
    servers: Vec<String>,
    /// How many clients connect to each.
    #[arg(long, default_value_t = 4_000)]
    clients: usize,
    /// How often each is measured. The table has the medians.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Writes the table into `docs/figures.md`, too, where it has a section for this very command.
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match interruption::watch().and_then(|()| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    let servers = wanted(&arguments.servers)?;
    let open = rig::open_files();
    if arguments.clients < FEWEST || arguments.rounds == 0 {
        return Err(io::Error::other(format!("it takes {FEWEST} clients and a round")));
    }
    if arguments.clients + SPARE > open {
        let most = open.saturating_sub(SPARE);
        return Err(io::Error::other(format!(
            "a process may have {open} files open (`ulimit -n`), which is enough for {most} clients, not for {}",
            arguments.clients
        )));
    }
    let mut all: Vec<_> = servers.iter().map(|_| Figures::default()).collect();
    for round in 1..=arguments.rounds {
        for (server, figures) in servers.iter().zip(&mut all) {
            eprintln!("round {round}: {}", server.name);
            stages::measure(server, arguments.clients, figures)
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", server.name)))?;
        }
    }
    let names: Vec<_> = servers.iter().map(|server| server.name).collect();
    let table = figures::table(&names, &all);
    println!("{table}");
    if arguments.write {
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        page::replace_section(page::FIGURES, &format!("target/release/chat {}", arguments.join(" ")), &table)?;
    }
    Ok(())
}

/// The servers of these names; all that are installed, if there is no name.
fn wanted(names: &[String]) -> io::Result<Vec<&'static Server>> {
    if names.is_empty() {
        return Ok(SERVERS.iter().filter(|server| server.is_installed()).collect());
    }
    names.iter().map(|name| servers::find(name)).collect()
}

/// Clients come in channels of ten, and in pairs.
const FEWEST: usize = 100;

/// Files that are no connection of the crowd: the flood's, the program's own, the server's.
const SPARE: usize = 200;
