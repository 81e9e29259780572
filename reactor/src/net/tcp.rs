//! TCP: sockets as streams.

use std::io::Read as _;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{io, mem};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::{TcpSocket, TcpStream};

use crate::address::{Address, unmapped};
use crate::driver::stream::{Accepted, Adopt, Listener, Stream};
use crate::net::accepting::AcceptingSocket;
use crate::net::connect_options::ConnectOptions;
use crate::net::connection_options::{ConnectionOptions, KeepAliveProbes};
use crate::net::error::BindError;
use crate::net::listen_options::ListenOptions;
use crate::net::socket::poll_end;
use crate::port::seats::{Arrival, Place, Seat};
use crate::port::tally::PortTally;
use crate::transport::state::SocketOptions;

/// A connected socket.
pub(crate) struct Tcp {
    socket: TcpStream,
    /// See [`poll_end`].
    forgot_readable: bool,
    /// The last read has taken all there was: trying again would fail.
    emptied: bool,
    /// Its place in its reactor's load, if a port has accepted it.
    _place: Option<Place>,
}

impl Tcp {
    fn new(socket: TcpStream, place: Option<Place>) -> Self {
        // What was accepted may have been sent something already: it is read before the poller has reported that.
        Self { socket, forgot_readable: place.is_some(), emptied: false, _place: place }
    }

    /// Takes over a connected, non-blocking socket. Needs the runtime's context.
    pub(crate) fn adopt(socket: Socket, place: Option<Place>) -> io::Result<Accepted<Self>> {
        let socket = TcpStream::from_std(socket.into())?;
        let [host, peer] = [socket.local_addr()?, socket.peer_addr()?].map(unmapped);
        Ok(Accepted { stream: Self::new(socket, place), host: host.into(), peer: peer.into() })
    }

    fn connected(socket: TcpStream, peer: SocketAddr) -> io::Result<Accepted<Self>> {
        let host = unmapped(socket.local_addr()?).into();
        Ok(Accepted { stream: Self::new(socket, None), host, peer: peer.into() })
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.forgot_readable {
            match (&*SockRef::from(&self.socket)).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.forgot_readable = false,
                Ok(n) => {
                    // After a short read nothing is left, and new data is a new edge.
                    self.forgot_readable = n == buffer.len();
                    return Poll::Ready(Ok(n));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        loop {
            // This avoids the bookkeeping of poll_read. As there, after a short read nothing is left, and new data is a
            // new edge: the socket counts as not readable, which is what WouldBlock says.
            let mut short = None;
            let read = self.socket.try_io(Interest::READABLE, || match (&*SockRef::from(&self.socket)).read(buffer) {
                Ok(n) if 0 < n && n < buffer.len() => {
                    short = Some(n);
                    Err(io::ErrorKind::WouldBlock.into())
                }
                read => read,
            });
            if let Some(n) = short {
                self.emptied = true;
                return Poll::Ready(Ok(n));
            }
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.socket.poll_read_ready(cx))?,
                read => return Poll::Ready(read),
            }
        }
    }
}

impl Stream for Tcp {
    #[inline] // a message needs two: the second finds nothing, and waits
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if mem::take(&mut self.emptied) && !self.forgot_readable {
            ready!(self.socket.poll_read_ready(cx))?;
        }
        self.read(cx, buffer)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_end(&self.socket, &mut self.forgot_readable, cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        // There is nearly always room, also before the poller has reported that, and this avoids the bookkeeping of
        // poll_write.
        match SockRef::from(&self.socket).send_with_flags(data, libc::MSG_NOSIGNAL) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Pin::new(&mut self.socket).poll_write(cx, data),
            written => Poll::Ready(written),
        }
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn reset(&mut self) {
        // If this fails, the peer is already gone.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        Some(self.socket.as_fd().try_clone_to_owned())
    }

    fn set_options(&mut self, options: SocketOptions) -> io::Result<()> {
        let socket = SockRef::from(&self.socket);
        if let Some(on) = options.no_delay {
            socket.set_tcp_nodelay(on)?;
        }
        if let Some(idle) = options.keep_alive {
            set_keep_alive(&socket, idle, KeepAliveProbes::default())?;
        }
        Ok(())
    }
}

fn set_keep_alive(socket: &Socket, idle: Option<Duration>, probes: KeepAliveProbes) -> io::Result<()> {
    match idle {
        Some(idle) => {
            let (idle, interval, count) = probes.taken(idle);
            let options = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(count);
            socket.set_tcp_keepalive(&options)
        }
        None => socket.set_keepalive(false),
    }
}

