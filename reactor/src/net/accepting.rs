//! Accepting connections on a socket that several reactors may share.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::address::Address;
use crate::net::socket::Reserve;
use crate::port::seats::{Arrival, Seat};
use crate::port::tally::PortTally;

/// A listening socket, as one of its reactors has it.
pub(crate) struct AcceptingSocket<S: AsRawFd> {
    socket: AsyncFd<Arc<S>>,
    seat: Seat,
    reserve: Reserve,
    /// What the system says of a peer, as an address.
    address: fn(SocketAddrAny) -> io::Result<Address>,
}

impl<S: AsRawFd + AsFd> AcceptingSocket<S> {
    /// Accepts on a listening, non-blocking socket. Needs the runtime's context.
    #[expect(
        deprecated,
        reason = "sound for what owns its descriptor; what replaces it is unsafe for the sake of others"
    )]
    pub(crate) fn new(
        socket: Arc<S>,
        seat: Seat,
        address: fn(SocketAddrAny) -> io::Result<Address>,
    ) -> io::Result<Self> {
        let socket = AsyncFd::with_interest(socket, Interest::READABLE)?;
        Ok(Self { socket, seat, reserve: Reserve::new(), address })
    }

    /// The next connection for this reactor. The socket, which is not registered with the runtime yet, does not block.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Arrival>> {
        self.seat.poll_arrival(cx, |cx| accept(&self.socket, self.address, cx))
    }

    /// See [`Listener::rest`](crate::driver::stream::Listener::rest).
    pub(crate) fn rest(&self) {
        self.seat.rest();
    }

    pub(crate) fn tally(&self) -> Arc<PortTally> {
        Arc::clone(self.seat.tally())
    }

    /// See [`Listener::turn_away`](crate::driver::stream::Listener::turn_away).
    pub(crate) fn turn_away(&mut self, cx: &mut Context<'_>) -> io::Result<usize> {
        let Self { socket, reserve, address, .. } = self;
        reserve.turn_away(|| accept(socket, *address, cx).map_ok(drop))
    }
}

fn accept<S: AsRawFd + AsFd>(
    socket: &AsyncFd<Arc<S>>,
    address: fn(SocketAddrAny) -> io::Result<Address>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<(OwnedFd, Address)>> {
    loop {
        let mut ready = ready!(socket.poll_read_ready(cx))?;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        if let Ok(accepted) = ready.try_io(|socket| Ok(acceptfrom_with(&**socket.get_ref(), flags)?)) {
            let (socket, peer) = accepted?;
            let peer = peer.map_or_else(|| Err(io::ErrorKind::ConnectionAborted.into()), address)?;
            return Poll::Ready(Ok((socket, peer)));
        }
    }
}
