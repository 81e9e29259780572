//! Connections on several threads: how evenly they are spread, and what that costs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use reactor::net::ListenOptions;
use reactor::{Protocol, Transport, run_on_threads};
use rig::{now, peer};

use crate::Figure;
use crate::checks::server;
use crate::cost::exchange;
use crate::load::load;
use crate::serve::{options, say_ready};

/// The numbers of long connections that are spread, few and many.
const CONNECTIONS: [usize; 4] = [3, 8, 64, 1000];

/// How many more connections than its even share a thread has at most, of two and of four threads; and the processor time of a
/// short connection on two threads, beside one of a single thread and one of sockets with `SO_REUSEPORT`.
pub(crate) fn spread(rounds: usize) -> io::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for threads in [2, 4] {
        for connections in CONNECTIONS {
            let mut most = 0;
            for _ in 0..10 {
                for at_once in [false, true] {
                    most = most.max(beyond_even(threads, connections, at_once)?);
                }
            }
            let what = format!("more than an even share of {connections} connections on any of {threads} threads");
            figures.push(Figure::at_most(1.0, what, most as f64));
        }
    }
    let [spread, one, reuse] = exchange(["spread", "echo", "reuse-port"], 20_000, rounds, |address| {
        Ok(move |connections| four_at_a_time(address, connections))
    })?;
    figures.push(Figure::told("us a connection on two threads", spread.all));
    figures.push(Figure::told("us a connection on one thread", one.all));
    figures.push(Figure::told("us a connection on two threads with SO_REUSEPORT", reuse.all));
    figures.push(Figure::at_most(1.3, "of one thread's", spread.all / one.all));
    Ok(figures)
}

/// Connects one after another, or all at once, and asks each connection for the number of its thread.
fn beyond_even(threads: usize, connections: usize, at_once: bool) -> io::Result<usize> {
    let server = server("spread", &[&format!("threads={threads}")]);
    let mut counts = vec![0; threads];
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = peer::try_connect(server.address())?;
        if !at_once {
            counts[number_of_thread(&stream)?] += 1;
        }
        streams.push(stream);
    }
    if at_once {
        for stream in &streams {
            counts[number_of_thread(stream)?] += 1;
        }
    }
    let most = counts.into_iter().max().unwrap_or_default();
    Ok(most - connections / threads)
}

fn number_of_thread(mut stream: &TcpStream) -> io::Result<usize> {
    stream.write_all(b"?")?;
    let mut number = [0];
    stream.read_exact(&mut number)?;
    Ok(number[0].into())
}

fn four_at_a_time(address: SocketAddr, connections: usize) -> io::Result<Duration> {
    let begun: Instant = now();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| load(address, connections / 4, "connections"))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic").map(drop))
    })?;
    Ok(begun.elapsed())
}

/// Answers a question mark with the number of its thread, and all else with itself.
struct Numbered {
    transport: Transport,
    thread: u8,
}

impl Protocol for Numbered {
    fn data_received(&mut self, data: &[u8]) {
        match data {
            b"?" => self.transport.write([self.thread]),
            _ => self.transport.write(data),
        }
    }
}

/// Reactors on this many threads, with one listening socket for all.
pub(crate) fn serve_on_threads(address: &str, threads: usize) -> io::Result<()> {
    serve(threads, || options(address))
}

/// The same with a listening socket for each, among which the system chooses.
pub(crate) fn serve_with_reuse_port(threads: usize) -> io::Result<()> {
    // A socket that does not listen keeps the port for the others.
    let kept = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    kept.set_reuse_port(true)?;
    kept.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    let address = kept.local_addr()?.as_socket().expect("it is an IPv4 socket");
    // Other words make another socket.
    let number = AtomicUsize::new(0);
    serve(threads, || {
        let number = number.fetch_add(1, Ordering::Relaxed);
        options(&address.to_string()).reuse_port(true).backlog(1024 + number as u32)
    })
}

fn serve(threads: usize, options: impl Fn() -> ListenOptions + Sync) -> io::Result<()> {
    let running = Arc::new(AtomicUsize::new(0));
    run_on_threads(threads, |reactor| {
        let thread = reactor.thread_number() as u8;
        let port = reactor.listen_tcp(options(), move |transport| Numbered { transport, thread })?;
        let running = Arc::clone(&running);
        reactor.call_when_running(move || {
            if running.fetch_add(1, Ordering::Relaxed) + 1 == threads {
                say_ready(&port);
            }
        });
        Ok(())
    })
}
