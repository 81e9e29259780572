//! Clients: plain sockets, read when something is expected.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How many register at a time: a server's queue of new connections is not endless.
const BATCH: usize = 100;

/// Longer than this no server takes for anything that is measured.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client.
pub(crate) struct Client {
    stream: TcpStream,
    /// What has come and nobody has looked at.
    rest: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, rest: Vec::new() })
    }

    pub(crate) fn send(&mut self, lines: &str) -> io::Result<()> {
        self.stream.write_all(lines.as_bytes())
    }

    /// Reads until a line has this in it, and drops what was before.
    pub(crate) fn expect(&mut self, wanted: &str) -> io::Result<()> {
        let mut searched = 0;
        loop {
            if let Some(at) = find(&self.rest[searched..], wanted.as_bytes()) {
                let line = searched + at;
                let end = find(&self.rest[line..], b"\n");
                if let Some(end) = end {
                    self.rest.drain(..=line + end);
                    return Ok(());
                }
            } else {
                searched = self.rest.len().saturating_sub(wanted.len());
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer)? {
                0 => {
                    let rest = String::from_utf8_lossy(&self.rest).into_owned();
                    return Err(io::Error::other(format!(
                        "the server has closed instead of sending {wanted:?}: {rest:?}"
                    )));
                }
                length => self.rest.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// Drops what has come so far.
    fn drain(&mut self) -> io::Result<()> {
        self.rest.clear();
        self.stream.set_nonblocking(true)?;
        let mut buffer = [0; 64 * 1024];
        let result = loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => break Err(io::Error::other("the server has closed")),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.stream.set_nonblocking(false)?;
        result
    }

    /// A second handle, to send from another thread.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { stream: self.stream.try_clone()?, rest: Vec::new() })
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// This many clients, registered.
pub(crate) fn gather(port: u16, clients: usize) -> io::Result<Vec<Client>> {
    let mut crowd = Vec::with_capacity(clients);
    while crowd.len() < clients {
        let begun = crowd.len();
        for number in begun..clients.min(begun + BATCH) {
            let mut client = Client::connect(port)?;
            client.send(&format!("NICK user{number}\r\nUSER user 0 * :User {number}\r\n"))?;
            crowd.push(client);
        }
        for client in &mut crowd[begun..] {
            client.expect(" 001 ")?;
            client.send("PING :ready\r\n")?;
            client.expect(" PONG ")?;
        }
    }
    Ok(crowd)
}

/// All join a channel each: the one that `channel` names for their number.
pub(crate) fn join(crowd: &mut [Client], channel: impl Fn(usize) -> String) -> io::Result<()> {
    for number in 0..crowd.len() {
        let channel = channel(number);
        crowd[number].send(&format!("JOIN {channel}\r\n"))?;
        crowd[number].expect(&format!(" {channel} :End of"))?;
        // Those that do not read what they are told would be let go.
        if number % BATCH == 0 {
            crowd[..number].iter_mut().try_for_each(Client::drain)?;
        }
    }
    // Nothing of that is left to be sent when the measurement begins.
    for client in crowd {
        client.send("PING :joined\r\n")?;
        client.expect("joined")?;
    }
    Ok(())
}
