//! Everything at once, for a long time.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use protocols::policies::{FirstMessageTimeout, IdleTimeout};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Factory;
use rig::allocations::live_bytes;
use rig::{now, peer};

use crate::Figure;
use crate::checks::{server, source};
use crate::load::{since, wait};

/// R38: 500 connections per second for `minutes` minutes; one in a hundred misbehaves in each of ten ways.
pub(crate) fn soak(minutes: usize) -> io::Result<Vec<Figure>> {
    let server = server("soak", &[]);
    let address = server.address();
    let watch = peer::connect(address);
    // What the first connections allocate permanently is included from here on.
    for number in 0..200 {
        drop(misbehave(number, address));
    }
    let at_rest = settle(&watch, || server.descriptors())?;
    let time = Duration::from_secs(60) * minutes as u32;
    let stopping = AtomicBool::new(false);
    let (made, wrong) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut samples = Vec::new();
    thread::scope(|scope| -> io::Result<()> {
        for client in 0..CLIENTS {
            let (stopping, made, wrong) = (&stopping, &made, &wrong);
            scope.spawn(move || pass_by(client, address, stopping, made, wrong));
        }
        let begun = now();
        while begun.elapsed() < time {
            wait(SAMPLE);
            samples.push((since(begun), Standing::of(&watch)?.live as f64));
        }
        stopping.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    let after = settle(&watch, || server.descriptors())?;
    // Leaves out the beginning, in which buffers grow to their final size.
    let growth = slope(&samples[samples.len() / 5..]) * 600.0 / f64::from(1 << 20);
    let made = made.into_inner();
    Ok(vec![
        Figure::told("connections", made as f64),
        Figure::told("connections a second", made as f64 / time.as_secs_f64()),
        Figure::exactly(0, "honest clients that got another answer, or none", wrong.into_inner()),
        Figure::at_most(at_rest.descriptors as f64, "descriptors afterwards", after.descriptors as f64),
        Figure::at_most(at_rest.connections as f64, "connections afterwards", after.connections as f64),
        Figure::at_most(at_rest.timers as f64, "timed calls afterwards", after.timers as f64),
        Figure::at_most(1.0, "MiB of live memory more in ten minutes", growth),
    ])
}

/// The server's report about itself.
#[derive(Clone, Copy, PartialEq)]
struct Standing {
    live: i64,
    connections: usize,
    timers: usize,
    descriptors: usize,
}

impl Standing {
    fn of(mut watch: &TcpStream) -> io::Result<Self> {
        watch.write_all(b"standing\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\n") {
            let mut byte = [0];
            watch.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&answer);
        let numbers: Vec<i64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        match numbers[..] {
            [live, connections, timers] => {
                Ok(Self { live, connections: connections as usize, timers: timers as usize, descriptors: 0 })
            }
            _ => Err(io::Error::other(format!("the server sent an unexpected report: {text}"))),
        }
    }
}

/// The server's report after it has closed all connections but the one that asks.
fn settle(watch: &TcpStream, descriptors: impl Fn() -> usize) -> io::Result<Standing> {
    let begun = now();
    loop {
        let standing = Standing { descriptors: descriptors(), ..Standing::of(watch)? };
        // A lingering socket stays for up to 30 s.
        if standing.connections == 1 && (begun.elapsed() > Duration::from_secs(32) || standing.timers <= 3) {
            return Ok(standing);
        }
        if begun.elapsed() > Duration::from_secs(60) {
            return Err(io::Error::other(format!("after a minute there are {} connections", standing.connections)));
        }
        wait(Duration::from_millis(100));
    }
}

/// The growth in bytes per second, by least squares.
fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (time, bytes) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let (mut above, mut below) = (0.0, 0.0);
    for sample in samples {
        above += (sample.0 - time) * (sample.1 - bytes);
        below += (sample.0 - time).powi(2);
    }
    above / below
}

/// Makes this client's share of the connections, at its pace.
fn pass_by(client: usize, address: SocketAddr, stopping: &AtomicBool, made: &AtomicU64, wrong: &AtomicU64) {
    let begun = now();
    let mut kept: Vec<(Instant, TcpStream)> = Vec::new();
    for turn in 0.. {
        if stopping.load(Ordering::Relaxed) {
            return;
        }
        let due = begun + PACE * turn as u32;
        wait(due.saturating_duration_since(now()));
        kept.retain(|(since, _)| since.elapsed() < KEPT);
        let number = client + CLIENTS * turn;
        made.fetch_add(1, Ordering::Relaxed);
        if number % 100 < ABUSES {
            if let Ok(Some(stream)) = misbehave(number, address) {
                kept.push((now(), stream));
            }
        } else if !matches!(ask(number, address), Ok(true)) {
            wrong.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Asks three questions; returns whether all were answered.
fn ask(number: usize, address: SocketAddr) -> io::Result<bool> {
    let mut stream = peer::connect_from(source(number), address)?;
    for question in 0..3 {
        let question = format!("{number} asks {question}\n");
        stream.write_all(question.as_bytes())?;
        let mut answer = vec![0; question.len()];
        stream.read_exact(&mut answer)?;
        if answer != question.as_bytes() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One of the ways in which a client can misbehave. The connection returned is kept open for a while.
fn misbehave(number: usize, address: SocketAddr) -> io::Result<Option<TcpStream>> {
    let mut stream = peer::connect_from(source(number), address)?;
    match number % 100 {
        0 => peer::reset(stream),
        1 => {
            stream.write_all(b"and then\n")?;
            peer::reset(stream);
        }
        // Never reaches the end of its first line.
        2 => {
            stream.write_all(b"s")?;
            return Ok(Some(stream));
        }
        // Sends nothing.
        3 => return Ok(Some(stream)),
        4 => {
            stream.write_all(b"half a line")?;
            stream.shutdown(Shutdown::Write)?;
            let _ = stream.read_to_end(&mut Vec::new());
        }
        5 => {
            let _ = stream.write_all(&vec![b'x'; 100_000]);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        6 => {
            stream.write_all(b"panic\n")?;
            let _ = stream.read_to_end(&mut Vec::new());
        }
        // Requests much data and does not read it.
        7 => {
            stream.write_all(b"pour\n")?;
            return Ok(Some(stream));
        }
        // More than the output limit.
        8 => {
            stream.write_all(b"pour\npour\n")?;
            return Ok(Some(stream));
        }
        _ => {
            stream.write_all(&[0, 0xff, b'\r', b'\n', 0x80, b'\n'])?;
            stream.shutdown(Shutdown::Both)?;
        }
    }
    Ok(None)
}

/// Ways to misbehave, each used by one connection in a hundred.
const ABUSES: usize = 10;

const CLIENTS: usize = 8;

/// Together 500 per second.
const PACE: Duration = Duration::from_millis(16);

/// How long misbehaving clients stay.
const KEPT: Duration = Duration::from_secs(8);

const SAMPLE: Duration = Duration::from_millis(500);

/// The server under test: echoed lines, with time-outs.
pub(crate) fn factory() -> impl Factory {
    let lines = LineReceiver::factory(|lines| Soaked { lines }).delimiter("\n").max_length(16_384);
    IdleTimeout::around(IDLE, FirstMessageTimeout::around(FIRST, lines))
}

const IDLE: Duration = Duration::from_secs(20);

const FIRST: Duration = Duration::from_secs(5);

struct Soaked {
    lines: Lines,
}

impl LineHandler for Soaked {
    fn connection_made(&mut self) {
        self.lines.transport().set_output_limit(3 << 20);
    }

    fn line_received(&mut self, line: &[u8]) {
        match line {
            b"standing" => {
                let reactor = self.lines.reactor();
                let standing =
                    format!("{} {} {}", live_bytes(), reactor.connection_count(), reactor.pending_call_count());
                self.lines.send_line(standing);
            }
            b"panic" => panic!("as it was told to"),
            b"pour" => self.lines.transport().write(vec![b'x'; 2 << 20]),
            _ => self.lines.send_line(line),
        }
    }
}
