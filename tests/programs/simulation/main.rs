//! How fast simulations run, and whether they keep their promises in many storms:
//! `cargo run --release -p tests --bin simulation -- [STORMS] [write]` (1,000); as many are run over TLS, with handshakes that
//! are interrupted. `simulation scale [CONNECTIONS] [write]` holds a million connections at once.

mod scale;

use std::cell::{Cell, RefCell};
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::{Link, Simulation};
use reactor::{CloseReason, Protocol, Transport};
use rig::{certificates, interrupted_handshakes, page, storm};

struct Echo {
    transport: Transport,
    callbacks: Rc<Cell<u64>>,
}

impl Protocol for Echo {
    fn connection_made(&mut self) {
        self.callbacks.set(self.callbacks.get() + 1);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.callbacks.set(self.callbacks.get() + 1);
        self.transport.write(data);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.callbacks.set(self.callbacks.get() + 1);
    }
}

/// Sends a message, waits until it has come back completely, and repeats.
struct Ping {
    transport: Transport,
    callbacks: Rc<Cell<u64>>,
    rounds: u32,
    missing: usize,
}

const MESSAGE: &[u8] = &[b'x'; 64];

impl Protocol for Ping {
    fn connection_made(&mut self) {
        self.callbacks.set(self.callbacks.get() + 1);
        self.transport.write(MESSAGE);
    }

    fn data_received(&mut self, data: &[u8]) {
        self.callbacks.set(self.callbacks.get() + 1);
        self.missing -= data.len();
        if self.missing > 0 {
            return;
        }
        self.rounds -= 1;
        if self.rounds == 0 {
            self.transport.lose_connection();
        } else {
            self.missing = MESSAGE.len();
            self.transport.write(MESSAGE);
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.callbacks.set(self.callbacks.get() + 1);
    }
}

/// A server, and ten clients with ten connections each and `rounds` messages on each; returns the number of callbacks.
fn hundred_connections(seed: u64, link: &Link, rounds: u32) -> u64 {
    let sim = Simulation::new(seed);
    sim.set_link(link.clone());
    let callbacks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&callbacks);
    let echo = move |transport| Echo { transport, callbacks: Rc::clone(&counted) };
    sim.host("server").listen_tcp(7, echo).expect("the port is free");
    for client in 0..10 {
        let host = sim.host(&format!("client{client}"));
        for _ in 0..10 {
            let callbacks = Rc::clone(&callbacks);
            let missing = MESSAGE.len();
            host.connect_tcp("server:7", move |transport| Ping {
                transport,
                callbacks: Rc::clone(&callbacks),
                rounds,
                missing,
            });
        }
    }
    sim.run_until_quiet(Duration::from_secs(3600));
    callbacks.get()
}

#[global_allocator]
static ALLOCATOR: rig::allocations::Counting = rig::allocations::Counting;

/// The number in the arguments, or this one; and whether the figures are to be written into the page.
fn number_and_write(arguments: &[String], default: usize) -> io::Result<(usize, bool)> {
    let number = arguments.iter().find(|argument| *argument != "write");
    let wrong = |text: &String| io::Error::other(format!("{} is no number", text.escape_debug()));
    let number = number.map_or(Ok(default), |text| text.parse().map_err(|_| wrong(text)))?;
    Ok((number, arguments.iter().any(|argument| argument == "write")))
}

/// Holds very many connections, and prints what it took, or writes it into the page.
fn hold(arguments: &[String]) -> io::Result<()> {
    let (connections, writes) = number_and_write(arguments, 1_000_000)?;
    let text = scale::scale(connections);
    println!("{text}");
    if writes {
        page::replace_section(page::FIGURES, "target/release/simulation scale write", &text)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [first, arguments @ ..] if first == "scale" => hold(arguments),
        arguments => measure(arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn measure(arguments: &[String]) -> io::Result<()> {
    let (storms, writes) = number_and_write(arguments, 1000)?;
    let storms = storms as u64;
    let mut rows = page::Rows::new();
    let mut say = |what: String, measured: f64| {
        println!("{what}: {}", page::number(measured));
        rows.push(vec![what, page::number(measured)]);
    };

    let started = std::time::Instant::now();
    let callbacks = hundred_connections(1, &Link::new(), 5_000);
    say("millions of callbacks a second".to_owned(), callbacks as f64 / started.elapsed().as_secs_f64() / 1e6);

    let started = std::time::Instant::now();
    let callbacks: u64 = (0..1000).map(|seed| hundred_connections(seed, &Link::rough(), 10)).sum();
    let what = format!("seconds for 1,000 seeds of 100 connections, {callbacks} callbacks in all");
    say(what, started.elapsed().as_secs_f64());

    let started = std::time::Instant::now();
    let outcomes = RefCell::new(Vec::new());
    Simulation::for_seeds(0..storms, |sim| outcomes.borrow_mut().push(storm::play(sim)));
    let outcomes = outcomes.into_inner();
    let connections: u32 = outcomes.iter().map(|outcome| outcome.connections).sum();
    let what = format!("seconds for {storms} storms, {connections} connections in all, with every promise kept");
    say(what, started.elapsed().as_secs_f64());

    let started = std::time::Instant::now();
    let (server, served, failed) = (certificates::server(), Cell::new(0), Cell::new(0));
    Simulation::for_seeds(0..storms, |sim| {
        let outcome = interrupted_handshakes::play(sim, &server);
        served.set(served.get() + outcome.served());
        failed.set(failed.get() + outcome.failed());
    });
    let clients = format!("{} clients served and {} not connected", served.get(), failed.get());
    let what = format!("seconds for {storms} of TLS with interrupted handshakes, {clients}, with every promise kept");
    say(what, started.elapsed().as_secs_f64());

    let known = outcomes.into_iter().take(storm::KNOWN_SEEDS as usize);
    assert_eq!(storm::fingerprint(known), storm::KNOWN_FINGERPRINT, "other events than in a debug build");
    if writes {
        let table = page::table(&["figure", "measured"], 1, &rows);
        page::replace_section(page::FIGURES, "target/release/simulation STORMS write", &table)?;
    }
    Ok(())
}
