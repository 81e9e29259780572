//! The attacks on servers of connections. Each goes on until it is over, and takes its connections along.

use std::collections::VecDeque;
use std::io;
use std::io::Write as _;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use socket2::{SockRef, Socket};

use crate::datagrams;
use crate::round::Until;
use crate::servers::Server;

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// Whether a server can be attacked in this way.
    pub(crate) concerns: fn(&Server) -> bool,
    pub(crate) run: fn(&Server, Until),
}

pub(crate) const ATTACKS: [Attack; 13] = [
    Attack { name: "silence", concerns: has_connections, run: silence },
    Attack { name: "unfinished input", concerns: |server| !server.dialogue.unfinished.is_empty(), run: unfinished },
    Attack { name: "a byte now and then", concerns: has_connections, run: drip },
    Attack { name: "never reading", concerns: has_connections, run: never_read },
    Attack { name: "resets", concerns: has_connections, run: resets },
    Attack { name: "half-closes", concerns: has_connections, run: half_closes },
    Attack { name: "garbage", concerns: has_connections, run: garbage },
    Attack { name: "broken rules", concerns: |server| !server.dialogue.forbidden.is_empty(), run: broken_rules },
    Attack { name: "panics", concerns: |server| server.dialogue.panic.is_some(), run: panics },
    Attack { name: "a flood of connections", concerns: has_connections, run: flood },
    Attack { name: "a flood of handshakes", concerns: |server| server.dialogue.is_secure, run: handshakes },
    Attack { name: "descriptors that linger", concerns: Server::is_unix, run: descriptors },
    Attack { name: "datagrams, also forged", concerns: Server::is_datagrams, run: datagrams::flood },
];

fn has_connections(server: &Server) -> bool {
    !server.is_datagrams()
}

/// Many connections of one address that never send anything.
fn silence(server: &Server, until: Until) {
    let mut held = Vec::new();
    while held.len() < SILENT && !until.is_over() {
        held.extend(server.connect(server.attacker()));
    }
    until.wait_for_all();
}

/// Messages that begin and do not end, with all of the length that they claim but a little.
fn unfinished(server: &Server, until: Until) {
    again_and_again(server, until, PACE, |mut socket, number| {
        let messages = &server.dialogue.unfinished;
        socket.set_write_timeout(Some(MOMENT))?;
        socket.write_all(&messages[number % messages.len()])?;
        Ok(socket)
    });
}

/// Many connections, each of which sends the next byte of something from time to time.
fn drip(server: &Server, until: Until) {
    let dialogue = &server.dialogue;
    let text = [dialogue.unfinished.concat(), dialogue.beginning(), b"?".to_vec()].concat();
    let mut sockets: Vec<_> = (0..DRIPPING).filter_map(|_| server.connect(server.attacker()).ok()).collect();
    for byte in text.chunks(1).cycle() {
        if until.is_over() {
            return;
        }
        sockets.retain_mut(|socket| socket.set_nonblocking(true).and_then(|()| socket.write_all(byte)).is_ok());
        until.wait(MOMENT);
    }
}

/// Questions without end, whose answers nobody reads.
fn never_read(server: &Server, until: Until) {
    let open = || {
        let narrow = |socket: &Socket| socket.set_recv_buffer_size(4096);
        let client = server.dialogue.open(server.connect_with(server.attacker(), narrow)?)?;
        client.socket().set_nonblocking(true)?;
        io::Result::Ok(client)
    };
    let questions = server.dialogue.question.repeat(1_000);
    let mut clients = Vec::new();
    while !until.is_over() {
        while clients.len() < NEVER_READING && !until.is_over() {
            clients.extend(open());
        }
        clients.retain_mut(|client| {
            loop {
                match client.write(&questions) {
                    Ok(length) if length > 0 && !until.is_over() => {}
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => break false,
                    _ => break true,
                }
            }
        });
        until.wait(MOMENT);
    }
}

/// Resets at any moment: at once, in a message, before the answer.
fn resets(server: &Server, until: Until) {
    let beginning = server.dialogue.beginning();
    again_and_again(server, until, PACE, |mut socket, number| {
        socket.write_all(&beginning[..beginning.len() * (number % 5) / 4])?;
        socket.set_linger(Some(Duration::ZERO))?;
        Ok(socket)
    });
}

