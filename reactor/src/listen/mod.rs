//! Servers: ports for connections and for datagrams, adopted, inherited and handed over.
//!
//! Methods of [`Reactor`] open ports: [`listen_tcp`](Reactor::listen_tcp), [`listen_unix`](Reactor::listen_unix),
//! [`listen_udp`](Reactor::listen_udp), [`listen_unix_datagram`](Reactor::listen_unix_datagram). Sockets that are
//! already open are taken by [`adopt_stream_port`](Reactor::adopt_stream_port),
//! [`adopt_stream_connection`](Reactor::adopt_stream_connection) and
//! [`adopt_datagram_port`](Reactor::adopt_datagram_port); those of systemd also by a [description](crate::endpoint). A
//! [`Handover`] replaces a server by its next version without refusing a client.
//!
//! The handle of a port is a [`Port`]; its options are [`ListenOptions`], [`UnixListenOptions`] and [`DatagramOptions`].
//!
//! ```no_run
//! use std::net::TcpListener;
//! use reactor::Reactor;
//! # use reactor::{Protocol, Transport};
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//!
//! let reactor = Reactor::new()?;
//! let socket = TcpListener::bind("127.0.0.1:8007")?;
//! reactor.adopt_stream_port(socket, |transport| Echo { transport })?;
//! reactor.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has `IReactorTCP`, `IReactorUNIX`, `IReactorUDP` and `IReactorSocket`.

pub(crate) mod acceptor;
pub(crate) mod adopt;
pub(crate) mod handover;
#[cfg(feature = "service")]
mod inherited;
#[cfg(feature = "service")]
pub(crate) mod listen_fds;
pub(crate) mod port_kind;
mod sharing;
#[cfg(feature = "service")]
pub(crate) mod socket_activation;

pub use handover::Handover;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::{fmt, io};

use socket2::{SockRef, Socket};
use tokio::runtime::LocalRuntime;

use crate::address::Address;
use crate::address::datagram::DatagramAddress;
use crate::address::unix::UnixAddress;
use crate::connection::factory::{Factory, FactoryCell};
use crate::datagram::DatagramProtocol;
use crate::datagram::options::DatagramOptions;
use crate::datagram::socket::DatagramSocket;
use crate::datagram::transport::DatagramTransport;
use crate::datagram::udp::UdpPort;
use crate::driver::stream::{AnyListener, Listener};
use crate::listen::port_kind::PortKind;
use crate::listen::sharing::{join_tcp, join_unix, share_tcp, share_unix};
use crate::net::connection_options::ConnectionOptions;
use crate::net::listen_options::ListenOptions;
use crate::net::tcp;
use crate::net::tcp::TcpPort;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
use crate::reactor::Reactor;
use crate::reactor::core::{Backend, no_network};
use crate::reactor::port_registry::{PortKey, PortSocket, Request};
use crate::unix::UnixPort;
use crate::unix::datagram::UnixDatagramPort;
use crate::unix::file::NamedSocket;
use crate::unix::options::{UnixDatagramOptions, UnixListenOptions};
use crate::unix::passed_rights::set_takes_descriptors;
use crate::{datagram, unix};

impl Reactor {
    /// Listens for TCP connections; `factory` builds a protocol for each. Accepting begins when the reactor runs.
    /// [`ListenOptions`] lists the accepted forms of the address, and the options. Twisted's `listenTCP`.
    ///
    /// # Errors
    ///
    /// If the address is invalid, is in use, does not belong to this machine, or may not be listened on. The error
    /// names the address and says which. The factory is not started.
    pub fn listen_tcp(&self, address: impl Into<ListenOptions>, factory: impl Factory) -> io::Result<Port> {
        let options = address.into();
        let wanted = options.socket_addr()?;
        let factory = FactoryCell::new(factory);
        Ok(if let Some(host) = self.0.simulated() {
            let listen = || host.network.listen(host.id, wanted, &options);
            let listener = self.unless_stopped(listen).map_err(|error| cannot_listen(wanted, error))?;
            self.accept_on(Box::new(listener) as AnyListener, options.limits, options.connection, factory)
        } else {
            let listen = || tcp::listen(wanted, &options);
            let opened =
                self.open_tcp(Request::of_port(&PortKind::Tcp.name(&wanted.to_string()), wanted.port()), listen);
            let (listener, key) = opened.map_err(|error| cannot_listen(wanted, error))?;
            let port = self.accept_on(listener, options.limits, options.connection, factory);
            self.0.shared_ports.hold(key, &port);
            port
        })
    }

