//! What the two processes of a handover say to each other.
//!
//! The old process begins: for each socket that it offers a line with its name, and a descriptor with the first byte of that
//! line; then an empty line. The new process answers [`READY`] when it is ready, and [`CONTINUES`] in the same message if it
//! can take connections; or [`UNWANTED`]. From there on both send [messages](Message). When the old process has released its
//! ports, it closes the socket. One that is older than the messages sends none, and a new one that is older sends
//! [`READY`] alone; both are understood.

use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::listen::handover::live::{LONGEST_STATE, MOST_UNSENT};
use crate::transport::moving::parts::{take_number, take_part};
use crate::unix;

/// What the new process sends when it is ready.
pub(super) const READY: &str = "ready\n";

/// Follows [`READY`]: messages are understood, of version 1.
pub(super) const CONTINUES: &str = "connections 1\n";

/// What the new process sends if it asks for none of the sockets.
pub(super) const UNWANTED: &str = "unwanted\n";

/// What a process that comes too late receives.
pub(super) const GONE: &str = "gone\n";

/// The maximum length of a message: a connection with all of that.
const LONGEST_MESSAGE: usize = LONGEST_STATE + MOST_UNSENT + LONGEST_NAME + 64;

/// The maximum length of the name of a port.
const LONGEST_NAME: usize = 4096;

/// One step of the conversation after the list of sockets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A connection of the port with this name and number; its descriptor comes with the message.
    Connection { id: u32, port: String, number: u32, state: Vec<u8>, unsent: Vec<u8> },
    /// This process has got the connection, and goes on with it.
    Accepted(u32),
    /// It cannot go on with it.
    Refused(u32),
    /// The connection is the other process's; these bytes were written meanwhile.
    Released { id: u32, written: Vec<u8> },
    /// No further connection comes.
    NoMore,
    /// All connections go on here, and the ports can be released.
    Done,
    /// There will be no handover, for this reason.
    Failed(String),
}

impl Message {
    /// The bytes of the message: its kind, the length of the rest, the rest. Numbers are big-endian.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut rest = Vec::new();
        let kind = match self {
            Self::Connection { id, port, number, state, unsent } => {
                rest.extend(id.to_be_bytes());
                rest.extend(number.to_be_bytes());
                for part in [port.as_bytes(), state, unsent] {
                    rest.extend(length(part));
                    rest.extend(part);
                }
                b'C'
            }
            Self::Accepted(id) => {
                rest.extend(id.to_be_bytes());
                b'A'
            }
            Self::Refused(id) => {
                rest.extend(id.to_be_bytes());
                b'R'
            }
            Self::Released { id, written } => {
                rest.extend(id.to_be_bytes());
                rest.extend(written);
                b'L'
            }
            Self::NoMore => b'N',
            Self::Done => b'D',
            Self::Failed(why) => {
                rest.extend(why.as_bytes());
                b'F'
            }
        };
        let mut message = vec![kind];
        message.extend(length(&rest));
        message.extend(rest);
        message
    }

    /// The first message of these bytes, with its length; `None` if it is not complete.
    pub(super) fn decode(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let Some((&kind, mut left)) = bytes.split_first() else { return Ok(None) };
        let Some(len) = take_number(&mut left) else { return Ok(None) };
        let len = len as usize;
        if len > LONGEST_MESSAGE {
            return Err(malformed());
        }
        let Some(rest) = left.get(..len) else { return Ok(None) };
        let message = Self::of(kind, rest).ok_or_else(malformed)?;
        Ok(Some((message, bytes.len() - left.len() + len)))
    }

    fn of(kind: u8, mut rest: &[u8]) -> Option<Self> {
        let rest = &mut rest;
        let message = match kind {
            b'C' => {
                let (id, number) = (take_number(rest)?, take_number(rest)?);
                let port = String::from_utf8(take_part_up_to(rest, LONGEST_NAME)?).ok()?;
                let (state, unsent) = (take_part_up_to(rest, LONGEST_STATE)?, take_part_up_to(rest, MOST_UNSENT)?);
                Self::Connection { id, port, number, state, unsent }
            }
            b'A' => Self::Accepted(take_number(rest)?),
            b'R' => Self::Refused(take_number(rest)?),
            b'L' => Self::Released { id: take_number(rest)?, written: std::mem::take(rest).to_vec() },
            b'N' => Self::NoMore,
            b'D' => Self::Done,
            b'F' => Self::Failed(String::from_utf8_lossy(std::mem::take(rest)).into_owned()),
            _ => return None,
        };
        rest.is_empty().then_some(message)
    }
}

fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

fn take_part_up_to(bytes: &mut &[u8], longest: usize) -> Option<Vec<u8>> {
    take_part(bytes).filter(|part| part.len() <= longest).map(<[u8]>::to_vec)
}

pub(super) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed reply")
}

/// One end of the conversation.
pub(super) struct Line {
    socket: UnixStream,
    received: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
    /// On the heap: futures that hold it would be large.
    buffer: Vec<u8>,
}

