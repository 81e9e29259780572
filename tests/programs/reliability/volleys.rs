//! Datagram load: a given number in flight, sent and received in batches.

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};
use rig::now;

/// Sockets with some datagrams in flight on each.
pub(crate) struct Volleys {
    epoll: Epoll,
    sockets: Vec<UdpSocket>,
    headers: MultiHeaders<SockaddrStorage>,
    in_flight: usize,
    size: usize,
}

impl Volleys {
    pub(crate) fn new(address: SocketAddr, sockets: usize, in_flight: usize, size: usize) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let open = |index| {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.connect(address)?;
            socket.set_nonblocking(true)?;
            epoll.add(&socket, EpollEvent::new(EpollFlags::EPOLLIN, index))?;
            Ok(socket)
        };
        let sockets = (0..sockets as u64).map(open).collect::<io::Result<_>>()?;
        Ok(Self { epoll, sockets, headers: MultiHeaders::preallocate(in_flight, None), in_flight, size })
    }

    /// Exchanges about this many datagrams, and returns the time it took. A lost datagram is an error.
    pub(crate) fn exchange(&mut self, datagrams: usize) -> io::Result<Duration> {
        let mut events = [EpollEvent::empty(); 64];
        let begun = now();
        let mut outstanding = self.sockets.len() * self.in_flight;
        let mut to_send = datagrams.saturating_sub(outstanding);
        for index in 0..self.sockets.len() {
            self.send(index, self.in_flight)?;
        }
        while outstanding > 0 {
            let ready = self.epoll.wait(&mut events, EpollTimeout::from(10_000_u16))?;
            if ready == 0 {
                return Err(io::Error::other(format!("{outstanding} datagrams were not answered")));
            }
            for event in &events[..ready] {
                let index = event.data() as usize;
                let received = self.receive(index)?;
                let again = received.min(to_send);
                self.send(index, again)?;
                to_send -= again;
                outstanding -= received - again;
            }
        }
        Ok(begun.elapsed())
    }

    fn send(&mut self, index: usize, datagrams: usize) -> io::Result<()> {
        if datagrams == 0 {
            return Ok(());
        }
        let datagram = vec![b'x'; self.size];
        let slices = vec![[IoSlice::new(&datagram)]; datagrams];
        let addresses: Vec<Option<SockaddrStorage>> = vec![None; datagrams];
        let socket = self.sockets[index].as_raw_fd();
        let sent = sendmmsg(socket, &mut self.headers, &slices, addresses, [], MsgFlags::empty())?.count();
        if sent == datagrams { Ok(()) } else { Err(io::Error::other("the socket took only part of a volley")) }
    }

    fn receive(&mut self, index: usize) -> io::Result<usize> {
        let size = self.size;
        let mut buffer = vec![0; (size + 1) * self.in_flight];
        let mut slices: Vec<_> = buffer.chunks_mut(size + 1).map(|slot| [IoSliceMut::new(slot)]).collect();
        let socket = self.sockets[index].as_raw_fd();
        let mut received = 0;
        for datagram in recvmmsg(socket, &mut self.headers, &mut slices, MsgFlags::empty(), None)? {
            if datagram.bytes != size {
                return Err(io::Error::other("a datagram came back with another length"));
            }
            received += 1;
        }
        Ok(received)
    }
}