    /// Listens on a UNIX socket; `factory` builds a protocol for each connection. Accepting begins when the reactor
    /// runs. [`UnixListenOptions`] lists the accepted forms of the address, and the options. Twisted's `listenUNIX`.
    ///
    /// The socket's file is removed when the port closes, if it is still the one created here. An existing file is only
    /// replaced by means of a [lock](UnixListenOptions::lock).
    ///
    /// # Errors
    ///
    /// If the path or name is empty or too long (more than 107 bytes), is in use or locked, or if its directory does
    /// not exist or is not writable. The error names the path, says which, and what can be done. The factory is not
    /// started. In a simulation there are no UNIX sockets.
    pub fn listen_unix(&self, address: impl Into<UnixListenOptions>, factory: impl Factory) -> io::Result<Port> {
        let options = address.into();
        let takes_descriptors = options.receive_file_descriptors;
        let name = PortKind::Unix.name(&options.address.unique_text());
        let listen = || match self.inherited(PortKind::Unix, &name, &[])? {
            Some(socket) => {
                // The previous process may have set something else.
                set_takes_descriptors(&socket, takes_descriptors);
                NamedSocket::take_over(socket, &options.address, options.lock)
            }
            None => unix::listen(&options),
        };
        let opened = self.open_unix(Request::of_name(&name, true), takes_descriptors, listen);
        let (listener, key) = opened.map_err(|error| cannot_listen_unix(&options.address, error))?;
        let port = self.accept_on(
            Box::new(listener) as AnyListener,
            options.limits,
            options.connection,
            FactoryCell::new(factory),
        );
        self.0.shared_ports.hold(key, &port);
        Ok(port)
    }

    pub(crate) fn accept_on(
        &self,
        listener: impl Listener,
        limits: AcceptLimits,
        options: ConnectionOptions,
        factory: FactoryCell,
    ) -> Port {
        let port = acceptor::start(&self.0, listener, limits, options, factory);
        self.add_port(&port);
        port
    }

    /// Accepts on the TCP socket that another reactor of the group has opened, or that `listen` opens.
    fn open_tcp(
        &self,
        request: Request<'_>,
        listen: impl FnOnce() -> io::Result<Socket>,
    ) -> io::Result<(TcpPort, PortKey)> {
        let load = &self.0.shared_ports.load;
        let join = |socket: &mut PortSocket| join_tcp(socket, load);
        let open = |_: &[SocketAddr]| {
            let inherited = self.inherited(PortKind::Tcp, request.name, &[])?;
            share_tcp(inherited.map_or_else(listen, Ok)?, load)
        };
        self.open_shared(request, join, open)
    }

    /// The same for a UNIX socket.
    fn open_unix(
        &self,
        request: Request<'_>,
        takes_descriptors: bool,
        listen: impl FnOnce() -> io::Result<NamedSocket>,
    ) -> io::Result<(UnixPort, PortKey)> {
        let load = &self.0.shared_ports.load;
        let join = |socket: &mut PortSocket| join_unix(socket, load, takes_descriptors);
        let open = |_: &[SocketAddr]| share_unix(listen()?, load, takes_descriptors);
        self.open_shared(request, join, open)
    }

    /// Joins what another reactor of the group has opened, or opens it, in the runtime's context.
    fn open_shared<T>(
        &self,
        request: Request<'_>,
        join: impl FnOnce(&mut PortSocket) -> io::Result<Option<T>>,
        open: impl FnOnce(&[SocketAddr]) -> io::Result<(T, PortSocket)>,
    ) -> io::Result<(T, PortKey)> {
        self.unless_stopped(|| self.in_context(|| self.0.shared_ports.open(request, join, open)))
    }

