//! The cost of a message: allocations and processor time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rig::{allocations, steady};

use crate::Figure;
use crate::checks::{error, server};
use crate::load::PingPong;
use crate::volleys::Volleys;

/// R36: allocations of the server's thread per message, after a warm-up.
pub(crate) fn allocations_a_message(messages: usize) -> io::Result<Vec<Figure>> {
    if allocations::allocations() == 0 {
        return Err(error("the allocator does not count"));
    }
    let messages = messages as u64;
    let echo = steady::echoing(messages);
    let lines = steady::echoing_lines(messages);
    let strings = steady::echoing_strings(messages);
    let forward = steady::forwarding(messages);
    Ok(vec![
        Figure::at_most(0.0, format!("allocations for {messages} echoed messages"), echo as f64),
        Figure::at_most(0.0, format!("allocations for {messages} echoed lines"), lines as f64),
        Figure::at_most(0.0, format!("allocations for {messages} echoed strings"), strings as f64),
        Figure::at_most(0.0, format!("allocations for {messages} forwarded messages"), forward as f64),
    ])
}

/// Processor time per message, with 64 connections and 64 bytes each, compared with Tokio's own loop in the same run.
pub(crate) fn processor_time(rounds: usize) -> io::Result<Vec<Figure>> {
    beside_tokio("message", 1.15, ["echo", "tokio"], rounds, |address| {
        let mut load = PingPong::new(address, 64, vec![b'x'; 64])?;
        Ok(move |messages| load.exchange(messages))
    })
}

/// Processor time per datagram of 64 bytes, 8 of them in flight on each of 8 sockets, compared likewise.
pub(crate) fn datagrams(rounds: usize) -> io::Result<Vec<Figure>> {
    let mut figures = beside_tokio("datagram", 0.95, ["datagrams", "tokio-datagrams"], rounds, |address| {
        let mut load = Volleys::new(address, 8, 8, 64)?;
        Ok(move |datagrams| load.exchange(datagrams))
    })?;
    let allocated = steady::echoing_datagrams(Ipv4Addr::LOCALHOST.into(), 20_000);
    figures.push(Figure::at_most(0.0, "allocations for 20000 echoed datagrams", allocated as f64));
    Ok(figures)
}

/// Our server and Tokio's loop, of these kinds, under the same load.
fn beside_tokio<L: FnMut(usize) -> io::Result<Duration>>(
    what: &str,
    gate: f64,
    kinds: [&str; 2],
    rounds: usize,
    load: impl Fn(SocketAddr) -> io::Result<L>,
) -> io::Result<Vec<Figure>> {
    let [ours, tokios] = exchange(kinds, 150_000, rounds, load)?;
    Ok(vec![
        Figure::told(format!("us a {what}"), ours.all),
        Figure::told(format!("us a {what}, Tokio's loop"), tokios.all),
        Figure::at_most(gate, "of Tokio's", ours.all / tokios.all),
        Figure::told(format!("us a {what} in user mode"), ours.user),
        Figure::told(format!("us a {what} in user mode, Tokio's loop"), tokios.user),
        Figure::told(format!("{what}s a second"), ours.rate),
        Figure::told(format!("{what}s a second, Tokio's loop"), tokios.rate),
    ])
}

/// Processor time per line of 32 bytes, compared with `Framed` and `LinesCodec`.
pub(crate) fn processor_time_of_lines(rounds: usize) -> io::Result<Vec<Figure>> {
    beside_framed("line", ["lines", "framed-lines", "forwarded-lines"], b"abcdefghijklmnopqrstuvwxyz012345\n", rounds)
}

/// Processor time per string of 32 bytes with a length of four bytes, compared with `Framed` and
/// `LengthDelimitedCodec`.
pub(crate) fn processor_time_of_strings(rounds: usize) -> io::Result<Vec<Figure>> {
    let string = b"\0\0\0\x20abcdefghijklmnopqrstuvwxyz012345";
    beside_framed("string", ["strings", "framed-strings", "forwarded-strings"], string, rounds)
}

/// Our server, one that sends each answer at once, and one that sends answers when there is nothing to read: 16
/// connections, with 64 messages at a time on each.
fn beside_framed(what: &str, kinds: [&str; 3], message: &[u8], rounds: usize) -> io::Result<Vec<Figure>> {
    let [ours, sent, forwarded] = exchange(kinds, 2_000_000, rounds, |address| {
        let mut load = PingPong::new(address, 16, message.repeat(64))?;
        Ok(move |messages| load.exchange(messages / 64))
    })?;
    Ok(vec![
        Figure::told(format!("us a {what}"), ours.all),
        Figure::told(format!("us a {what}, Framed that sends each"), sent.all),
        Figure::told(format!("us a {what}, Framed that forwards"), forwarded.all),
        Figure::at_most(0.5, "of Framed that sends each", ours.all / sent.all),
        Figure::at_most(1.0, "of Framed that forwards", ours.all / forwarded.all),
        Figure::told(format!("us a {what} in user mode"), ours.user),
        Figure::told(format!("us a {what} in user mode, Framed that forwards"), forwarded.user),
        Figure::told(format!("{what}s a second"), ours.rate),
        Figure::told(format!("{what}s a second, Framed that forwards"), forwarded.rate),
    ])
}

/// The cost of a message for one server: microseconds of processor time, and messages per second.
pub(crate) struct Cost {
    pub(crate) all: f64,
    pub(crate) user: f64,
    rate: f64,
}

/// Makes the servers answer this many messages each in turns, under the same load, and takes the medians.
pub(crate) fn exchange<const N: usize, L: FnMut(usize) -> io::Result<Duration>>(
    kinds: [&str; N],
    messages: usize,
    rounds: usize,
    load: impl Fn(SocketAddr) -> io::Result<L>,
) -> io::Result<[Cost; N]> {
    let mut sides = Vec::new();
    for kind in kinds {
        let server = server(kind, &[]);
        let mut load = load(server.address())?;
        load(messages / 10)?;
        sides.push((server, load, Vec::new()));
    }
    for _ in 0..rounds {
        for (server, load, costs) in &mut sides {
            let (user_before, system_before) = server.cpu();
            let elapsed = load(messages)?;
            let (user_after, system_after) = server.cpu();
            let user = user_after - user_before;
            let microseconds = |seconds: f64| seconds * 1e6 / messages as f64;
            costs.push(Cost {
                all: microseconds(user + system_after - system_before),
                user: microseconds(user),
                rate: messages as f64 / elapsed.as_secs_f64(),
            });
        }
    }
    let mut sides = sides.into_iter();
    Ok(kinds.map(|_| {
        let costs = sides.next().map(|(_, _, costs)| costs).unwrap_or_default();
        let median = |part: fn(&Cost) -> f64| median(costs.iter().map(part).collect());
        Cost { all: median(|cost| cost.all), user: median(|cost| cost.user), rate: median(|cost| cost.rate) }
    }))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