/// Options of a listening socket apply to the connections accepted from it, without a system call for each.
fn set_connection_options(socket: &Socket, options: &ConnectionOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(options.no_delay)?;
    // Urgent data stays in its place (RFC 6093): a byte taken out of the stream would garble it.
    socket.set_out_of_band_inline(true)?;
    if options.keep_alive.is_some() {
        set_keep_alive(socket, options.keep_alive, options.probes)?;
    }
    if options.user_timeout.is_some() {
        socket.set_tcp_user_timeout(options.user_timeout)?;
    }
    Ok(())
}

/// Binds a socket, and listens.
pub(crate) fn listen(address: SocketAddr, options: &ListenOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(options.reuse_address)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() && address.ip().is_unspecified() {
        // Serves both families, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    set_connection_options(&socket, &options.connection)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

/// A listening socket.
pub(crate) struct TcpPort {
    socket: AcceptingSocket<Socket>,
    host: SocketAddr,
}

impl TcpPort {
    /// Accepts on a listening, non-blocking socket. Needs the runtime's context.
    pub(crate) fn new(socket: Arc<Socket>, seat: Seat) -> io::Result<Self> {
        let host = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidInput)?;
        let socket = AcceptingSocket::new(socket, seat, |peer| Ok(unmapped(SocketAddr::try_from(peer)?).into()))?;
        Ok(Self { socket, host })
    }
}

impl Listener for TcpPort {
    type Stream = Tcp;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Tcp>>> {
        let Arrival { socket, peer, place } = ready!(self.socket.poll_accept(cx))?;
        let socket = TcpStream::from_std(socket.into())?;
        // Only a port on all interfaces does not know which one the client has connected to.
        let host = if self.host.ip().is_unspecified() { socket.local_addr()? } else { self.host };
        Poll::Ready(Ok(Accepted { stream: Tcp::new(socket, Some(place)), host: unmapped(host).into(), peer }))
    }

    fn host(&self) -> Address {
        self.host.into()
    }

    fn rest(&mut self) {
        self.socket.rest();
    }

    fn adopt(&self) -> Option<Adopt<Tcp>> {
        Some(|socket, place| Tcp::adopt(socket, Some(place)))
    }

    fn tally(&self) -> Arc<PortTally> {
        self.socket.tally()
    }

    fn turn_away(&mut self, cx: &mut Context<'_>) -> io::Result<usize> {
        self.socket.turn_away(cx)
    }
}

/// Connects to one address. The future needs the runtime's context when it is first polled.
pub(crate) async fn connect(address: SocketAddr, options: ConnectOptions) -> io::Result<Accepted<Tcp>> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    set_connection_options(&socket, &options.connection)?;
    if let Some(local) = options.local_address {
        socket.bind(&local.into()).map_err(|error| BindError { address: local, error })?;
    }
    let socket = TcpSocket::from_std_stream(socket.into()).connect(address).await?;
    if socket.local_addr()?.port() == address.port() && socket.local_addr()? == socket.peer_addr()? {
        // If nothing listens there, a socket that connects from that same port connects to itself (RFC 9293, section
        // 3.5: simultaneous open). It is reset so that the port is free at once for a server.
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused: it connected to itself"));
    }
    Tcp::connected(socket, unmapped(address))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::net;

    use tokio::runtime::Builder;
    use tokio::task::yield_now;

    use super::*;

    #[test]
    fn what_comes_while_only_the_end_is_watched_for_is_read_afterwards_without_a_word_from_the_poller() {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        Builder::new_current_thread().enable_io().build().unwrap().block_on(async {
            let mut tcp = Tcp::new(TcpStream::from_std(socket).unwrap(), None);
            let mut buffer = [0; 10];
            peer.write_all(b"one").unwrap();
            assert_eq!(poll_fn(|cx| tcp.poll_read(cx, &mut buffer)).await.unwrap(), 3);
            peer.write_all(b"two").unwrap();
            while !tcp.forgot_readable {
                let ended = poll_fn(|cx| Poll::Ready(tcp.poll_end(cx))).await;
                assert!(ended.is_pending());
                yield_now().await;
            }
            let read = poll_fn(|cx| Poll::Ready(tcp.poll_read(cx, &mut buffer))).await;
            assert!(matches!(read, Poll::Ready(Ok(3))), "{read:?}");
        });
    }
}
