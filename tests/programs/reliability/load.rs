//! Load, and its measurements.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rig::{now, peer};

use crate::volleys::Volleys;

/// The load of this kind on a server: see `main.rs`. Returns the time it took.
pub(crate) fn load(address: SocketAddr, messages: usize, kind: &str) -> io::Result<Duration> {
    match kind {
        "echo" => PingPong::new(address, 64, vec![b'x'; 64])?.exchange(messages),
        "lines" => PingPong::new(address, 16, b"abcdefghijklmnopqrstuvwxyz01234\n".repeat(64))?.exchange(messages / 64),
        "bulk" => PingPong::new(address, 4, vec![b'x'; 1 << 20])?.exchange(messages),
        "datagrams" => Volleys::new(address, 8, 8, 64)?.exchange(messages),
        "fan-out" => fan_out(address, messages),
        "connections" => one_after_another(address, messages),
        _ => {
            let kinds = "echo lines bulk datagrams fan-out connections";
            Err(io::Error::other(format!("there is no load called {kind}; there are: {kinds}")))
        }
    }
}

/// Connections with a message each, one after another.
fn one_after_another(address: SocketAddr, connections: usize) -> io::Result<Duration> {
    let begun = now();
    for _ in 0..connections {
        one(address, || Ok(()))?;
    }
    Ok(begun.elapsed())
}

/// A connection with a message; `pause` is called behind each step.
pub(crate) fn one(address: SocketAddr, pause: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let stream = peer::try_connect(address)?;
    pause()?;
    peer::round_trip(&stream, &[b'x'; 64]);
    pause()?;
    stream.shutdown(Shutdown::Write)?;
    // The server closes then.
    peer::read_to_end(&stream);
    pause()
}

/// One of a thousand connections sends, and all receive.
fn fan_out(address: SocketAddr, messages: usize) -> io::Result<Duration> {
    const CONNECTIONS: usize = 1000;
    rig::open_files();
    let members: Vec<_> = (0..CONNECTIONS).map(|_| peer::connect(address)).collect();
    // They are accepted in this order: when the last is heard, all are there.
    (&members[CONNECTIONS - 1]).write_all(b"+")?;
    for mut member in &members {
        member.read_exact(&mut [0])?;
    }
    let begun = now();
    for _ in 0..messages / CONNECTIONS {
        (&members[0]).write_all(&[b'x'; 64])?;
        for mut member in &members {
            member.read_exact(&mut [0; 64])?;
        }
    }
    Ok(begun.elapsed())
}

/// The durations of round trips over one connection.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn round_trip(&mut self, stream: &TcpStream) {
        let sent = now();
        peer::round_trip(stream, b"are you there?");
        self.0.push(sent.elapsed());
    }

    /// Round trips for `time`, with a pause after each.
    pub(crate) fn paced(stream: &TcpStream, pause: Duration, time: Duration) -> Self {
        let mut latencies = Self::default();
        let begun = now();
        while begun.elapsed() < time {
            latencies.round_trip(stream);
            wait(pause);
        }
        latencies
    }

    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The 99th percentile in milliseconds.
    pub(crate) fn p99(mut self) -> f64 {
        self.0.sort_unstable();
        let index = self.0.len() * 99 / 100;
        self.0.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }
}

/// Lets time pass.
pub(crate) fn wait(time: Duration) {
    let until = now() + time;
    while let Some(left) = until.checked_duration_since(now()).filter(|left| !left.is_zero()) {
        std::thread::park_timeout(left);
    }
}

/// Seconds since then.
pub(crate) fn since(instant: Instant) -> f64 {
    instant.elapsed().as_secs_f64()
}

/// Connections with one message outstanding on each.
pub(crate) struct PingPong {
    epoll: Epoll,
    streams: Vec<TcpStream>,
    message: Vec<u8>,
}

impl PingPong {
    pub(crate) fn new(address: SocketAddr, connections: usize, message: Vec<u8>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut streams = Vec::new();
        for index in 0..connections {
            let stream = peer::connect(address);
            stream.set_nonblocking(true)?;
            epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
            streams.push(stream);
        }
        Ok(Self { epoll, streams, message })
    }

    /// Exchanges this many messages, and returns the time it took.
    pub(crate) fn exchange(&mut self, messages: usize) -> io::Result<Duration> {
        let mut events = [EpollEvent::empty(); 64];
        let mut buffer = vec![0; self.message.len()];
        // How much of each connection's message has come back.
        let mut received = vec![0; self.streams.len()];
        let begun = now();
        for mut stream in &self.streams {
            stream.write_all(&self.message)?;
        }
        let mut to_send = messages.saturating_sub(self.streams.len());
        let mut outstanding = self.streams.len();
        while outstanding > 0 {
            let ready = self.epoll.wait(&mut events, EpollTimeout::from(60_000_u16))?;
            if ready == 0 {
                return Err(io::Error::other("the server does not answer"));
            }
            for event in &events[..ready] {
                let index = event.data() as usize;
                let mut stream = &self.streams[index];
                received[index] += match stream.read(&mut buffer)? {
                    0 => return Err(io::Error::other("the server has closed")),
                    length => length,
                };
                if received[index] < self.message.len() {
                    continue;
                }
                received[index] = 0;
                if to_send > 0 {
                    stream.write_all(&self.message)?;
                    to_send -= 1;
                } else {
                    outstanding -= 1;
                }
            }
        }
        Ok(begun.elapsed())
    }
}
