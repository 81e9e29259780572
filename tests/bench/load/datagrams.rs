//! Datagrams, some of them under way on each of some sockets.

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

use super::content::Content;
use super::{CpuClock, Done, Window, wait, wrong};

const DATAGRAM: usize = 64;

struct Sender {
    socket: UdpSocket,
    sent: u64,
    received: u64,
}

/// Keeps `under_way` datagrams under way on each socket. They must come back in order, and none may be lost.
pub(crate) fn datagrams(
    address: SocketAddr,
    sockets: usize,
    under_way: usize,
    time: Duration,
    cpu: CpuClock<'_>,
) -> io::Result<Done> {
    let content = Content::new();
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut headers = MultiHeaders::preallocate(under_way, None);
    let mut senders = Vec::new();
    for number in 0..sockets {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))?;
        let start = Content::start_of(number);
        senders.push(Sender { socket, sent: start, received: start });
    }
    for sender in &mut senders {
        sender.send(&content, &mut headers, under_way)?;
    }
    let mut events = [EpollEvent::empty(); 64];
    let mut window = Window::new(time, cpu);
    let mut units = 0;
    loop {
        for event in wait(&epoll, &mut events)? {
            let sender = &mut senders[event.data() as usize];
            let received = sender.receive(&content, &mut headers, under_way)?;
            sender.send(&content, &mut headers, received)?;
            units += received as u64;
        }
        if let Some(done) = window.look(units)? {
            return Ok(done);
        }
    }
}

impl Sender {
    fn send(&mut self, content: &Content, headers: &mut MultiHeaders<SockaddrStorage>, count: usize) -> io::Result<()> {
        let places = (0..count as u64).map(|number| self.sent + number * DATAGRAM as u64);
        let slices: Vec<_> = places.map(|place| [IoSlice::new(datagram(content, place))]).collect();
        let addresses: Vec<Option<SockaddrStorage>> = vec![None; count];
        let sent = sendmmsg(self.socket.as_raw_fd(), headers, &slices, addresses, [], MsgFlags::empty())?.count();
        self.sent += (count * DATAGRAM) as u64;
        if sent == count { Ok(()) } else { Err(wrong("the socket has no room")) }
    }

    fn receive(
        &mut self,
        content: &Content,
        headers: &mut MultiHeaders<SockaddrStorage>,
        at_most: usize,
    ) -> io::Result<usize> {
        let mut buffer = vec![0; (DATAGRAM + 1) * at_most];
        let mut slices: Vec<_> = buffer.chunks_mut(DATAGRAM + 1).map(|slot| [IoSliceMut::new(slot)]).collect();
        let received = recvmmsg(self.socket.as_raw_fd(), headers, &mut slices, MsgFlags::empty(), None)?;
        let lengths: Vec<_> = received.map(|one| one.bytes).collect();
        for (length, slot) in lengths.iter().zip(buffer.chunks(DATAGRAM + 1)) {
            if slot[..*length] != *datagram(content, self.received) {
                return Err(wrong("another datagram came back than was sent"));
            }
            self.received += DATAGRAM as u64;
        }
        Ok(lengths.len())
    }
}

/// Two lines, or the last of all alone.
fn datagram(content: &Content, place: u64) -> &[u8] {
    content.at(place, DATAGRAM)
}
