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
pub(crate) mod inheritable;
#[cfg(feature = "service")]
pub(crate) mod listen_fds;
#[cfg(feature = "service")]
pub(crate) mod socket_activation;

pub use handover::Handover;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::{fmt, io};

use socket2::Socket;
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
use crate::listen::inheritable::{InheritableSocket, PortKind};
use crate::net::bind::Bind;
use crate::net::connection_options::ConnectionOptions;
use crate::net::listen_options::ListenOptions;
use crate::net::tcp::TcpPort;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
use crate::reactor::Reactor;
use crate::reactor::core::{Backend, no_network};
use crate::unix::UnixPort;
use crate::unix::datagram::UnixDatagramPort;
use crate::unix::file::NamedSocket;
use crate::unix::options::{UnixDatagramOptions, UnixListenOptions};
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
            let name = PortKind::Tcp.name(&wanted.to_string());
            let listener: TcpPort = self.bind(wanted, PortKind::Tcp, &name, &options)?;
            let inheritable = InheritableSocket::tcp(name, listener.socket());
            let port = self.accept_on(listener, options.limits, options.connection, factory);
            port.set_inheritable(inheritable);
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
        let bind = || UnixPort::bind(&options);
        let on = |named| UnixPort::on(named, options.receive_file_descriptors);
        let (listener, inheritable) = self.bind_unix(PortKind::Unix, &options.address, options.lock, bind, on)?;
        let factory = FactoryCell::new(factory);
        let listener: AnyListener = Box::new(listener);
        let port = self.accept_on(listener, options.limits, options.connection, factory);
        port.set_inheritable(inheritable);
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

    /// Binds a socket, unless another reactor has already bound it for this one, and makes a port of it.
    fn bind_unix<S>(
        &self,
        kind: PortKind,
        address: &UnixAddress,
        lock: bool,
        bind: impl FnOnce() -> io::Result<NamedSocket>,
        port: impl FnOnce(Arc<NamedSocket>) -> io::Result<S>,
    ) -> io::Result<(S, InheritableSocket)> {
        let name = kind.name(&address.unique_text());
        let bind = || match self.inherited(kind, &name)? {
            Some(socket) => NamedSocket::take_over(socket, address, lock),
            None => bind(),
        };
        let open = || {
            let named = match &*self.0.shared_ports.borrow() {
                Some(shared) => shared.bind_unix(bind)?,
                None => Arc::new(bind()?),
            };
            Ok((port(Arc::clone(&named))?, named))
        };
        let opened = self.unless_stopped(|| self.in_context(open));
        let opened = opened.map(|(port, named)| (port, InheritableSocket::unix(name.clone(), &named)));
        opened.map_err(|error| CannotListen::on(address.clone(), unix::file::explain(address, &error), error))
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
        let name = PortKind::Udp.name(&wanted.to_string());
        let socket: UdpPort = self.bind(wanted, PortKind::Udp, &name, &options)?;
        let inheritable = InheritableSocket::udp(name, socket.socket());
        let port = self.start_datagrams(Rc::new(socket), build);
        port.set_inheritable(inheritable);
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
        let bind = || UnixDatagramPort::bind(&options);
        let (socket, inheritable) =
            self.bind_unix(PortKind::UnixDatagram, &options.address, options.lock, bind, UnixDatagramPort::on)?;
        let port = self.start_datagrams(Rc::new(socket), build);
        port.set_inheritable(inheritable);
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

    /// Binds a socket, which several reactors share if this one is set up as one of a group, or adopts the one that the
    /// previous process has left.
    fn bind<S: Bind>(&self, wanted: SocketAddr, kind: PortKind, name: &str, options: &S::Options) -> io::Result<S> {
        if let Some(socket) = self.inherited(kind, name).map_err(|error| cannot_listen(wanted, error))? {
            let adopt = || self.in_context(|| S::adopt(socket));
            return self.unless_stopped(adopt).map_err(|error| cannot_listen(wanted, error));
        }
        let bind = |address, share| {
            let bind = || self.in_context(|| S::bind(address, options, share));
            self.unless_stopped(bind).map_err(|error| cannot_listen(wanted, error))
        };
        match &*self.0.shared_ports.borrow() {
            Some(shared) => shared.bind(wanted, bind, S::socket_addr),
            None => bind(wanted, false),
        }
    }

    /// The socket that the previous process has left under this name; an error if it is not one for such a port.
    fn inherited(&self, kind: PortKind, name: &str) -> io::Result<Option<Socket>> {
        let mut inherited = self.0.inherited.borrow_mut();
        let Some(index) = inherited.iter().position(|(other, _)| other == name) else { return Ok(None) };
        let socket = Socket::from(inherited.remove(index).1);
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
            Backend::Tokio(runtime) => {
                let runtime = runtime.borrow();
                let _context = runtime.as_ref().map(LocalRuntime::enter);
                open()
            }
            Backend::Memory(_) => Err(no_network()),
        }
    }

    fn add_port(&self, port: &Port) {
        let mut ports = self.0.ports.borrow_mut();
        ports.retain(|port| !port.has_closed());
        ports.push(port.clone());
    }
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
