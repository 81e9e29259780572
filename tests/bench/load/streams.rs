//! Connections on which streams of bytes are under way.

use std::io;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::content::Content;
use super::{CpuClock, Done, Window, connect, reset, silent, wait, wrong};

/// The shape of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// What is counted: messages of this many bytes.
    pub(crate) unit: u64,
    /// The bytes under way on each connection, at most; topped up when half of them are back.
    pub(crate) under_way: u64,
}

/// Where what was sent comes back.
pub(crate) enum Far {
    /// On the same connection.
    Same,
    /// On connections that the server makes to this listener.
    Accepted(TcpListener),
}

struct Flow {
    near: TcpStream,
    far: Option<TcpStream>,
    start: u64,
    sent: u64,
    received: u64,
    is_full: bool,
}

/// Keeps the connections as busy as the shape says, for this time.
pub(crate) fn streams(
    address: SocketAddr,
    shape: Shape,
    far: &Far,
    time: Duration,
    cpu: CpuClock<'_>,
) -> io::Result<Done> {
    let content = Content::new();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut flows = Vec::new();
    for number in 0..shape.connections {
        let near = connect(number, address)?;
        let far = match far {
            Far::Same => None,
            Far::Accepted(listener) => Some(listener.accept()?.0),
        };
        if let Some(far) = &far {
            far.set_nonblocking(true)?;
        }
        epoll.add(far.as_ref().unwrap_or(&near), EpollEvent::new(EpollFlags::EPOLLIN, 2 * number as u64))?;
        // Of the near end only room is of interest.
        let room = near.try_clone()?;
        epoll.add(&room, EpollEvent::new(EpollFlags::EPOLLOUT | EpollFlags::EPOLLET, 2 * number as u64 + 1))?;
        flows.push((Flow { near, far, start: Content::start_of(number), sent: 0, received: 0, is_full: false }, room));
    }
    for (flow, _) in &mut flows {
        flow.top_up(&content, shape)?;
    }
    let mut events = [EpollEvent::empty(); 64];
    let mut buffer = vec![0; 256 * 1024];
    let mut window = Window::new(time, cpu);
    let mut units = 0;
    let mut done = None;
    while done.is_none() || flows.iter().any(|(flow, _)| flow.received < flow.sent) {
        for event in wait(&epoll, &mut events)? {
            let (flow, _) = &mut flows[(event.data() / 2) as usize];
            if event.data() % 2 == 0 {
                let before = flow.received / shape.unit;
                flow.receive(&content, &mut buffer)?;
                units += flow.received / shape.unit - before;
            } else {
                flow.is_full = false;
            }
            if done.is_none() {
                flow.top_up(&content, shape)?;
            }
        }
        if done.is_none() {
            done = window.look(units)?;
        }
    }
    for (flow, _) in flows {
        reset(flow.near);
    }
    done.ok_or_else(silent)
}

impl Flow {
    fn top_up(&mut self, content: &Content, shape: Shape) -> io::Result<()> {
        if self.is_full || self.sent - self.received > shape.under_way / 2 {
            return Ok(());
        }
        while self.sent < self.received + shape.under_way {
            let room = (self.received + shape.under_way - self.sent) as usize;
            let whole_messages = room - room % shape.unit as usize;
            if whole_messages == 0 {
                break;
            }
            let bytes = content.at(self.start + self.sent, whole_messages.min(256 * 1024));
            match self.near.write(bytes) {
                Ok(length) => self.sent += length as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_full = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, content: &Content, buffer: &mut [u8]) -> io::Result<()> {
        let mut far = self.far.as_ref().unwrap_or(&self.near);
        let length = match far.read(buffer) {
            Ok(0) => return Err(wrong("the server has closed a connection")),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.received + length as u64 > self.sent {
            return Err(wrong("more bytes came back than were sent"));
        }
        if !content.is_at(self.start + self.received, &buffer[..length]) {
            return Err(wrong("other bytes came back than were sent"));
        }
        self.received += length as u64;
        Ok(())
    }
}
