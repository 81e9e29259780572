//! Ports on sockets that the process was started with.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::connection::factory::{Factory, FactoryCell};
use crate::driver::stream::AnyListener;
use crate::listen::adopt::is_unix;
use crate::net::connection_options::ConnectionOptions;
use crate::net::tcp::TcpPort;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
use crate::port::seats::Seats;
use crate::reactor::Reactor;
use crate::reactor::port_registry::{PortSocket, Request};
use crate::unix::UnixPort;
use crate::unix::file::NamedSocket;

impl Reactor {
    /// Accepts connections on a socket that the process was started with, which `take` takes unless another reactor of the
    /// group has done so by the same name.
    pub(crate) fn listen_inherited(
        &self,
        name: &str,
        take: impl FnOnce() -> io::Result<OwnedFd>,
        limits: AcceptLimits,
        factory: impl Factory,
    ) -> io::Result<Port> {
        let (request, options) = (Request::of_process(name), ConnectionOptions::default());
        let load = &self.0.shared_ports.load;
        let join = |socket: &mut PortSocket| {
            let Some(seats) = socket.seats() else { return Ok(None) };
            let seat = seats.take(load);
            Ok(match socket {
                PortSocket::Tcp(socket, _) => match socket.upgrade() {
                    Some(socket) => Some(InheritedPort::Tcp(TcpPort::new(socket, seat)?)),
                    None => None,
                },
                _ => match socket.named() {
                    Some(named) => Some(InheritedPort::Unix(UnixPort::new(named, seat, true)?)),
                    None => None,
                },
            })
        };
        let open = |_: &[SocketAddr]| {
            let socket = self.adopted_listener(take()?)?;
            let seats = Arc::<Seats>::default();
            let seat = seats.take(load);
            Ok(if is_unix(&socket)? {
                let named = Arc::new(NamedSocket::adopted(socket));
                let shared = PortSocket::Unix(Arc::downgrade(&named), Arc::downgrade(&seats));
                (InheritedPort::Unix(UnixPort::new(named, seat, true)?), shared)
            } else {
                let socket = Arc::new(socket);
                let shared = PortSocket::Tcp(Arc::downgrade(&socket), Arc::downgrade(&seats));
                (InheritedPort::Tcp(TcpPort::new(socket, seat)?), shared)
            })
        };
        let (opened, key) = self.open_shared(request, join, open)?;
        let factory = FactoryCell::new(factory);
        let port = match opened {
            InheritedPort::Tcp(listener) => self.accept_on(listener, limits, options, factory),
            InheritedPort::Unix(listener) => {
                self.accept_on(Box::new(listener) as AnyListener, limits, options, factory)
            }
        };
        self.0.shared_ports.hold(key, &port);
        Ok(port)
    }
}

/// What an inherited socket turned out to be.
enum InheritedPort {
    Tcp(TcpPort),
    Unix(UnixPort),
}
