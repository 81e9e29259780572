//! Connections that are made, used once and closed.

use std::io;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::content::Content;
use super::{CpuClock, Done, Window, connect, reset, wait, wrong};

const MESSAGE: usize = 64;

/// Connections, `at_a_time` of them at any moment: each is made, has a message echoed, and is reset.
pub(crate) fn connections(
    address: SocketAddr,
    at_a_time: usize,
    time: Duration,
    cpu: CpuClock<'_>,
) -> io::Result<Done> {
    let content = Content::new();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut made = 0;
    let mut open = |slot: usize| {
        made += 1;
        let mut stream = connect(made, address)?;
        let start = Content::start_of(made);
        if stream.write(content.at(start, MESSAGE))? < MESSAGE {
            return Err(wrong("a new connection has no room"));
        }
        epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, slot as u64))?;
        Ok::<_, io::Error>(Once { stream, start, received: 0 })
    };
    let mut slots = (0..at_a_time).map(&mut open).collect::<io::Result<Vec<_>>>()?;
    let mut events = [EpollEvent::empty(); 64];
    let mut window = Window::new(time, cpu);
    let mut units = 0;
    loop {
        for event in wait(&epoll, &mut events)? {
            let slot = event.data() as usize;
            if slots[slot].is_answered(&content)? {
                let used = std::mem::replace(&mut slots[slot], open(slot)?);
                reset(used.stream);
                units += 1;
            }
        }
        if let Some(done) = window.look(units)? {
            slots.into_iter().for_each(|once| reset(once.stream));
            return Ok(done);
        }
    }
}

struct Once {
    stream: TcpStream,
    start: u64,
    received: usize,
}

impl Once {
    fn is_answered(&mut self, content: &Content) -> io::Result<bool> {
        let mut buffer = [0; MESSAGE + 1];
        let length = match self.stream.read(&mut buffer) {
            Ok(0) => return Err(wrong("the server has closed a connection")),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        if !content.is_at(self.start + self.received as u64, &buffer[..length]) {
            return Err(wrong("other bytes came back than were sent"));
        }
        self.received += length;
        if self.received > MESSAGE {
            return Err(wrong("more bytes came back than were sent"));
        }
        Ok(self.received == MESSAGE)
    }
}
