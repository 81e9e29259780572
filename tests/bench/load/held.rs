//! Connections that were used once and stay open.

use std::io;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::content::Content;
use super::{PATIENCE, connect, reset, wrong};

/// Opens them, has a message echoed on each, and calls `measure` while they are at rest.
pub(crate) fn held<T>(
    address: SocketAddr,
    connections: usize,
    measure: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let content = Content::new();
    let mut streams = Vec::new();
    for number in 0..connections {
        let stream = connect(number, address)?;
        exchange(&stream, &content, Content::start_of(number))?;
        streams.push(stream);
    }
    let measured = measure();
    streams.into_iter().for_each(reset);
    measured
}

fn exchange(mut stream: &TcpStream, content: &Content, start: u64) -> io::Result<()> {
    const MESSAGE: usize = 512;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(content.at(start, MESSAGE))?;
    let mut answer = vec![0; content.at(start, MESSAGE).len()];
    stream.read_exact(&mut answer)?;
    if content.is_at(start, &answer) { Ok(()) } else { Err(wrong("other bytes came back than were sent")) }
}
