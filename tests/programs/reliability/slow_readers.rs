//! Many peers at once that do not read.

use std::io;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rig::{now, peer};
use socket2::SockRef;

use crate::Figure;
use crate::checks::{server, source};
use crate::load::{Latencies, wait};

/// R9: this many peers that are sent more and more and never read, with a memory budget of 256 MiB. Peers that
/// are cut off reconnect.
pub(crate) fn slow_readers(readers: usize) -> io::Result<Vec<Figure>> {
    let server = server("flood", &[&format!("memory={BUDGET}")]);
    let honest = peer::connect(server.address());
    peer::round_trip(&honest, b"first");
    let before = server.resident();
    let mut slow = Vec::new();
    for number in 0..readers {
        slow.push(slow_reader(number, server.address())?);
    }
    let begun = now();
    let mut latencies = Latencies::default();
    let (mut grown, mut cut_off) = (0, 0);
    let mut turns = (0..readers).cycle();
    while begun.elapsed() < Duration::from_secs(20) {
        latencies.round_trip(&honest);
        grown = grown.max(server.resident().saturating_sub(before));
        for number in turns.by_ref().take(readers / 20) {
            if SockRef::from(&slow[number]).take_error()?.is_some() {
                cut_off += 1;
                slow[number] = slow_reader(number, server.address())?;
            }
        }
        wait(Duration::from_millis(5));
    }
    drop(slow);
    let ended = server.stop();
    Ok(vec![
        Figure::told("of them cut off, and replaced", f64::from(cut_off)),
        Figure::at_most((BUDGET + 64) as f64, "MiB that memory has grown", grown as f64 / f64::from(1 << 20)),
        Figure::at_most(10.0, "lines logged", ended.errors.len() as f64),
        Figure::told("answers for an honest client meanwhile", latencies.count() as f64),
        Figure::told("ms, p99, until it had them", latencies.p99()),
    ])
}

fn slow_reader(number: usize, server: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = peer::connect_narrow(source(number), server)?;
    stream.write_all(b"trickle")?;
    Ok(stream)
}

/// In MiB.
const BUDGET: usize = 256;
