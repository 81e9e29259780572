use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::net::connection_options::ConnectionOptions;
use crate::port::accept_limits::AcceptLimits;

/// Where and how to listen. With the defaults, a bare port, an address or a text is enough.
///
/// - a port (`8007`): all IPv4 interfaces, as in Twisted; with port 0 the system chooses one, and
///   [`Port::host`](crate::Port::host) returns it
/// - a [`SocketAddr`], or `(IpAddr, u16)`
/// - a text: `"8007"`, `"127.0.0.1:8007"` or `"[::1]:8007"`; any other text is an error when listening
///
/// ```
/// use reactor::Reactor;
/// use reactor::net::ListenOptions;
/// use reactor::port::AcceptLimits;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let options = ListenOptions::new("127.0.0.1:0").backlog(64).limits(AcceptLimits::new().connections(1000));
/// let port = reactor.listen_tcp(options, |transport| Echo { transport })?;
/// println!("listening on {}", port.host());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ListenOptions {
    pub(crate) address: Result<SocketAddr, String>,
    pub(crate) backlog: u32,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) limits: AcceptLimits,
    pub(crate) connection: ConnectionOptions,
}

impl ListenOptions {
    /// The defaults for this address.
    pub fn new(address: impl Into<Self>) -> Self {
        address.into()
    }

    fn at(address: Result<SocketAddr, String>) -> Self {
        Self {
            address,
            backlog: 1024,
            reuse_address: true,
            reuse_port: false,
            limits: AcceptLimits::default(),
            connection: ConnectionOptions::default(),
        }
    }

    /// How many connections may wait to be accepted (1,024; the system has a maximum of its own).
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// `SO_REUSEADDR`: whether to take a port on which connections of an earlier process linger (on).
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// `SO_REUSEPORT`: whether to share the port with other processes of the same user that request the same (off). The
    /// system spreads the connections among them. When one of them ends, the connections in its backlog are reset, so
    /// drain it first, or use a [`Handover`](crate::listen::Handover). The reactors of
    /// [`run_on_threads`](crate::run_on_threads) share their ports without this. UDP ports have
    /// [`listen_multiple`](crate::datagram::DatagramOptions::listen_multiple).
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// How many connections to accept, in total, of one peer and per second.
    pub fn limits(mut self, limits: AcceptLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What holds for each of the port's connections.
    pub fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }

    pub(crate) fn socket_addr(&self) -> io::Result<SocketAddr> {
        self.address.clone().map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

impl From<u16> for ListenOptions {
    fn from(port: u16) -> Self {
        Self::from(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
    }
}

impl From<SocketAddr> for ListenOptions {
    fn from(address: SocketAddr) -> Self {
        Self::at(Ok(address))
    }
}

impl From<(IpAddr, u16)> for ListenOptions {
    fn from(address: (IpAddr, u16)) -> Self {
        Self::from(SocketAddr::from(address))
    }
}

impl From<&str> for ListenOptions {
    fn from(text: &str) -> Self {
        // `parse` alone would take "+80".
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let address = match text.parse() {
            Ok(port) if digits => Ok(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))),
            _ => text.parse(),
        };
        Self::at(address.map_err(|_| {
            format!("cannot listen on '{text}': expected a port (0 to 65535), or an IP address and port as in 127.0.0.1:8007 or [::1]:8007")
        }))
    }
}

impl From<String> for ListenOptions {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_to_listen_on_is_a_port_or_an_address_and_nothing_else() {
        for (text, expected) in [("8007", "0.0.0.0:8007"), ("127.0.0.1:0", "127.0.0.1:0"), ("[::1]:80", "[::1]:80")] {
            assert_eq!(ListenOptions::from(text).socket_addr().unwrap(), expected.parse().unwrap());
        }
        for text in ["", "+80", "-1", " 80", "65536", "localhost:80", "127.0.0.1", "::1"] {
            assert!(ListenOptions::from(text).socket_addr().is_err(), "{text:?}");
        }
    }
}
