//! Taking over sockets that were opened elsewhere.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use socket2::{Domain, Socket, Type};

use crate::connection::factory::{Factory, FactoryCell};
use crate::datagram::DatagramProtocol;
use crate::datagram::transport::DatagramTransport;
use crate::datagram::udp::UdpPort;
use crate::driver::stream::{Accepted, AnyListener};
use crate::listen::sharing::{share_tcp, share_unix};
use crate::net::connection_options::ConnectionOptions;
use crate::net::tcp::Tcp;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
use crate::reactor::Reactor;
use crate::unix::Unix;
use crate::unix::file::NamedSocket;

impl Reactor {
    /// Accepts connections on a socket that is already listening, TCP or UNIX: one that was inherited or received from
    /// another process, or a listener of the standard library. `factory` builds a protocol for each connection. The
    /// socket becomes the reactor's and non-blocking; its options stay as they are, and closing the port does not
    /// remove a UNIX socket's file. Twisted's `adoptStreamPort`, which leaves the caller a descriptor to close.
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use reactor::{Protocol, Reactor, Transport};
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// let port = reactor.adopt_stream_port(TcpListener::bind("127.0.0.1:0")?, |transport| Echo { transport })?;
    /// println!("listening on {}", port.host());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the socket is not a listening TCP or UNIX socket. The factory is not started, and the descriptor is closed.
    pub fn adopt_stream_port(&self, socket: impl Into<OwnedFd>, factory: impl Factory) -> io::Result<Port> {
        self.adopt_limited_port(socket, AcceptLimits::default(), factory)
    }

    pub(crate) fn adopt_limited_port(
        &self,
        socket: impl Into<OwnedFd>,
        limits: AcceptLimits,
        factory: impl Factory,
    ) -> io::Result<Port> {
        let socket = self.adopted_listener(socket.into())?;
        let load = &self.0.shared_ports.load;
        let factory = FactoryCell::new(factory);
        let options = ConnectionOptions::default();
        Ok(if is_unix(&socket)? {
            let (port, _) = self.in_context(|| share_unix(NamedSocket::adopted(socket), load, true))?;
            self.accept_on(Box::new(port) as AnyListener, limits, options, factory)
        } else {
            let (port, _) = self.in_context(|| share_tcp(socket, load))?;
            self.accept_on(port, limits, options, factory)
        })
    }

    /// Makes a connection of a socket that is already connected, TCP or UNIX. `factory` builds the protocol in the
    /// reactor's next turn, or refuses the connection by returning `None`, which closes the socket. The socket becomes
    /// the reactor's and non-blocking; its options stay as they are. Twisted's `adoptStreamConnection`, which leaves
    /// the caller a descriptor to close.
    ///
    /// # Errors
    ///
    /// If the socket is not a connected TCP or UNIX socket. The descriptor is closed.
    pub fn adopt_stream_connection(&self, socket: impl Into<OwnedFd>, factory: impl Factory) -> io::Result<()> {
        let socket = self.adopted("connection", socket.into(), Type::STREAM, |socket| {
            if socket.is_listener()? {
                return Err(refused("it listens"));
            }
            socket.peer_addr().map(drop).map_err(|error| match error.kind() {
                io::ErrorKind::NotConnected => refused("it is not connected"),
                _ => error,
            })
        })?;
        if is_unix(&socket)? {
            drop(self.run_standalone(self.in_context(|| Unix::adopt(socket, None))?, None, factory));
        } else {
            let Accepted { stream, host, peer } = self.in_context(|| Tcp::adopt(socket, None))?;
            drop(self.run_standalone(Accepted::any(stream, host, peer), None, factory));
        }
        Ok(())
    }

    /// Receives and sends datagrams on a UDP socket that is already bound, by the protocol that `build` returns;
    /// `build` is called at once. The socket becomes the reactor's and non-blocking. Twisted's `adoptDatagramPort`,
    /// which leaves the caller a descriptor to close.
    ///
    /// # Errors
    ///
    /// If the socket is not a UDP socket, or is connected. `build` is not called, and the descriptor is closed.
    pub fn adopt_datagram_port<P: DatagramProtocol>(
        &self,
        socket: impl Into<OwnedFd>,
        build: impl FnOnce(DatagramTransport) -> P,
    ) -> io::Result<Port> {
        let socket = self.adopted("datagram port", socket.into(), Type::DGRAM, |socket| {
            if is_unix(socket)? {
                return Err(refused("it is a UNIX socket"));
            }
            if socket.peer_addr().is_ok() { Err(refused("it is connected")) } else { Ok(()) }
        })?;
        let socket = self.in_context(|| UdpPort::adopt(socket))?;
        Ok(self.start_datagrams(Rc::new(socket), build))
    }

    pub(super) fn adopted_listener(&self, socket: OwnedFd) -> io::Result<Socket> {
        self.adopted("port", socket, Type::STREAM, |socket| {
            if socket.is_listener()? { Ok(()) } else { Err(refused("it does not listen")) }
        })
    }

    /// The socket, if it can be adopted as a `what`.
    fn adopted(
        &self,
        what: &str,
        descriptor: OwnedFd,
        kind: Type,
        check: impl FnOnce(&Socket) -> io::Result<()>,
    ) -> io::Result<Socket> {
        let socket = Socket::from(descriptor);
        let checked = self.unless_stopped(|| {
            if socket.r#type()? != kind {
                return Err(refused(if kind == Type::STREAM {
                    "it is not a stream"
                } else {
                    "it is not for datagrams"
                }));
            }
            if ![Domain::IPV4, Domain::IPV6, Domain::UNIX].contains(&socket.domain()?) {
                return Err(refused("it is neither an internet socket nor a UNIX socket"));
            }
            check(&socket)?;
            socket.set_nonblocking(true)
        });
        checked
            .map(|()| socket)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot adopt a {what}: {error}")))
    }
}

pub(super) fn is_unix(socket: &Socket) -> io::Result<bool> {
    Ok(socket.domain()? == Domain::UNIX)
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
