//! One client: a socket, and what it waits for.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};

use socket2::{Domain, Socket, Type};

/// A connection to a server. It never blocks.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) nick: String,
    /// Whether it sends as fast as it can, once it is registered, and comes back when the server lets it go.
    pub(crate) floods: bool,
    awaited: Option<Awaited>,
    /// Lines that have come to one that floods.
    pub(crate) lines: usize,
}

/// A text that a client waits for, and the end of what has come, where it may begin.
struct Awaited {
    text: String,
    end: Vec<u8>,
}

/// What a client has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// What it has waited for.
    Awaited,
    /// Anything else, or nothing.
    Else,
}

impl Client {
    pub(crate) fn connect(port: u16, nick: String, floods: bool) -> io::Result<Self> {
        let stream = connect_from(Ipv4Addr::new(127, 0, 0, 2 + fastrand::u8(..ADDRESSES)), port)?;
        Ok(Self { stream, nick, floods, awaited: None, lines: 0 })
    }

    /// What it says to be registered.
    pub(crate) fn registration(&self) -> String {
        format!("NICK {}\r\nUSER user 0 * :A person\r\n", self.nick)
    }

    pub(crate) fn send(&mut self, lines: &str) -> io::Result<()> {
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{} cannot send: {error}", self.nick));
        self.stream.write_all(lines.as_bytes()).map_err(failed)
    }

    /// Sends lines to itself, as far as the socket takes them. What is wrong shows when it reads.
    pub(crate) fn flood(&mut self) {
        let lines = format!("PRIVMSG {} :flood flood flood flood\r\n", self.nick).repeat(LINES_AT_ONCE);
        let _ = self.stream.write(lines.as_bytes());
    }

    /// It waits for this from now on.
    pub(crate) fn expect(&mut self, text: &str) {
        self.awaited = Some(Awaited { text: text.to_owned(), end: Vec::new() });
    }

    /// What it waits for, if it waits.
    pub(crate) fn awaited(&self) -> Option<&str> {
        self.awaited.as_ref().map(|awaited| &*awaited.text)
    }

    /// Reads once, and drops what it has read.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Heard> {
        let length = match self.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Heard::Else),
            Err(error) => return Err(error),
        };
        if self.floods {
            self.lines += buffer[..length].iter().filter(|&&byte| byte == b'\n').count();
        }
        let Some(awaited) = &mut self.awaited else { return Ok(Heard::Else) };
        if !awaited.is_in(&buffer[..length]) {
            return Ok(Heard::Else);
        }
        self.awaited = None;
        Ok(Heard::Awaited)
    }
}

/// Clients of one address could have too many connections for a server, and more than an address has ports.
fn connect_from(address: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddrV4::new(address, 0).into())?;
    socket.connect(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

impl Awaited {
    fn is_in(&mut self, chunk: &[u8]) -> bool {
        self.end.extend_from_slice(chunk);
        let found = self.end.windows(self.text.len()).any(|window| window == self.text.as_bytes());
        self.end.drain(..(self.end.len() + 1).saturating_sub(self.text.len()));
        found
    }
}

const LINES_AT_ONCE: usize = 50;

/// How many addresses of the loopback interface clients come from.
const ADDRESSES: u8 = 16;
