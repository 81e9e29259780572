//! UDP: sockets that carry datagrams.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use socket2::Domain;
use socket2::Protocol;
use socket2::SockRef;
use socket2::Socket;
use socket2::Type;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::address::unmapped;
use crate::datagram_options::DatagramOptions;
use crate::datagram_socket::DatagramSocket;
use crate::datagram_socket::Ends;
use crate::datagram_socket::TooLong;
use crate::datagram_socket::WrongFamily;

/// A bound socket.
pub(crate) struct UdpPort {
    socket: Rc<UdpSocket>,
    host: SocketAddr,
    /// An IPv6 socket that reaches IPv4 addresses, too.
    dual: bool,
    /// Waits for the poller to report an error; none before the socket is connected.
    error: RefCell<Option<LocalBoxFuture<'static, io::Result<()>>>>,
}

impl UdpPort {
    /// Binds. `share_port` sets `SO_REUSEPORT`. Needs the runtime's context.
    pub(crate) fn bind(address: SocketAddr, options: &DatagramOptions, share_port: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if share_port {
            socket.set_reuse_port(true)?;
        }
        if let Some(bytes) = options.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = options.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.bind(&address.into())?;
        Self::adopt(socket)
    }

    /// Takes over a bound socket that does not block. Needs the runtime's context.
    pub(crate) fn adopt(socket: Socket) -> io::Result<Self> {
        let only_v6 = socket.only_v6();
        let socket = UdpSocket::from_std(socket.into())?;
        let host = socket.local_addr()?;
        // One bound to a certain address has no IPv4 address to send from.
        let dual = host.is_ipv6() && host.ip().is_unspecified() && !only_v6?;
        Ok(Self { host, socket: Rc::new(socket), dual, error: RefCell::new(None) })
    }

    pub(crate) fn socket_addr(&self) -> SocketAddr {
        self.host
    }

    /// The error that is pending, as soon as there is one. The poller does not count that as something to read.
    fn poll_error(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let mut error = self.error.borrow_mut();
        let Some(reported) = &mut *error else { return Poll::Pending };
        // Until it is pending: only then it is woken.
        while let Poll::Ready(result) = reported.poll_unpin(cx) {
            *reported = error_reported(&self.socket);
            // None if a write was told of it.
            if let Some(error) = result.and_then(|()| self.socket.take_error()).transpose() {
                return Poll::Ready(error.unwrap_or_else(|error| error));
            }
        }
        Poll::Pending
    }

    /// The address as this socket's family has it.
    fn reached_as(&self, peer: SocketAddr) -> io::Result<SocketAddr> {
        match (self.host.ip(), peer.ip()) {
            (IpAddr::V6(_), IpAddr::V4(ip)) if self.dual => Ok((ip.to_ipv6_mapped(), peer.port()).into()),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Ok(peer),
            _ => Err(WrongFamily { host: self.host, peer }.into()),
        }
    }
}

impl DatagramSocket for UdpPort {
    fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        if let Poll::Ready(error) = self.poll_error(cx) {
            return Poll::Ready(Err(error));
        }
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            match self.socket.try_recv_from(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received.map(|(len, peer)| (len, unmapped(peer)))),
            }
        }
    }

    fn send(&self, data: &[u8], peer: Option<SocketAddr>) -> io::Result<()> {
        // Not by way of the runtime: it takes a socket for full until the poller has said otherwise, which before the
        // reactor runs is always.
        let socket = SockRef::from(&*self.socket);
        let sent = match peer {
            Some(peer) => socket.send_to(data, &self.reached_as(peer)?.into()),
            None => socket.send(data),
        };
        match sent {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                Err(TooLong { len: data.len(), source: Some(error) }.into())
            }
            Err(error) => Err(error),
        }
    }

    fn connect(&self, peer: SocketAddr) -> io::Result<Ends> {
        SockRef::from(&*self.socket).connect(&self.reached_as(peer)?.into())?;
        self.error.replace(Some(error_reported(&self.socket)));
        Ok(Ends { host: unmapped(self.socket.local_addr()?), peer: unmapped(self.socket.peer_addr()?) })
    }

    fn host(&self) -> SocketAddr {
        self.host
    }
}

fn error_reported(socket: &Rc<UdpSocket>) -> LocalBoxFuture<'static, io::Result<()>> {
    let socket = Rc::clone(socket);
    async move {
        socket.ready(Interest::ERROR).await?;
        // The runtime is to forget this report, and to wait for the next.
        let _ = socket.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        Ok(())
    }
    .boxed_local()
}
