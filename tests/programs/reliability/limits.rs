//! Behaviour at the limits of descriptors, memory, threads and turns.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use rig::peer::End;
use rig::{now, peer};

use crate::Figure;
use crate::checks::{server, source};
use crate::load::{Latencies, since, wait};

/// R5: more clients than the 64 descriptors allow, which are refused by the budget.
pub(crate) fn budget(clients: usize) -> io::Result<Vec<Figure>> {
    too_many(clients, &["nofile=64"])
}

/// R5: the same without a budget, down to the last descriptor.
pub(crate) fn descriptors(clients: usize) -> io::Result<Vec<Figure>> {
    too_many(clients, &["nofile=64", "budget=1000000"])
}

fn too_many(clients: usize, options: &[&str]) -> io::Result<Vec<Figure>> {
    let server = server("echo", options);
    let existing = peer::connect(server.address());
    peer::round_trip(&existing, b"first");

    let mut served = Vec::new();
    let mut turned_away = 0_u64;
    let mut slowest = Duration::ZERO;
    let mut turn_away = |served: &mut Vec<TcpStream>| -> io::Result<()> {
        let begun = now();
        let mut stream = peer::connect(server.address());
        let closed = match stream.write_all(b"hi").and_then(|()| stream.read(&mut [0; 2])) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => true,
            Err(error) => return Err(error),
        };
        if closed {
            turned_away += 1;
            slowest = slowest.max(begun.elapsed());
        } else {
            served.push(stream);
        }
        Ok(())
    };
    for _ in 0..clients {
        turn_away(&mut served)?;
    }
    let full = served.len();
    let (user, system) = server.cpu();
    let begun = now();
    let mut latencies = Latencies::default();
    while begun.elapsed() < Duration::from_secs(3) {
        latencies.round_trip(&existing);
        turn_away(&mut served)?;
        wait(Duration::from_millis(20));
    }
    let (user_after, system_after) = server.cpu();
    let cpu = (user_after - user + system_after - system) / since(begun);

    let newcomers = served.len() - full;
    let begun = now();
    drop(served);
    loop {
        let mut stream = peer::connect(server.address());
        if stream.write_all(b"hi").and_then(|()| stream.read_exact(&mut [0; 2])).is_ok() {
            break;
        }
        turned_away += 1;
    }
    let again = since(begun);
    drop(existing);
    let ended = server.stop();
    Ok(vec![
        Figure::told("connections served at the limit", (full + 1) as f64),
        Figure::at_most(0.0, "served beyond it", newcomers as f64),
        Figure::at_most(5.0, "per cent of a processor while full", cpu * 100.0),
        Figure::at_most(50.0, "ms, p99, for an existing connection", latencies.p99()),
        Figure::at_most(100.0, "ms until a client beyond the limit is closed, at most", slowest.as_secs_f64() * 1000.0),
        Figure::at_most(1.0, "seconds until service after the release", again),
        Figure::at_most(10.0, "lines logged", ended.errors.len() as f64),
        Figure::exactly(turned_away, "clients counted as refused", ended.count("refused")),
    ])
}

