use std::io;
use std::io::{Read as _, Write as _};

use socket2::Socket;

use crate::ready_made::client::{Client, hello};

/// Tells whether received bytes are what they should be.
pub type Check = fn(&[u8]) -> bool;

/// What an honest client says to a server, and what hostile ones do.
pub struct Dialogue {
    /// The server's name.
    pub name: &'static str,
    /// What a client begins with, and whether what it has received completes the opening.
    pub opening: (Vec<u8>, Check),
    /// Sent after that, any number of times unless the answer is the last.
    pub question: Vec<u8>,
    /// Received for each question.
    pub answer: Answer,
    /// Beginnings of messages that need no opening, about as long as they may be.
    pub unfinished: Vec<Vec<u8>>,
    /// Sent after the opening, and not by TLS: breaks the rules.
    pub forbidden: Vec<Vec<u8>>,
    /// Sent after the opening: makes the program's own code panic.
    pub panic: Option<Vec<u8>>,
    /// Whether everything goes by TLS.
    pub is_secure: bool,
}

/// What is received for a question.
pub enum Answer {
    /// These bytes.
    Exactly(Vec<u8>),
    /// The first bytes, a stamp like `[Sun Nov  1 16:58:06 2026] `, and the second.
    Stamped(Vec<u8>, Vec<u8>),
    /// Everything up to the end of the stream, if this is true of it. The client ends its own stream first.
    Last(Check),
}

impl Dialogue {
    /// A server that is sent this question, and answers it with the same bytes.
    pub fn echo(name: &'static str, question: impl Into<Vec<u8>>) -> Self {
        let question = question.into();
        Self::new(name, question.clone(), Answer::Exactly(question))
    }

    /// A server without anything that hostile clients know about.
    pub fn new(name: &'static str, question: impl Into<Vec<u8>>, answer: Answer) -> Self {
        let question = question.into();
        let (unfinished, forbidden) = (Vec::new(), Vec::new());
        Self {
            name,
            opening: (Vec::new(), |_| true),
            question,
            answer,
            unfinished,
            forbidden,
            panic: None,
            is_secure: false,
        }
    }

    /// By TLS.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.is_secure = true;
        self
    }

    /// With the beginnings of messages.
    #[must_use]
    pub fn unfinished(mut self, unfinished: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.unfinished.extend(unfinished);
        self
    }

    /// With what breaks the rules.
    #[must_use]
    pub fn forbidden(mut self, forbidden: impl IntoIterator<Item = Vec<u8>>) -> Self {
        self.forbidden.extend(forbidden);
        self
    }

    /// With what makes the program's code panic.
    #[must_use]
    pub fn panic(mut self, panic: impl Into<Vec<u8>>) -> Self {
        self.panic = Some(panic.into());
        self
    }

    /// With what begins the connection, and what tells the end of the answer to it.
    #[must_use]
    pub fn opening(mut self, sent: impl Into<Vec<u8>>, is_complete: Check) -> Self {
        self.opening = (sent.into(), is_complete);
        self
    }

    /// Whether a connection is over after one question.
    pub fn is_single(&self) -> bool {
        matches!(self.answer, Answer::Last(_))
    }

    /// The first bytes of an honest client, as the server receives them: up to the first question, if TLS does not
    /// encrypt it.
    pub fn beginning(&self) -> Vec<u8> {
        if self.is_secure { hello() } else { [&self.opening.0[..], &self.question].concat() }
    }

    /// Begins a connection.
    ///
    /// # Errors
    ///
    /// If it ends or fails.
    pub fn open(&self, socket: Socket) -> io::Result<Client> {
        let mut client = if self.is_secure { Client::secure(socket)? } else { Client::Plain(socket) };
        let (sent, is_complete) = &self.opening;
        client.write_all(sent)?;
        let mut received = Vec::new();
        while !is_complete(&received) {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            received.extend(byte);
        }
        Ok(client)
    }

    /// Asks and checks the answer.
    ///
    /// # Errors
    ///
    /// If the connection ends or fails, as the system reports it; with the kind
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the answer is wrong.
    pub fn ask(&self, client: &mut Client) -> io::Result<()> {
        client.write_all(&self.question)?;
        match &self.answer {
            Answer::Exactly(expected) => {
                let mut received = vec![0; expected.len()];
                read_as_far_as(client, &mut received, |received| expected.starts_with(received))
            }
            Answer::Stamped(before, after) => {
                let stamp = before.len()..before.len() + STAMP;
                let mut received = vec![0; stamp.end + after.len()];
                read_as_far_as(client, &mut received, |received| {
                    let head = &received[..received.len().min(stamp.start)];
                    before.starts_with(head)
                        && received.get(stamp.start).is_none_or(|bracket| *bracket == b'[')
                        && received.get(stamp.end..).is_none_or(|rest| after.starts_with(rest))
                })
            }
            Answer::Last(is_right) => {
                client.end();
                let mut received = Vec::new();
                client.read_to_end(&mut received)?;
                match is_right(&received) {
                    true => Ok(()),
                    false if received.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
                    false => Err(wrong(&received)),
                }
            }
        }
    }
}

/// Fills the buffer. What has come is checked piece by piece, so that a wrong beginning of an answer is told from an
/// early end.
fn read_as_far_as(client: &mut Client, buffer: &mut [u8], is_right: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let mut length = 0;
    while length < buffer.len() {
        match client.read(&mut buffer[length..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => length += more,
        }
        if !is_right(&buffer[..length]) {
            return Err(wrong(&buffer[..length]));
        }
    }
    Ok(())
}

fn wrong(received: &[u8]) -> io::Error {
    let start = &received[..received.len().min(200)];
    io::Error::new(io::ErrorKind::InvalidData, format!("a wrong answer: {:?}", start.escape_ascii().to_string()))
}

/// The length of `[Sun Nov  1 16:58:06 2026] `.
const STAMP: usize = 27;
