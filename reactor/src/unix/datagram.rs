//! UNIX sockets that carry datagrams.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::{SockRef, Type};
use tokio::net::UnixDatagram;

use crate::address::unix::UnixAddress;
use crate::datagram::socket::{DatagramSocket, Deliver, Ends, Route, unsent};
use crate::hub::Hub;
use crate::unix::file::NamedSocket;
use crate::unix::options::UnixDatagramOptions;
use crate::unix::passed_rights::set_takes_descriptors;

/// A socket, with or without a name.
pub(crate) struct UnixDatagramPort {
    socket: UnixDatagram,
    _named: Arc<NamedSocket>,
    host: UnixAddress,
}

impl UnixDatagramPort {
    /// Binds, unless the address is unnamed.
    pub(crate) fn bind(options: &UnixDatagramOptions) -> io::Result<NamedSocket> {
        let named = NamedSocket::bind(Type::DGRAM, &options.address, options.mode, options.lock)?;
        options.buffers.set_on(&named.socket)?;
        Ok(named)
    }

    /// Receives and sends on a socket from [`bind`](Self::bind). Needs the runtime's context.
    pub(crate) fn on(named: Arc<NamedSocket>) -> io::Result<Self> {
        let socket = named.socket.try_clone()?;
        // Nobody hears of them, and the system would close them here.
        set_takes_descriptors(&socket, false);
        let host = UnixAddress::from_system(&socket.local_addr()?);
        let socket = UnixDatagram::from_std(net::UnixDatagram::from(OwnedFd::from(socket)))?;
        Ok(Self { socket, _named: named, host })
    }
}

impl UnixDatagramPort {
    fn poll_receive_one(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<(usize, UnixAddress)>> {
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            match self.socket.try_recv_from(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The system does not say whether that was the whole datagram.
                Ok((len, _)) if len == buffer.len() => {
                    let message = format!("dropped a datagram of {len} bytes or more");
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, message)));
                }
                received => {
                    return Poll::Ready(received.map(|(len, peer)| (len, net::SocketAddr::from(peer).into())));
                }
            }
        }
    }
}

impl DatagramSocket<UnixAddress> for UnixDatagramPort {
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        hub: &Hub,
        _most: usize,
        deliver: &mut Deliver<'_, UnixAddress>,
    ) -> Poll<io::Result<()>> {
        hub.buffers.with_read_buffer(|buffer| {
            let (len, peer) = ready!(self.poll_receive_one(cx, buffer))?;
            deliver(&buffer[..len], peer, None);
            Poll::Ready(Ok(()))
        })
    }

    fn send(&self, data: &[u8], route: Route<UnixAddress>) -> io::Result<()> {
        // Not by way of the runtime: it treats a socket as full until the poller has reported otherwise, which before
        // the reactor runs is always.
        let socket = SockRef::from(&self.socket);
        let sent = match route.to {
            Some(peer) => socket.send_to(data, &peer.to_system()?),
            None => socket.send(data),
        };
        sent.map(drop).map_err(|error| unsent(error, data.len()))
    }

    fn connect(&self, peer: UnixAddress) -> io::Result<Ends<UnixAddress>> {
        SockRef::from(&self.socket).connect(&peer.to_system()?)?;
        Ok(Ends { host: self.host.clone(), peer })
    }

    fn host(&self) -> UnixAddress {
        self.host.clone()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }
}
