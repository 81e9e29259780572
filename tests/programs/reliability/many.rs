//! Many connections: held, one after another, reset, panicking.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io, thread};

use rig::faulty::Fault;
use rig::{now, peer};

use crate::Figure;
use crate::checks::{server, settled, source};
use crate::load::since;

/// R1: idle connections, then a line on each.
pub(crate) fn held(connections: usize) -> io::Result<Vec<Figure>> {
    let connections = connections.min(rig::open_files() - 300);
    let server = server("echo", &[]);
    // One-time costs of the first connection do not count.
    let first = peer::connect(server.address());
    peer::round_trip(&first, b"first");
    let before = server.resident();
    let kernel_before = socket_memory();
    let connect = |number| peer::connect_from(source(number), server.address());
    let streams = (0..connections).map(connect).collect::<io::Result<Vec<_>>>()?;
    peer::round_trip(&first, b"and last");
    let held = server.resident();
    let kernel = socket_memory().zip(kernel_before).map(|(after, before)| after.saturating_sub(before));
    let begun = now();
    for mut stream in &streams {
        stream.write_all(b"a line\n")?;
    }
    for mut stream in &streams {
        let mut line = [0; 7];
        stream.read_exact(&mut line)?;
    }
    let answered = since(begun);
    let after = server.resident();
    let each = |resident: usize| resident.saturating_sub(before) as f64 / connections as f64;
    let mut figures = vec![
        Figure::told("connections held", connections as f64),
        Figure::at_most(1500.0, "bytes resident for an idle connection", each(held)),
        Figure::at_most(1500.0, "bytes resident for one that was used", each(after)),
        Figure::at_most(5.0, "seconds until each was answered a line", answered),
    ];
    if let Some(kernel) = kernel {
        // Both ends are on this machine.
        let each = kernel as f64 / (2 * connections) as f64;
        figures.push(Figure::told("bytes of the kernel's memory for an end of an idle connection", each));
    }
    Ok(figures)
}

/// The bytes of all objects that the kernel keeps for sockets, in total; only root may know. Buffers are not among them:
/// what is idle has none.
fn socket_memory() -> Option<u64> {
    const CACHES: [&str; 7] =
        ["TCP", "TCPv6", "sock_inode_cache", "filp", "eventpoll_epi", "ep_head", "lsm_file_cache"];
    let slabs = fs::read_to_string("/proc/slabinfo").ok()?;
    let bytes = slabs.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
        CACHES.contains(fields.first()?).then(|| Some(number(1)? * number(3)?))?
    });
    Some(bytes.sum())
}

/// R4: connections one after another, on four threads.
pub(crate) fn churn(connections: usize) -> io::Result<Vec<Figure>> {
    let server = server("faulty", &[]);
    peer::round_trip(&peer::connect(server.address()), b"first");
    let watch = peer::connect(server.address());
    peer::round_trip(&watch, b"watch");
    let before = server.descriptors();
    let mut early = None;
    let errors = AtomicU64::new(0);
    let begun = now();
    for part in 0..10 {
        thread::scope(|scope| {
            for worker in 0..4 {
                let (errors, address) = (&errors, server.address());
                scope.spawn(move || {
                    for number in (0..connections / 10).filter(|number| number % 4 == worker) {
                        let done = churn_once(source(number), address, number % 2 == 0);
                        errors.fetch_add(u64::from(done.is_err()), Ordering::Relaxed);
                    }
                });
            }
        });
        if part == 1 {
            early = Some(server.resident());
        }
    }
    let elapsed = since(begun);
    let late = server.resident();
    let left = settled(&server, &watch, before);
    drop(watch);
    let ended = server.stop();
    let grown = late.saturating_sub(early.unwrap_or_default());
    Ok(vec![
        Figure::told("connections a second", connections as f64 / elapsed),
        Figure::at_most(0.0, "errors", errors.into_inner() as f64),
        Figure::at_most(0.0, "descriptors more than at the start", left as f64),
        Figure::at_most(
            0.0,
            "connections never told of their end",
            ended.count("built").abs_diff(ended.count("lost")) as f64,
        ),
        Figure::at_most(1024.0, "KiB that memory has grown between a fifth and the end", grown as f64 / 1024.0),
    ])
}