/// R8: a peer that sends this many MiB and never reads.
pub(crate) fn slow_reader(mebibytes: usize) -> io::Result<Vec<Figure>> {
    let server = server("echo", &[]);
    let honest = peer::connect(server.address());
    let begun = now();
    while begun.elapsed() < Duration::from_millis(200) {
        peer::round_trip(&honest, &[b'x'; 60_000]);
    }
    let before = server.resident();
    let mut greedy = peer::connect(server.address());
    greedy.set_nonblocking(true)?;
    let chunk = vec![b'x'; 64 * 1024];
    let mut sent = 0;
    let mut grown = 0;
    let mut latencies = Latencies::default();
    let mut last_progress = now();
    while sent < mebibytes << 20 && last_progress.elapsed() < Duration::from_secs(3) {
        match greedy.write(&chunk) {
            Ok(n) => {
                sent += n;
                last_progress = now();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(Duration::from_millis(1)),
            Err(error) => return Err(error),
        }
        latencies.round_trip(&honest);
        grown = grown.max(server.resident().saturating_sub(before));
    }
    // The stream ends after unread bytes: a poller reports that again and again if it is not handled.
    greedy.shutdown(Shutdown::Write)?;
    let ((user, system), begun) = (server.cpu(), now());
    wait(Duration::from_secs(1));
    let (user_after, system_after) = server.cpu();
    let cpu = (user_after - user + system_after - system) / since(begun);
    Ok(vec![
        Figure::told("MiB taken from the peer, most of them by the system", sent as f64 / f64::from(1 << 20)),
        Figure::at_most(2112.0, "KiB that memory has grown", grown as f64 / 1024.0),
        Figure::at_most(20.0, "ms, p99, for another client", latencies.p99()),
        Figure::at_most(5.0, "per cent of a processor while it is stuck", cpu * 100.0),
    ])
}

/// R10: protocols that write 10 MiB per call to a peer that does not read.
pub(crate) fn unbounded_writer(times: usize) -> io::Result<Vec<Figure>> {
    let server = server("flood", &[]);
    let honest = peer::connect(server.address());
    peer::round_trip(&honest, b"first");
    let before = server.resident();
    let mut grown = 0;
    let mut cut_off = 0;
    let mut latencies = Latencies::default();
    for _ in 0..times {
        let mut victim = peer::connect(server.address());
        victim.write_all(b"flood")?;
        for _ in 0..200 {
            latencies.round_trip(&honest);
            grown = grown.max(server.resident().saturating_sub(before));
        }
        let (_, end) = peer::read_to_end(&victim);
        cut_off += u64::from(end == End::Reset);
    }
    let resident = server.resident().saturating_sub(before);
    let ended = server.stop();
    Ok(vec![
        Figure::exactly(times as u64, "writers ended by the output limit", ended.count("overflows")),
        Figure::exactly(times as u64, "peers that saw a reset", cut_off),
        Figure::at_most(48.0, "MiB that memory has grown meanwhile", grown as f64 / f64::from(1 << 20)),
        Figure::told("MiB that the allocator of the system has kept", resident as f64 / f64::from(1 << 20)),
        Figure::told("ms, p99, for another client", latencies.p99()),
    ])
}

/// R11: clients that send one byte of their first line every ten seconds.
pub(crate) fn slowloris(clients: usize) -> io::Result<Vec<Figure>> {
    let server = server("questions", &[]);
    let honest = peer::connect(server.address());
    peer::round_trip(&honest, b"first?");
    let mut slow = Vec::new();
    for number in 0..clients {
        slow.push(peer::connect_from(source(number), server.address())?);
    }
    let begun = now();
    let mut latencies = Latencies::default();
    for number in 0..350 {
        if number % 100 == 0 {
            // Writing to a closed connection fails.
            slow.iter_mut().for_each(|stream| drop(stream.write(b"x")));
        }
        latencies.round_trip(&honest);
        wait(Duration::from_millis(100 * (number + 1)).saturating_sub(begun.elapsed()));
    }
    let mut open = 0;
    for stream in &mut slow {
        stream.set_nonblocking(true)?;
        let answer = stream.read(&mut [0]);
        open += u32::from(answer.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock));
    }
    Ok(vec![
        Figure::told("seconds", since(begun)),
        Figure::at_most(0.0, "of them still open after 35 s", open.into()),
        Figure::at_most(20.0, "ms, p99, for an honest client", latencies.p99()),
    ])
}

/// R28: more jobs than the threads can handle.
pub(crate) fn threads(seconds: usize) -> io::Result<Vec<Figure>> {
    let server = server("jobs", &[]);
    let stream = peer::connect(server.address());
    peer::round_trip(&stream, b"first");
    let mut asking = peer::connect(server.address());
    asking.write_all(b"jobs")?;
    let mut refused = vec![0; 10_000 - 1032];
    asking.read_exact(&mut refused)?;
    let wrong = refused.iter().filter(|answer| **answer != b'-').count();
    let latencies = Latencies::paced(&stream, Duration::from_millis(1), Duration::from_secs(seconds as u64));
    server.terminate();
    // Running jobs are not waited for; the connection that waits for them is closed.
    drop((stream, asking));
    let begun = now();
    let ended = server.wait();
    Ok(vec![
        Figure::at_most(0.0, "refused jobs without an error at once", wrong as f64),
        Figure::at_most(20.0, "ms, p99, of an echo meanwhile", latencies.p99()),
        Figure::at_most(0.5, "seconds to stop with jobs waiting", since(begun)),
        Figure::exactly(0, "exit status", ended.status.code().unwrap_or(-1).unsigned_abs().into()),
    ])
}

/// R30: light connections beside one that sends and reads as fast as it can.
pub(crate) fn fairness(light: usize) -> io::Result<Vec<Figure>> {
    let server = server("echo", &[]);
    let streams: Vec<_> = (0..light).map(|_| peer::connect(server.address())).collect();
    let firehose = peer::connect(server.address());
    let done = AtomicBool::new(false);
    let (mut slow, mut fast) = (Latencies::default(), Latencies::default());
    let (flooded, elapsed) = thread::scope(|scope| -> io::Result<_> {
        let writer = scope.spawn(|| {
            let chunk = vec![b'x'; 256 * 1024];
            while !done.load(Ordering::Relaxed) {
                (&firehose).write_all(&chunk)?;
            }
            firehose.shutdown(Shutdown::Write)
        });
        let reader = scope.spawn(|| io::copy(&mut &firehose, &mut io::sink()));
        let begun = now();
        for stream in streams.iter().cycle() {
            slow.round_trip(stream);
            if begun.elapsed() > Duration::from_secs(3) {
                break;
            }
        }
        let elapsed = since(begun);
        done.store(true, Ordering::Relaxed);
        writer.join().expect("the load does not panic")?;
        Ok((reader.join().expect("the load does not panic")?, elapsed))
    })?;
    for stream in &streams {
        fast.round_trip(stream);
    }
    Ok(vec![
        Figure::told("MiB a second through the firehose", flooded as f64 / elapsed / f64::from(1 << 20)),
        Figure::told("round trips of the light ones", slow.count() as f64),
        Figure::at_most(20.0, "ms, p99, of the light ones", slow.p99()),
        Figure::told("ms, p99, without the firehose", fast.p99()),
    ])
}
