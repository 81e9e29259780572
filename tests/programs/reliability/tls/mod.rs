//! TLS beside an echo loop on `tokio-rustls` with the same cryptography, settings and certificate.

mod load;
pub(crate) mod serve;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Figure;
use crate::checks::server;
use crate::cost::{Cost, exchange};
use crate::tls::load::Load;

/// Our server, and the loop that it is compared with.
const KINDS: [&str; 2] = ["tls-echo", "tokio-tls-echo"];

/// Processor time per message of 64 bytes, one at a time on each of 64 connections.
pub(crate) fn echo(rounds: usize) -> io::Result<Vec<Figure>> {
    compare("message", 1.1, 100_000, rounds, |address| {
        let load = Load::resuming(address)?;
        let mut streams = load.connect(64)?;
        Ok(move |messages| load.exchange(&mut streams, messages))
    })
}

/// Processor time per MiB that is echoed, on four connections that read and write as fast as they can.
pub(crate) fn bulk(rounds: usize) -> io::Result<Vec<Figure>> {
    compare("MiB", 1.1, 600, rounds, |address| {
        let load = Load::resuming(address)?;
        let mut streams = load.connect(4)?;
        Ok(move |mebibytes| load.pour(&mut streams, mebibytes))
    })
}

/// Processor time per connection with a handshake, a byte there and back, and an end in order.
pub(crate) fn handshakes(rounds: usize) -> io::Result<Vec<Figure>> {
    let mut figures = compare("full handshake", 1.1, 2_000, rounds, |address| {
        let load = Load::anew(address)?;
        Ok(move |handshakes| load.greet(handshakes))
    })?;
    figures.extend(compare("resumed handshake", 1.1, 2_000, rounds, |address| {
        let load = Load::resuming(address)?;
        Ok(move |handshakes| load.greet(handshakes))
    })?);
    Ok(figures)
}

/// Memory of idle connections: what the server's own allocations hold, and what is resident.
pub(crate) fn held(connections: usize) -> io::Result<Vec<Figure>> {
    let [ours, tokios] = KINDS.map(|kind| held_by(kind, connections));
    let ([ours, ours_resident], [tokios, tokios_resident]) = (ours?, tokios?);
    Ok(vec![
        Figure::at_most(9_000.0, "live bytes for an idle connection", ours),
        Figure::told("live bytes for an idle connection, tokio-rustls without its loop's buffer", tokios),
        Figure::at_most(1.0, "of tokio-rustls's", ours / tokios),
        Figure::told("bytes resident for an idle connection", ours_resident),
        Figure::told("bytes resident for an idle connection, tokio-rustls with its loop's buffer", tokios_resident),
    ])
}

fn held_by(kind: &str, connections: usize) -> io::Result<[f64; 2]> {
    let server = server(kind, &[]);
    let load = Load::anew(server.address())?;
    let mut watch = load.connect(1)?;
    // One-time costs of the first connections do not count.
    drop(load.connect(50)?);
    let before = (load.live_bytes(&mut watch[0])?, server.resident());
    let streams = load.connect(connections)?;
    let after = (load.live_bytes(&mut watch[0])?, server.resident());
    drop(streams);
    let buffer = if kind == "tls-echo" { 0.0 } else { serve::BUFFER as f64 };
    let each = |before: f64, after: f64| (after - before) / connections as f64;
    Ok([each(before.0, after.0) - buffer, each(before.1 as f64, after.1 as f64)])
}

/// Round trips on one connection, beside 2,000 full handshakes a second on others.
pub(crate) fn latency(seconds: usize) -> io::Result<Vec<Figure>> {
    let time = Duration::from_secs(seconds as u64);
    let [ours, tokios] = KINDS.map(|kind| {
        let server = server(kind, &[]);
        Load::anew(server.address())?.probe(2_000, time)
    });
    let ((ours, handshakes), (tokios, tokios_handshakes)) = (ours?, tokios?);
    Ok(vec![
        Figure::told("handshakes a second meanwhile", handshakes),
        Figure::at_most(20.0, "ms, p99, for another connection", ours.p99()),
        Figure::told("handshakes a second meanwhile, tokio-rustls", tokios_handshakes),
        Figure::told("ms, p99, for another connection, tokio-rustls", tokios.p99()),
    ])
}

/// New certificates while connections are made and used.
pub(crate) fn reload(reloads: usize) -> io::Result<Vec<Figure>> {
    let server = server("tls-echo", &[]);
    let load = Load::anew(server.address())?;
    let outcome = load.reload(reloads)?;
    Ok(vec![
        Figure::told("reloads", reloads as f64),
        Figure::told("handshakes meanwhile", outcome.handshakes as f64),
        Figure::told("messages meanwhile", outcome.messages as f64),
        Figure::at_most(0.0, "connections that failed, and answers lost", outcome.lost as f64),
        Figure::at_most(0.0, "connections behind a reload with the certificate from before", outcome.stale as f64),
    ])
}

/// Both servers under the same load, in turns.
fn compare<L: FnMut(usize) -> io::Result<Duration>>(
    what: &str,
    gate: f64,
    count: usize,
    rounds: usize,
    load: impl Fn(SocketAddr) -> io::Result<L>,
) -> io::Result<Vec<Figure>> {
    let [ours, tokios]: [Cost; 2] = exchange(KINDS, count, rounds, load)?;
    Ok(vec![
        Figure::told(format!("us a {what}"), ours.all),
        Figure::told(format!("us a {what}, tokio-rustls"), tokios.all),
        Figure::at_most(gate, format!("of tokio-rustls's, a {what}"), ours.all / tokios.all),
        Figure::told(format!("us a {what} in user mode"), ours.user),
        Figure::told(format!("us a {what} in user mode, tokio-rustls"), tokios.user),
        Figure::told(format!("{what}s a second of the server's processor"), 1e6 / ours.all),
        Figure::told(format!("{what}s a second of the server's processor, tokio-rustls"), 1e6 / tokios.all),
    ])
}
