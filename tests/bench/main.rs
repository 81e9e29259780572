//! Servers of this framework and of others, side by side under the same load.
//!
//! `cargo run --release --manifest-path tests/bench/Cargo.toml --target-dir target/bench -- [MODE...] [rounds=N]
//! [seconds=S] [write]` measures every mode (`modes.rs`), or those that are named, and prints a table: what a server used
//! of its processor, or of memory, for each message, line, MiB, datagram or connection. All bytes that come back are
//! checked. Servers in Rust are in this program; those in C, Go and Python are measured where the machine has what they
//! need (`peers.rs`). `write` writes the tables into the README and `docs/figures.md`, and draws the picture.
//!
//! The server has one processor, the load another. All traffic stays on the loopback interface.

mod load;
mod modes;
mod peers;
mod plot;
mod report;
mod rounds;
mod servers;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use modes::{MODES, Mode};
use peers::PEERS;
use report::Report;
use shared::page;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [first, name, role, target @ ..] if first == "serve" => {
            servers::serve(name, role, target.first().map(String::as_str))
        }
        _ => bench(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> io::Result<()> {
    let option = |name: &str| arguments.iter().find_map(|argument| argument.strip_prefix(name)?.strip_prefix('='));
    let number = |name, default| option(name).map_or(Ok(default), |text| text.parse().map_err(io::Error::other));
    let (rounds, seconds) = (number("rounds", 5.0)? as usize, number("seconds", 1.0)?);
    let writes = arguments.iter().any(|argument| argument == "write");
    let mut named = arguments.iter().filter(|argument| !argument.contains('=') && *argument != "write").peekable();
    let modes: Vec<&Mode> = match named.peek() {
        None => MODES.iter().collect(),
        Some(_) => named.map(|name| mode(name)).collect::<io::Result<_>>()?,
    };
    if writes && modes.len() < MODES.len() {
        return Err(io::Error::other("the tables have all modes: do not name any"));
    }
    shared::open_files();
    let mut peers = Vec::new();
    for peer in PEERS {
        match peer.prepare() {
            Ok(()) => peers.push(peer),
            Err(what) => println!("without {}: {what}", peer.name),
        }
    }
    let mut report = Report(Vec::new());
    for mode in modes {
        println!("\n{}: {}", mode.name, mode.what);
        // Memory does not differ by the round.
        let rounds = if mode.is_of_memory() { 1 } else { rounds };
        let measured = rounds::measure(mode, &peers, rounds, Duration::from_secs_f64(seconds))?;
        for name in measured.names() {
            print_row(&measured, name);
        }
        report.0.push(measured);
    }
    let figures = format!("{}\n\n{}", report.figures(), report.circumstances(rounds, seconds));
    println!("\n{figures}");
    if writes {
        const COMMAND: &str = "bench write";
        page::replace_section(page::FIGURES, COMMAND, &figures)?;
        page::replace_section("README.md", COMMAND, &report.ratios())?;
        plot::draw(&report, &page::project().join("docs/pictures/bench.svg"))?;
    }
    Ok(())
}

fn mode(name: &str) -> io::Result<&'static Mode> {
    MODES.iter().find(|mode| mode.name == name).ok_or_else(|| {
        let names: Vec<_> = MODES.iter().map(|mode| mode.name).collect();
        io::Error::other(format!("there is no mode called {name}; there are: {}", names.join(" ")))
    })
}

fn print_row(measured: &rounds::Measured<'_>, name: &str) {
    let (Some(each), Some((least, most))) = (measured.each(name), measured.spread(name)) else { return };
    let ratio = measured.ratio(name).map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let rate = measured.a_second(name).map(page::number).unwrap_or_default();
    let spread = format!("{} to {}", page::number(least), page::number(most));
    println!(
        "{name:<14} {:>10} {} {ratio:>6} {spread:>22} {rate:>12} a second",
        page::number(each),
        measured.mode.measure()
    );
}
