//! What is measured of each server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use rig::now;

use crate::crowd::{Client, gather, join};
use crate::servers::Server;

/// Members of each small channel.
const SMALL: usize = 10;
/// Lines to each small channel.
const LINES: usize = 10;
/// Lines to the large one.
const LARGE_LINES: usize = 20;
/// Lines that are timed, unless they take longer than [`LONGEST`].
const TIMED: usize = 2_000;
/// Servers may have little time for others beside a flood.
const LONGEST: Duration = Duration::from_secs(5);

/// The values, in the order of [`names`](Self::names).
pub(crate) struct Figures(pub(crate) Vec<f64>);

impl Figures {
    /// What the values are, and in which unit.
    pub(crate) fn names(clients: usize) -> Vec<(String, &'static str)> {
        vec![
            (format!("memory of a client, {clients} connected"), "KiB"),
            ("memory of a client in a channel with all others".into(), "KiB"),
            ("processor time to connect and register a client".into(), "µs"),
            (format!("processor time of a line to a channel of {clients}, each member"), "µs"),
            (format!("time until all {clients} have it"), "ms"),
            (format!("processor time of a line in one of {} channels of {SMALL}, each member", clients / SMALL), "µs"),
            ("a line from one client to another and back, median".into(), "µs"),
            ("99th percentile".into(), "µs"),
            ("median while a third sends as fast as it can".into(), "µs"),
            ("99th percentile then".into(), "µs"),
        ]
    }
}

pub(crate) fn measure(server: &Server, clients: usize) -> io::Result<Figures> {
    let mut figures = Vec::new();
    {
        let running = server.start()?;
        // One-time costs of the first client do not count.
        let mut first = gather(running.port, 1)?.remove(0);
        first.send("NICK first\r\n")?;
        first.expect("NICK")?;
        let (memory, cpu) = (running.resident()?, running.cpu()?);
        let mut crowd = gather(running.port, clients)?;
        let each = |bytes: f64| bytes / 1024.0 / clients as f64;
        figures.push(each(running.resident()? - memory));
        let registered = running.cpu()? - cpu;
        join(&mut crowd, |_| "#all".into())?;
        figures.push(each(running.resident()? - memory));
        figures.push(registered / clients as f64 * 1e6);
        let cpu = running.cpu()?;
        let mut waits = Vec::new();
        for line in 0..LARGE_LINES {
            let begun = now();
            let (speaker, others) = crowd.split_first_mut().ok_or_else(|| io::Error::other("a crowd has clients"))?;
            speaker.send(&format!("PRIVMSG #all :this is line number {line}.\r\n"))?;
            for other in others {
                other.expect(&format!("line number {line}."))?;
            }
            waits.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        figures.push((running.cpu()? - cpu) / (LARGE_LINES * (clients - 1)) as f64 * 1e6);
        waits.sort_by(f64::total_cmp);
        figures.push(waits[waits.len() / 2]);
    }
    {
        let running = server.start()?;
        let mut crowd = gather(running.port, clients)?;
        join(&mut crowd, |number| format!("#channel{}", number / SMALL))?;
        let cpu = running.cpu()?;
        for line in 0..LINES {
            for (number, channel) in crowd.chunks_mut(SMALL).enumerate() {
                channel[0].send(&format!("PRIVMSG #channel{number} :this is line number {line}.\r\n"))?;
            }
            for channel in crowd.chunks_mut(SMALL) {
                for other in &mut channel[1..] {
                    other.expect(&format!("line number {line}."))?;
                }
            }
        }
        figures.push((running.cpu()? - cpu) / (LINES * clients) as f64 * 1e6);
    }
    let running = server.start()?;
    let mut pair = gather(running.port, 3)?;
    let mut flooder = pair.remove(2);
    figures.extend(round_trips(&mut pair)?);
    let stop = Arc::new(AtomicBool::new(false));
    let flood = {
        let (stop, mut sender) = (Arc::clone(&stop), flooder.try_clone()?);
        thread::spawn(move || {
            let lines = "PRIVMSG user2 :flood flood flood flood\r\n".repeat(50);
            while !stop.load(Ordering::Relaxed) && sender.send(&lines).is_ok() {}
        })
    };
    let reader = thread::spawn(move || while flooder.expect("never said").is_ok() {});
    figures.extend(round_trips(&mut pair)?);
    stop.store(true, Ordering::Relaxed);
    drop(running);
    let _ = (flood.join(), reader.join());
    Ok(Figures(figures))
}

/// The median and the 99th percentile of a line there and back, in microseconds.
fn round_trips(pair: &mut [Client]) -> io::Result<[f64; 2]> {
    let [one, other] = pair else { return Err(io::Error::other("a pair is two")) };
    let mut times = Vec::with_capacity(TIMED);
    let end = now() + LONGEST;
    for number in 0..TIMED {
        let begun = now();
        if begun > end {
            break;
        }
        one.send(&format!("PRIVMSG user1 :there {number}.\r\n"))?;
        other.expect(&format!("there {number}."))?;
        other.send(&format!("PRIVMSG user0 :back {number}.\r\n"))?;
        one.expect(&format!("back {number}."))?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok([times[times.len() / 2], times[times.len() * 99 / 100]])
}