    /// Listens for UDP datagrams; the protocol that `build` returns receives and sends them. `build` is called at once.
    /// Receiving begins when the reactor runs. A client listens, too: on port 0, with [`DatagramTransport::connect`] if
    /// it has one peer. [`DatagramOptions`] lists the accepted forms of the address, and the options;
    /// [`DatagramProtocol`] has an example. Twisted's `listenUDP`.
    ///
    /// # Errors
    ///
    /// As [`listen_tcp`](Self::listen_tcp); `build` is not called.
    pub fn listen_udp<P: DatagramProtocol>(
        &self,
        address: impl Into<DatagramOptions>,
        build: impl FnOnce(DatagramTransport) -> P,
    ) -> io::Result<Port> {
        let options = address.into();
        let wanted = options.socket_addr()?;
        if let Some(host) = self.0.simulated() {
            let bind = || host.network.bind_datagrams(host.id, wanted, &options);
            let socket = self.unless_stopped(bind).map_err(|error| cannot_listen(wanted, error))?;
            return Ok(self.start_datagrams(Rc::new(socket), build));
        }
        let opened = self.open_udp(wanted, &options);
        let (socket, key) = opened.map_err(|error| cannot_listen(wanted, error))?;
        let port = self.start_datagrams(Rc::new(socket), build);
        self.0.shared_ports.hold(key, &port);
        Ok(port)
    }

    /// Receives and sends datagrams on a UNIX socket, by the protocol that `build` returns. `build` is called at once.
    /// Receiving begins when the reactor runs. [`UnixDatagramOptions`] lists the accepted forms of the address, and the
    /// options. Twisted's `listenUNIXDatagram` and, with [`DatagramTransport::connect`] in `start_protocol`, its
    /// `connectUNIXDatagram`: a client that wants answers needs a name of its own.
    ///
    /// ```no_run
    /// use reactor::Reactor;
    /// use reactor::address::UnixAddress;
    /// use reactor::datagram::{DatagramProtocol, DatagramTransport};
    ///
    /// struct Log { transport: DatagramTransport<UnixAddress> }
    ///
    /// impl DatagramProtocol<UnixAddress> for Log {
    ///     fn datagram_received(&mut self, data: &[u8], peer: UnixAddress) {
    ///         println!("{peer}: {}", String::from_utf8_lossy(data));
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.listen_unix_datagram("/run/log.sock", |transport| Log { transport })?;
    /// reactor.run()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`listen_unix`](Self::listen_unix); `build` is not called.
    pub fn listen_unix_datagram<P: DatagramProtocol<UnixAddress>>(
        &self,
        address: impl Into<UnixDatagramOptions>,
        build: impl FnOnce(DatagramTransport<UnixAddress>) -> P,
    ) -> io::Result<Port> {
        let options = address.into();
        let name = PortKind::UnixDatagram.name(&options.address.unique_text());
        let join = |socket: &mut PortSocket| match socket.named() {
            Some(named) => UnixDatagramPort::on(named).map(Some),
            None => Ok(None),
        };
        let open = |_: &[SocketAddr]| {
            let named = Arc::new(match self.inherited(PortKind::UnixDatagram, &name, &[])? {
                Some(socket) => NamedSocket::take_over(socket, &options.address, options.lock)?,
                None => UnixDatagramPort::bind(&options)?,
            });
            let shared = PortSocket::UnixDatagram(Arc::downgrade(&named));
            Ok((UnixDatagramPort::on(named)?, shared))
        };
        let opened = self.open_shared(Request::of_name(&name, !options.address.is_unnamed()), join, open);
        let (socket, key) = opened.map_err(|error| cannot_listen_unix(&options.address, error))?;
        let port = self.start_datagrams(Rc::new(socket), build);
        self.0.shared_ports.hold(key, &port);
        Ok(port)
    }

    pub(crate) fn start_datagrams<A: DatagramAddress, P: DatagramProtocol<A>>(
        &self,
        socket: Rc<dyn DatagramSocket<A>>,
        build: impl FnOnce(DatagramTransport<A>) -> P,
    ) -> Port {
        let (port, task) = datagram::driver::start(&self.0.hub, socket, build);
        self.0.spawn_driver(task);
        self.add_port(&port);
        port
    }

