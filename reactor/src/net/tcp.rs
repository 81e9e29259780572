//! TCP: sockets as streams.

use std::io::Read as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{io, mem};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncWrite, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::address::{Address, unmapped};
use crate::driver::stream::{Accepted, Listener, Stream};
use crate::net::bind::Bind;
use crate::net::connect_options::ConnectOptions;
use crate::net::connection_options::{ConnectionOptions, KeepAliveProbes};
use crate::net::error::BindError;
use crate::net::listen_options::ListenOptions;
use crate::net::socket::{Reserve, poll_end};
use crate::transport::state::SocketOptions;

/// A connected socket.
pub(crate) struct Tcp {
    socket: TcpStream,
    /// See [`poll_end`].
    forgot_readable: bool,
    /// The last read has taken all there was: trying again would fail.
    emptied: bool,
}

impl Tcp {
    fn new(socket: TcpStream) -> Self {
        Self { socket, forgot_readable: false, emptied: false }
    }

    /// Takes over a connected, non-blocking socket. Needs the runtime's context.
    pub(crate) fn adopt(socket: Socket) -> io::Result<Accepted<Self>> {
        let socket = TcpStream::from_std(socket.into())?;
        let peer = unmapped(socket.peer_addr()?);
        Self::connected(socket, peer)
    }

    fn connected(socket: TcpStream, peer: SocketAddr) -> io::Result<Accepted<Self>> {
        let host = unmapped(socket.local_addr()?).into();
        Ok(Accepted { stream: Self::new(socket), host, peer: peer.into() })
    }
}

impl Stream for Tcp {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
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
        if mem::take(&mut self.emptied) {
            ready!(self.socket.poll_read_ready(cx))?;
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

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_end(&self.socket, &mut self.forgot_readable, cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        // There is nearly always room, and this avoids the bookkeeping of poll_write.
        match self.socket.try_write(data) {
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

/// A listening socket.
pub(crate) struct TcpPort {
    socket: Rc<TcpListener>,
    host: SocketAddr,
    reserve: Reserve,
}

impl Bind for TcpPort {
    type Options = ListenOptions;

    fn bind(address: SocketAddr, options: &ListenOptions, share_port: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(options.reuse_address)?;
        if share_port || options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if address.is_ipv6() && address.ip().is_unspecified() {
            // Serves both families, whatever the system's default is.
            socket.set_only_v6(false)?;
        }
        set_connection_options(&socket, &options.connection)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        Self::adopt(socket)
    }

    fn adopt(socket: Socket) -> io::Result<Self> {
        let socket = TcpListener::from_std(socket.into())?;
        Ok(Self { host: socket.local_addr()?, socket: Rc::new(socket), reserve: Reserve::new() })
    }

    fn socket_addr(&self) -> SocketAddr {
        self.host
    }
}

impl TcpPort {
    pub(crate) fn socket(&self) -> &Rc<TcpListener> {
        &self.socket
    }
}

impl Listener for TcpPort {
    type Stream = Tcp;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Tcp>>> {
        let (socket, peer) = ready!(self.socket.poll_accept(cx))?;
        // Only a port on all interfaces does not know which one the client has connected to.
        let host = if self.host.ip().is_unspecified() { socket.local_addr()? } else { self.host };
        Poll::Ready(Ok(Accepted { stream: Tcp::new(socket), host: unmapped(host).into(), peer: unmapped(peer).into() }))
    }

    fn host(&self) -> Address {
        self.host.into()
    }

    fn turn_away(&mut self, cx: &mut Context<'_>) -> io::Result<usize> {
        let socket = &self.socket;
        self.reserve.turn_away(|| socket.poll_accept(cx).map_ok(drop))
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