impl Line {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { socket, received: Vec::new(), descriptors: VecDeque::new(), buffer: vec![0; 64 << 10] }
    }

    pub(super) fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Sends all of the bytes, and the descriptor with the first of them.
    pub(super) async fn send(&self, mut bytes: &[u8], mut descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket.writable().await?;
            let send = || match descriptor {
                Some(descriptor) => unix::send(&self.socket, bytes, descriptor),
                None => self.socket.try_write(bytes),
            };
            let sent = match descriptor {
                Some(_) => self.socket.try_io(Interest::WRITABLE, send),
                None => send(),
            };
            match sent {
                Ok(sent) => {
                    bytes = &bytes[sent..];
                    descriptor = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends both directions. What the other process has said before can still be received; it can say no more.
    pub(super) fn close(&self) {
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
    }

    pub(super) async fn tell(&self, message: &Message) -> io::Result<()> {
        self.send(&message.encode(), None).await
    }

    /// The next message, with its descriptor if it has one; `None` when the other process has closed the socket.
    pub(super) async fn next(&mut self) -> io::Result<Option<(Message, Option<OwnedFd>)>> {
        loop {
            if self.received.starts_with(GONE.as_bytes()) {
                return Ok(Some((Message::Failed("another process has taken over meanwhile".to_owned()), None)));
            }
            if !GONE.as_bytes().starts_with(&self.received)
                && let Some((message, len)) = Message::decode(&self.received)?
            {
                self.received.drain(..len);
                let is_connection = matches!(message, Message::Connection { .. });
                let descriptor = if is_connection { self.descriptors.pop_front() } else { None };
                return Ok(Some((message, descriptor)));
            }
            match self.receive().await {
                // What is cut short counts as not said.
                Ok(0) => return Ok(None),
                Ok(_) => {}
                // It has closed the socket before it has read everything.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// What the new process says first: everything up to its answer.
    pub(super) async fn first(&mut self) -> io::Result<First> {
        loop {
            if self.received.starts_with(UNWANTED.as_bytes()) {
                return Ok(First::Unwanted);
            }
            if let Some(rest) = self.received.strip_prefix(READY.as_bytes()) {
                // Both are sent as one, and the system delivers them as one.
                let continues = rest.starts_with(CONTINUES.as_bytes());
                self.received.drain(..READY.len() + if continues { CONTINUES.len() } else { 0 });
                return Ok(First::Ready { continues });
            }
            if ![READY, UNWANTED].iter().any(|word| word.as_bytes().starts_with(&self.received)) {
                return Ok(First::Nonsense);
            }
            if self.receive().await? == 0 {
                return Ok(First::Left);
            }
        }
    }

    async fn receive(&mut self) -> io::Result<usize> {
        let Self { socket, received, descriptors, buffer } = self;
        loop {
            socket.readable().await?;
            let mut came = Vec::new();
            match socket.try_io(Interest::READABLE, || unix::receive(&socket.as_fd(), buffer, &mut came)) {
                Ok(n) => {
                    received.extend(&buffer[..n]);
                    descriptors.extend(came);
                    // More than one for each message that can be on its way were not asked for.
                    if descriptors.len() > MOST_ON_THE_WAY {
                        return Err(malformed());
                    }
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What the new process has decided.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First {
    Ready {
        /// Whether it can go on with connections.
        continues: bool,
    },
    Unwanted,
    Left,
    Nonsense,
}

/// How many connections are sent before they are answered.
pub(super) const AT_ONCE: usize = 32;

const MOST_ON_THE_WAY: usize = 2 * AT_ONCE;

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Message> {
        let (port, state, unsent) = ("tcp 127.0.0.1:0".to_owned(), b"state".to_vec(), vec![0; 300]);
        vec![
            Message::Connection { id: 7, port, number: 1, state, unsent },
            Message::Connection { id: 0, port: String::new(), number: 0, state: Vec::new(), unsent: Vec::new() },
            Message::Accepted(u32::MAX),
            Message::Refused(1),
            Message::Released { id: 3, written: b"late".to_vec() },
            Message::Released { id: 3, written: Vec::new() },
            Message::NoMore,
            Message::Done,
            Message::Failed("why".to_owned()),
        ]
    }

    #[test]
    fn a_message_is_read_as_it_was_written_and_not_before_it_is_complete() {
        for message in all() {
            let bytes = message.encode();
            for cut in 0..bytes.len() {
                assert_eq!(Message::decode(&bytes[..cut]).unwrap(), None, "{message:?} {cut}");
            }
            let more = [&bytes[..], b"more"].concat();
            assert_eq!(Message::decode(&more).unwrap(), Some((message, bytes.len())));
        }
    }

    #[test]
    fn what_is_no_message_or_too_long_is_an_error_before_it_is_complete() {
        let too_long = u32::try_from(LONGEST_MESSAGE + 1).unwrap().to_be_bytes();
        assert!(Message::decode(&[&b"C"[..], &too_long].concat()).is_err());
        for bytes in [&b"Z\0\0\0\0"[..], b"A\0\0\0\x01x", b"N\0\0\0\x01x", b"C\0\0\0\x08\0\0\0\0\0\0\0\0"] {
            assert!(Message::decode(bytes).is_err(), "{bytes:?}");
        }
        let mut claims = Message::Accepted(0).encode();
        claims[0] = b'C';
        assert!(Message::decode(&claims).is_err());
        // A state whose claimed length is longer than the message.
        let mut connection = all()[1].encode();
        let state = 1 + 4 + 8 + 4;
        connection[state..state + 4].copy_from_slice(&[0xff; 4]);
        assert!(Message::decode(&connection).is_err());
    }
}
