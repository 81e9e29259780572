use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::driver::linger::LingerLimits;
use crate::net::connection_options::ConnectionOptions;
use crate::port::accept_limits::{AcceptLimits, AcceptRate};

/// Where and how to listen. A bare port, an address or a text does where the defaults do.
///
/// - a port (`8007`): all IPv4 interfaces, as in Twisted; port 0 lets the system choose,
///   [`Port::host`](crate::Port::host) tells which
/// - a [`SocketAddr`], or `(IpAddr, u16)`
/// - a text: `"8007"`, `"127.0.0.1:8007"` or `"[::1]:8007"`; one that is neither is an error when listening
///
/// ```
/// use reactor::Reactor;
/// use reactor::net::ListenOptions;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_tcp(
///     ListenOptions::new("127.0.0.1:0").backlog(64).max_connections(1000),
///     |transport| Echo { transport },
/// )?;
/// println!("listening on {}", port.host());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ListenOptions {
    pub(crate) address: Result<SocketAddr, String>,
    pub(crate) backlog: u32,
    pub(crate) reuse_address: bool,
    pub(crate) limits: AcceptLimits,
    pub(crate) socket: ConnectionOptions,
}

impl ListenOptions {
    /// The defaults, for this address.
    pub fn new(address: impl Into<Self>) -> Self {
        address.into()
    }

    fn at(address: Result<SocketAddr, String>) -> Self {
        Self {
            address,
            backlog: 1024,
            reuse_address: true,
            limits: AcceptLimits::default(),
            socket: ConnectionOptions::default(),
        }
    }

    /// How many connections may wait to be accepted (1,024; the system has a maximum of its own).
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// `SO_REUSEADDR`: whether to take a port on which connections of a former process linger (on).
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// How many connections of this port may be alive; those beyond are closed as soon as they are accepted (no
    /// limit).
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections;
        self
    }

    /// How many connections any one peer may have with this port at a time (half of
    /// [`max_connections`](Self::max_connections), and half of the reactor's
    /// [budget](crate::Reactor::connection_budget) over all ports): an IPv4 address, or an IPv6 network of 64 bits, of
    /// which one host may have every address. Those beyond are closed as soon as they are accepted. See
    /// [`Address::network`](crate::Address::network). Behind a proxy all clients are one peer here: give `usize::MAX` there.
    pub fn max_connections_per_peer(mut self, connections: usize) -> Self {
        self.limits.per_peer = Some(connections);
        self
    }

    /// How many connections of this port may be accepted and not yet established, because a layer around the protocol
    /// waits for a header or a handshake (512). When one more comes, the oldest of them gives way, of the peer that has
    /// most; so it does where the port or the reactor has no room for another connection. So clients who open many and say
    /// nothing keep nobody out but themselves. Without such a layer, a connection is established when it is accepted. See
    /// [`Transport::mark_pending`](crate::Transport::mark_pending).
    pub fn max_pending(mut self, connections: usize) -> Self {
        self.limits.pending = connections;
        self
    }

    /// How many of these any one peer may have (half of [`max_pending`](Self::max_pending)): when one more comes, the
    /// peer's own oldest gives way.
    pub fn max_pending_per_peer(mut self, connections: usize) -> Self {
        self.limits.pending_per_peer = Some(connections);
        self
    }

    /// How many connections are accepted in a second, and how many at once when fewer have come for a while (no limit).
    /// Clients beyond are not refused: they wait, up to the [backlog](Self::backlog) with the system, until they are
    /// accepted. [`Port::accept_wait_count`](crate::Port::accept_wait_count) tells how often.
    ///
    /// # Panics
    ///
    /// If one of the two is zero.
    #[track_caller]
    pub fn accept_rate(mut self, connections_per_second: u32, burst: u32) -> Self {
        self.limits.rate = Some(AcceptRate::new(connections_per_second, burst));
        self
    }

    /// `TCP_NODELAY` (on: all writes of a callback are joined already).
    pub fn no_delay(mut self, on: bool) -> Self {
        self.socket.no_delay = on;
        self
    }

    /// As [`Transport::set_keep_alive`](crate::Transport::set_keep_alive) (off).
    pub fn keep_alive(mut self, idle: Option<Duration>) -> Self {
        self.socket.keep_alive = idle;
        self
    }

    /// `TCP_USER_TIMEOUT` (RFC 5482): after how long a connection is lost on which the peer acknowledges nothing of what was
    /// sent (off: the system's, which is about 15 minutes). Keep-alive says nothing of that, for it begins where nothing
    /// is on its way; where both are set, this is how long the peer may leave its probes without an answer.
    pub fn user_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.socket.user_timeout = timeout;
        self
    }

    /// How many bytes may be unsent (16 MiB): see [`Transport::write`](crate::Transport::write).
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.socket.output_limit = bytes;
        self
    }

    /// After the end of a connection on which this side closed first: how long its socket waits for the peer to end,
    /// too, since the peer last sent anything (2 s), and in all (30 s). What arrives meanwhile is thrown away. Without
    /// this wait the system might reset the connection and destroy bytes that the peer has not read yet.
    pub fn linger(mut self, idle: Duration, total: Duration) -> Self {
        self.socket.linger = LingerLimits { idle, total };
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