    /// Binds a socket, or another one to the address that a reactor of the group has got by the same request.
    fn open_udp(&self, wanted: SocketAddr, options: &DatagramOptions) -> io::Result<(UdpPort, PortKey)> {
        let name = PortKind::Udp.name(&wanted.to_string());
        let join = |socket: &mut PortSocket| {
            let PortSocket::Udp(address, sockets) = socket else { return Ok(None) };
            sockets.retain(|socket| socket.strong_count() > 0);
            // The system lets sockets share an address if all of them say so.
            for socket in sockets.iter().filter_map(Weak::upgrade) {
                SockRef::from(&socket).set_reuse_port(true)?;
            }
            let left = self.0.shared_ports.registry.inherit(&name, |socket| is_at(socket, *address));
            let port = match left.map(Socket::from) {
                Some(socket) => {
                    PortKind::Udp.prepare(&socket)?;
                    socket.set_reuse_port(true)?;
                    UdpPort::adopt(socket)?
                }
                None => UdpPort::bind(*address, options, true)?,
            };
            sockets.push(Arc::downgrade(port.socket()));
            Ok(Some(port))
        };
        let open = |known: &[SocketAddr]| {
            let port = match self.inherited(PortKind::Udp, &name, known)? {
                Some(socket) => UdpPort::adopt(socket)?,
                None => UdpPort::bind(wanted, options, false)?,
            };
            let shared = PortSocket::Udp(port.socket_addr(), vec![Arc::downgrade(port.socket())]);
            Ok((port, shared))
        };
        self.open_shared(Request::of_port(&name, wanted.port()), join, open)
    }

    /// The socket that the previous process has left under this name, at none of these addresses; an error if it is not
    /// one for such a port.
    fn inherited(&self, kind: PortKind, name: &str, known: &[SocketAddr]) -> io::Result<Option<Socket>> {
        let is_new = |socket: &OwnedFd| !known.iter().any(|address| is_at(socket, *address));
        let Some(socket) = self.0.shared_ports.registry.inherit(name, is_new) else { return Ok(None) };
        let socket = Socket::from(socket);
        kind.prepare(&socket)?;
        Ok(Some(socket))
    }

    /// Runs `open` unless the reactor is stopping, which would never close the result.
    pub(crate) fn unless_stopped<S>(&self, open: impl FnOnce() -> io::Result<S>) -> io::Result<S> {
        if self.0.is_stopping() {
            return Err(io::Error::other("the reactor has stopped"));
        }
        open()
    }

    /// Runs what needs the context of the runtime.
    pub(crate) fn in_context<S>(&self, open: impl FnOnce() -> io::Result<S>) -> io::Result<S> {
        match &self.0.backend {
            Backend::Tokio(tokio) => {
                let runtime = tokio.runtime.borrow();
                let _context = runtime.as_ref().map(LocalRuntime::enter);
                open()
            }
            Backend::Memory(_) => Err(no_network()),
        }
    }

    fn add_port(&self, port: &Port) {
        let mut ports = self.0.ports.borrow_mut();
        ports.retain(|port| !port.is_over());
        ports.push(port.clone());
    }
}

/// Whether a socket is bound to this address.
fn is_at(socket: &OwnedFd, address: SocketAddr) -> bool {
    SockRef::from(socket).local_addr().ok().and_then(|local| local.as_socket()) == Some(address)
}

pub(crate) fn cannot_listen_unix(address: &UnixAddress, error: io::Error) -> io::Error {
    CannotListen::on(address.clone(), unix::file::explain(address, &error), error)
}

fn cannot_listen(address: SocketAddr, error: io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::AddrInUse => "address in use".to_owned(),
        io::ErrorKind::AddrNotAvailable => "not an address of this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied (ports below 1024 need a privilege)".to_owned(),
        _ => error.to_string(),
    };
    CannotListen::on(address, text, error)
}

/// The failure to listen on an address. Twisted's `CannotListenError`.
struct CannotListen {
    address: Address,
    text: String,
    source: io::Error,
}

impl CannotListen {
    fn on(address: impl Into<Address>, text: String, source: io::Error) -> io::Error {
        io::Error::new(source.kind(), Self { address: address.into(), text, source })
    }
}

/// Displays as the text, which is shown when `main` returns the error.
impl fmt::Debug for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string(), f)
    }
}

impl fmt::Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.text)
    }
}

impl std::error::Error for CannotListen {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
