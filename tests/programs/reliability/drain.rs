//! Stopping under load.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use rig::{now, peer};

use crate::Figure;
use crate::checks::{error, server};
use crate::load::{since, wait};

/// R22: SIGTERM while 500 connections send frames that are acknowledged; a second SIGTERM while a peer does not read.
pub(crate) fn drain(times: usize) -> io::Result<Vec<Figure>> {
    let mut lost = 0;
    let mut slowest = 0.0_f64;
    let mut longest = 0.0_f64;
    let mut at_once = 0.0_f64;
    let mut unclean = 0;
    let mut failures = 0;
    for _ in 0..times {
        let server = server("acks", &[]);
        let streams: Vec<_> = (0..500).map(|_| peer::connect(server.address())).collect();
        let stopping = AtomicBool::new(false);
        let mut told = now();
        let received: Vec<_> = thread::scope(|scope| {
            let chunks: Vec<_> =
                streams.chunks(125).map(|streams| scope.spawn(|| acknowledged(streams, &stopping))).collect();
            wait(Duration::from_millis(300));
            server.terminate();
            told = now();
            stopping.store(true, Ordering::Relaxed);
            chunks.into_iter().flat_map(|chunk| chunk.join().expect("the load does not panic")).collect()
        });
        let last_finisher = now();
        let addresses: Vec<_> = streams.iter().filter_map(|stream| stream.local_addr().ok()).collect();
        drop(streams);
        let ended = server.wait();
        slowest = slowest.max(since(last_finisher));
        longest = longest.max(since(told));
        failures += u64::from(!ended.status.success());
        for (address, received) in addresses.iter().zip(received) {
            let wanted = format!("acknowledged {address} ");
            let line = ended.output.iter().find_map(|line| line.strip_prefix(&wanted));
            let Some((frames, clean)) = line.and_then(|line| line.split_once(' ')) else {
                return Err(error("a connection was not told of its end"));
            };
            lost += frames.parse::<usize>().map_err(io::Error::other)?.abs_diff(received);
            unclean += u64::from(clean != "true");
        }
        at_once = at_once.max(second_signal()?);
    }
    Ok(vec![
        Figure::at_most(0.0, "acknowledgements lost", lost as f64),
        Figure::at_most(0.0, "connections not closed in order", unclean as f64),
        Figure::at_most(0.0, "exits with a failure", failures as f64),
        Figure::at_most(0.5, "seconds to the exit behind the last connection, at most", slowest),
        Figure::at_most(8.0, "seconds to the exit behind the signal, at most", longest),
        Figure::at_most(0.5, "seconds to the exit behind a second signal, at most", at_once),
    ])
}

/// The seconds that a server waiting for a peer takes to end after a second signal.
fn second_signal() -> io::Result<f64> {
    let server = server("flood", &[]);
    let idle = peer::connect(server.address());
    peer::round_trip(&idle, b"hello");
    let mut reader = peer::connect(server.address());
    reader.write_all(b"pour")?;
    reader.read_exact(&mut [0])?;
    server.terminate();
    // When this connection ends, the first signal has arrived: two at once would count as one.
    peer::read_to_end(&idle);
    server.terminate();
    let told = now();
    let ended = server.wait();
    if !ended.status.success() || !ended.errors.iter().any(|line| line.contains("cut off: ")) {
        return Err(error("the server has not ended by the second signal"));
    }
    Ok(since(told))
}

/// Sends frames on all connections, and counts the acknowledgements on each until its end.
fn acknowledged(streams: &[TcpStream], stopping: &AtomicBool) -> Vec<usize> {
    let mut counts = vec![0; streams.len()];
    let mut buffer = [0; 4096];
    while !stopping.load(Ordering::Relaxed) {
        for (mut stream, count) in streams.iter().zip(&mut counts) {
            // A peer that has closed is noticed when its output has been read.
            let _ = stream.write_all(b"a frame\nanother\n");
            *count += stream.read(&mut buffer).unwrap_or_default();
        }
    }
    for (mut stream, count) in streams.iter().zip(&mut counts) {
        let _ = stream.write_all(b"one more\n");
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            *count += n;
        }
    }
    counts
}
