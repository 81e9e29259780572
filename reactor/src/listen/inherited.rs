//! Ports on sockets that the process was started with.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use crate::connection::factory::{Factory, FactoryCell};
use crate::driver::stream::AnyListener;
use crate::listen::adopt::is_unix;
use crate::listen::sharing::{join_tcp, join_unix, share_tcp, share_unix};
use crate::net::connection_options::ConnectionOptions;
use crate::net::tcp::TcpPort;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
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
        let join = |socket: &mut PortSocket| match socket {
            PortSocket::Tcp(..) => Ok(join_tcp(socket, load)?.map(InheritedPort::Tcp)),
            _ => Ok(join_unix(socket, load, true)?.map(InheritedPort::Unix)),
        };
        let open = |_: &[SocketAddr]| {
            let socket = self.adopted_listener(take()?)?;
            Ok(if is_unix(&socket)? {
                let (port, shared) = share_unix(NamedSocket::adopted(socket), load, true)?;
                (InheritedPort::Unix(port), shared)
            } else {
                let (port, shared) = share_tcp(socket, load)?;
                (InheritedPort::Tcp(port), shared)
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