/// The end of the stream in the middle of a message, or behind it, without reading.
fn half_closes(server: &Server, until: Until) {
    let beginning = server.dialogue.beginning();
    again_and_again(server, until, PACE, |mut socket, number| {
        socket.write_all(&beginning[..beginning.len() * (number % 5) / 4])?;
        socket.shutdown([Shutdown::Write, Shutdown::Read, Shutdown::Both][number % 3])?;
        Ok(socket)
    });
}

/// Bytes by chance, and messages that were changed by chance.
fn garbage(server: &Server, until: Until) {
    let dialogue = &server.dialogue;
    let whole = [dialogue.beginning(), dialogue.question.clone()].concat();
    let messages: Vec<_> = dialogue.unfinished.iter().chain(&dialogue.forbidden).chain([&whole]).collect();
    let mut random = fastrand::Rng::with_seed(1);
    again_and_again(server, until, PACE, |mut socket, number| {
        socket.set_write_timeout(Some(MOMENT))?;
        let mut bytes = messages[random.usize(..messages.len())].clone();
        if number % 4 == 0 {
            bytes = (0..random.usize(..4_000)).map(|_| random.u8(..)).collect();
        }
        for _ in 0..random.usize(..8) {
            let at = random.usize(..=bytes.len());
            match random.u8(..3) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, random.u8(..)),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.u8(..)),
            }
        }
        socket.write_all(&bytes)?;
        Ok(socket)
    });
}

/// What a protocol forbids: frames and lengths beyond the limits, fields twice, bits that are reserved.
fn broken_rules(server: &Server, until: Until) {
    again_and_again(server, until, PACE, |socket, number| {
        socket.set_write_timeout(Some(MOMENT))?;
        let forbidden = &server.dialogue.forbidden;
        let client = server.dialogue.open(socket)?;
        client.socket().write_all(&forbidden[number % forbidden.len()])?;
        Ok(client)
    });
}

/// Messages at which the program's own code panics.
fn panics(server: &Server, until: Until) {
    again_and_again(server, until, PACE * 4, |socket, _| {
        let mut client = server.dialogue.open(socket)?;
        client.write_all(server.dialogue.panic.as_deref().unwrap_or_default())?;
        Ok(client)
    });
}

/// As many connections as come about.
fn flood(server: &Server, until: Until) {
    again_and_again(server, until, Duration::from_millis(1), |socket, _| Ok(socket));
}

/// As many handshakes of TLS as come about, which cost the server more than anything else that a client may ask for.
fn handshakes(server: &Server, until: Until) {
    again_and_again(server, until, Duration::ZERO, |socket, _| server.dialogue.open(socket));
}

/// Descriptors of TCP connections whose last close takes as long as their sender chose.
fn descriptors(server: &Server, until: Until) {
    let Ok(listener) = TcpListener::bind("127.0.0.1:0") else { return };
    again_and_again(server, until, PACE * 4, |socket, number| {
        let stuck = TcpStream::connect(listener.local_addr()?)?;
        let _never_reads = listener.accept()?;
        SockRef::from(&stuck).set_linger(Some(LINGER))?;
        stuck.set_nonblocking(true)?;
        while (&stuck).write(&[0; 65_536]).is_ok() {}
        let descriptors = vec![stuck.as_raw_fd(); if number % 10 == 0 { 253 } else { 1 }];
        let sent = sendmsg::<()>(
            socket.as_raw_fd(),
            &[io::IoSlice::new(b"?")],
            &[ControlMessage::ScmRights(&descriptors)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        );
        drop(OwnedFd::from(stuck));
        sent.map(|_| socket).map_err(io::Error::from)
    });
}

/// Connects and does something with the connection, without end. What it leaves of the last connections is kept.
fn again_and_again<K>(
    server: &Server,
    until: Until,
    pace: Duration,
    mut act: impl FnMut(Socket, usize) -> io::Result<K>,
) {
    let mut kept = VecDeque::new();
    for number in 0.. {
        if until.is_over() {
            return;
        }
        if let Ok(socket) = server.connect(server.attacker())
            && let Ok(rest) = act(socket, number)
        {
            kept.push_back(rest);
        }
        if kept.len() > KEPT {
            kept.pop_front();
        }
        until.wait(pace);
    }
}

/// More than may be pending at a port.
const SILENT: usize = 560;
const DRIPPING: usize = 64;
const NEVER_READING: usize = 16;
const KEPT: usize = 100;

/// Between two connections of one server's attacker.
const PACE: Duration = Duration::from_millis(5);

const MOMENT: Duration = Duration::from_millis(50);

/// Longer than an attack.
const LINGER: Duration = Duration::from_secs(20);
