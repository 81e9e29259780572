//! The load: one thread, and every byte that comes back is compared with what was sent.

mod connections;
mod content;
mod datagrams;
mod held;
mod streams;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollEvent, EpollTimeout};
use socket2::{Domain, SockRef, Socket, Type};

pub(crate) use connections::connections;
pub(crate) use datagrams::datagrams;
pub(crate) use held::held;
pub(crate) use streams::{Far, Shape, streams};

/// How long an answer may take before the server counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was done within a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) units: u64,
    pub(crate) time: Duration,
    /// Processor time of the server.
    pub(crate) cpu: Duration,
}

/// The processor time that a server has used.
pub(crate) type CpuClock<'a> = &'a dyn Fn() -> io::Result<Duration>;

/// Measures from the end of a warm-up on, for a time.
struct Window<'a> {
    cpu: CpuClock<'a>,
    warm_at: Instant,
    until: Duration,
    begun: Option<(Instant, Duration, u64)>,
}

impl<'a> Window<'a> {
    fn new(time: Duration, cpu: CpuClock<'a>) -> Self {
        Self { cpu, warm_at: shared::now() + time / 5, until: time, begun: None }
    }

    /// Given the number of units so far, says what was done when the time is over.
    fn look(&mut self, units: u64) -> io::Result<Option<Done>> {
        let now = shared::now();
        match self.begun {
            None if now >= self.warm_at => self.begun = Some((now, (self.cpu)()?, units)),
            Some((begun, cpu, before)) if now - begun >= self.until => {
                return Ok(Some(Done { units: units - before, time: now - begun, cpu: (self.cpu)()? - cpu }));
            }
            _ => (),
        }
        Ok(None)
    }
}

/// Connects from one of many addresses of this machine, each of which has its own range of ports.
fn connect(number: usize, to: SocketAddr) -> io::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let from = Ipv4Addr::new(127, 0, 1, 1 + (number % 32) as u8);
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Closes with a reset, so that the port is free at once.
fn reset(stream: std::net::TcpStream) {
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
}

/// Waits for events; a server that causes none is broken.
fn wait<'a>(epoll: &Epoll, events: &'a mut [EpollEvent]) -> io::Result<&'a [EpollEvent]> {
    match epoll.wait(events, EpollTimeout::try_from(PATIENCE).map_err(io::Error::other)?)? {
        0 => Err(silent()),
        ready => Ok(&events[..ready]),
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the server does not answer")
}
