//! Many peers at once that begin a message and do not complete it.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use protocols::amp::{AmpBox, AmpError};
use rig::{Child, now, peer};

use crate::Figure;
use crate::checks::{error, server, source};
use crate::load::since;

/// A protocol of this workspace, and what is sent to a server of it.
struct Case {
    /// The server's name.
    kind: &'static str,
    /// The beginning of a message, about as long as may be.
    unfinished: Vec<u8>,
    /// What a client begins with, and the end of what it is answered.
    opening: (Vec<u8>, &'static [u8]),
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// R9: this many peers of each ready-made protocol that do not complete what they send. The server may have 300 MiB of
/// address space, and the memory budget that comes of them.
pub(crate) fn unfinished_input(peers: usize) -> io::Result<Vec<Figure>> {
    let peers = peers.min(rig::open_files() - 300);
    let mut figures = Vec::new();
    for case in cases().map_err(io::Error::other)? {
        let server = server(case.kind, &["address-space=300"]);
        let figure = |what: &str| format!("{}: {what}", case.kind);
        let outcome = attack(&case, &server, peers)?;
        let ended = server.stop();
        figures.extend([
            Figure::at_most(0.0, figure("requests of honest clients lost"), outcome.lost as f64),
            Figure::told(figure("that were answered"), outcome.answered as f64),
            Figure::told(figure("seconds until the slowest was"), outcome.slowest),
            Figure::at_most(0.0, figure("aborts"), f64::from(u8::from(!ended.status.success()))),
            Figure::told(figure("peers that were evicted"), ended.count("evicted") as f64),
            Figure::told(figure("MiB resident, at most"), outcome.resident as f64 / f64::from(1 << 20)),
        ]);
    }
    Ok(figures)
}

#[derive(Default)]
struct Outcome {
    answered: u64,
    lost: u64,
    slowest: f64,
    resident: usize,
}

fn attack(case: &Case, server: &Child, peers: usize) -> io::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut faithful = case.open(server.address())?;
    let mut hostile = Vec::new();
    for number in 0..peers {
        let mut stream = peer::connect_from(source(number), server.address())?;
        // Those whose turn it is to go may go meanwhile.
        let _ = stream.write_all(&case.unfinished);
        hostile.push(stream);
        if number % 100 == 99 {
            let begun = now();
            let newcomer = case.open(server.address()).and_then(|mut stream| case.ask(&mut stream));
            for result in [case.ask(&mut faithful), newcomer] {
                match result {
                    Ok(()) => outcome.answered += 1,
                    Err(_) => outcome.lost += 1,
                }
            }
            outcome.slowest = outcome.slowest.max(since(begun));
            outcome.resident = outcome.resident.max(server.resident());
        }
    }
    Ok(outcome)
}

impl Case {
    /// Connects as an honest client.
    fn open(&self, server: SocketAddr) -> io::Result<TcpStream> {
        let mut stream = peer::connect_from(source(0), server)?;
        let (opening, end) = &self.opening;
        stream.write_all(opening)?;
        let mut answer = Vec::new();
        while !answer.ends_with(end) {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.extend(byte);
        }
        Ok(stream)
    }

    fn ask(&self, stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(&self.request)?;
        let mut answer = vec![0; self.answer.len()];
        stream.read_exact(&mut answer)?;
        if answer == self.answer { Ok(()) } else { Err(error("the answer is another")) }
    }
}

fn cases() -> Result<Vec<Case>, AmpError> {
    let begun = |beginning: &[u8], length: usize| [beginning, &vec![b'x'; length]].concat();
    let call = AmpBox::new().with("_command", "Echo").with("_ask", "1").with("text", "hello").encode()?;
    let answer = AmpBox::new().with("_answer", "1").with("text", "hello").encode()?;
    let upgrade = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let frame = [&upgrade[..], b"\x82\xfe\xfd\xe8\0\0\0\0"].concat();
    Ok(vec![
        Case {
            kind: "lines",
            unfinished: begun(b"", 16 * 1024),
            opening: (Vec::new(), b""),
            request: b"hello\n".to_vec(),
            answer: b"hello\n".to_vec(),
        },
        Case {
            kind: "strings",
            unfinished: begun(&99_999_u32.to_be_bytes(), 90_000),
            opening: (Vec::new(), b""),
            request: b"\0\0\0\x05hello".to_vec(),
            answer: b"\0\0\0\x05hello".to_vec(),
        },
        Case {
            kind: "amp",
            unfinished: begun(b"\0\x01a\xff\xff", 65_000),
            opening: (Vec::new(), b""),
            request: call,
            answer,
        },
        Case {
            kind: "web-socket",
            unfinished: begun(&frame, 64_000),
            opening: (upgrade.to_vec(), b"\r\n\r\n"),
            request: b"\x82\x85\0\0\0\0hello".to_vec(),
            answer: b"\x82\x05hello".to_vec(),
        },
        Case {
            kind: "proxied",
            unfinished: begun(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", 65_000),
            opening: (b"PROXY UNKNOWN\r\n".to_vec(), b""),
            request: b"hello".to_vec(),
            answer: b"hello".to_vec(),
        },
    ])
}