fn churn_once(source: IpAddr, address: SocketAddr, with_reset: bool) -> io::Result<()> {
    let mut stream = peer::connect_from(source, address)?;
    stream.write_all(&[b'x'; 64])?;
    stream.read_exact(&mut [0; 64])?;
    if with_reset {
        peer::reset(stream);
    }
    Ok(())
}

/// R15: peers that reset: before they are accepted, after writing, and after the answer.
pub(crate) fn resets(connections: usize) -> io::Result<Vec<Figure>> {
    let server = server("faulty", &[]);
    let watch = peer::connect(server.address());
    peer::round_trip(&watch, b"first");
    let before = server.descriptors();
    let begun = now();
    for number in 0..connections {
        let mut stream = peer::connect_from(source(number), server.address())?;
        if number % 3 > 0 {
            stream.write_all(b"hello")?;
        }
        if number % 3 > 1 {
            stream.read_exact(&mut [0; 5])?;
        }
        peer::reset(stream);
    }
    let elapsed = since(begun);
    let left = settled(&server, &watch, before);
    drop(watch);
    let ended = server.stop();
    Ok(vec![
        Figure::told("resets a second", connections as f64 / elapsed),
        Figure::at_most(0.0, "descriptors more than at the start", left as f64),
        Figure::exactly(ended.count("built"), "connections told of their end", ended.count("lost")),
        Figure::at_most(0.0, "callbacks out of order", ended.count("wrong") as f64),
        Figure::at_most(0.0, "panics", ended.errors.iter().filter(|line| line.contains("panic")).count() as f64),
    ])
}

/// R16: panics in each callback, among 1,000 healthy connections.
pub(crate) fn panics(panics: usize) -> io::Result<Vec<Figure>> {
    let server = server("faulty", &[]);
    let healthy: Vec<_> = (0..1000).map(|_| peer::connect(server.address())).collect();
    healthy.iter().for_each(|stream| peer::round_trip(stream, b"first"));
    // The first panic makes the system load its messages.
    provoke(Fault::Data, server.address())?;
    let before = server.descriptors();
    let resident = server.resident();
    for number in 0..panics {
        provoke(Fault::IN_CALLBACKS[number % 8], server.address())?;
        peer::round_trip(&healthy[number % healthy.len()], b"still well?");
    }
    healthy.iter().for_each(|stream| peer::round_trip(stream, b"and now?"));
    let left = settled(&server, &healthy[0], before);
    let grown = server.resident().saturating_sub(resident);
    drop(healthy);
    let ended = server.stop();
    // In `connection_lost` the reason is already known when the panic comes.
    let told = (0..panics).filter(|number| Fault::IN_CALLBACKS[number % 8] != Fault::Lost).count();
    let (told, panics) = (told + 1, panics + 1);
    Ok(vec![
        Figure::exactly(told as u64, "connections that ended with their panic's message", ended.count("panicked")),
        Figure::exactly(panics as u64 + 1000, "connections told of their end", ended.count("lost")),
        Figure::exactly(panics as u64 + 1000, "protocols dropped", ended.count("dropped")),
        Figure::at_most(0.0, "callbacks behind a panic", ended.count("wrong") as f64),
        Figure::at_most(0.0, "descriptors more than at the start", left as f64),
        Figure::at_most(1024.0, "KiB that memory has grown", grown as f64 / 1024.0),
    ])
}

/// Makes a connection panic, and waits for its end.
fn provoke(fault: Fault, address: SocketAddr) -> io::Result<()> {
    let mut stream = match peer::connect_from(fault.source(), address) {
        // A connection that panics when it is made may be gone by now.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
        connected => connected?,
    };
    let _ = stream.write_all(b"x");
    if matches!(fault, Fault::Eof | Fault::Lost) {
        let _ = stream.shutdown(Shutdown::Write);
    }
    peer::read_to_end(&stream);
    Ok(())
}
