use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::driver::linger::LingerLimits;
use crate::net::connection_options::{ConnectionOptions, KeepAliveProbes};
use crate::port::accept_limits::{AcceptLimits, AcceptRate};

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
    /// The defaults for this address.
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

    /// `SO_REUSEADDR`: whether to take a port on which connections of an earlier process linger (on).
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// The maximum number of live connections of this port; further ones are closed as soon as they are accepted (no
    /// limit).
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections;
        self
    }

    /// The maximum number of connections that one peer may have with this port at a time (half of
    /// [`max_connections`](Self::max_connections), and half of the reactor's
    /// [budget](crate::Reactor::connection_budget) over all ports). A peer is an IPv4 address, or an IPv6 network of 64
    /// bits, because one host may have all of its addresses: see [`Address::network`](crate::Address::network). Further
    /// connections are closed as soon as they are accepted. Behind a proxy all clients are one peer: set `usize::MAX`
    /// there.
    pub fn max_connections_per_peer(mut self, connections: usize) -> Self {
        self.limits.per_peer = Some(connections);
        self
    }

    /// The maximum number of accepted connections that are not yet established, because a layer around the protocol
    /// waits for a header or a handshake (512). When one more comes, the oldest of the peer that has most of them gives
    /// way; the same happens when the port or the reactor has no room for another connection. So clients that open many
    /// connections and send nothing only keep themselves out. Without such a layer, a connection is established when it
    /// is accepted. See [`Transport::mark_pending`](crate::Transport::mark_pending).
    pub fn max_pending(mut self, connections: usize) -> Self {
        self.limits.pending = connections;
        self
    }

    /// How many of these one peer may have (half of [`max_pending`](Self::max_pending)). When one more comes, the
    /// peer's own oldest gives way.
    pub fn max_pending_per_peer(mut self, connections: usize) -> Self {
        self.limits.pending_per_peer = Some(connections);
        self
    }

    /// How many connections are accepted per second, and how many at once after a quiet time (no limit). Further
    /// clients are not refused: they wait, up to the [backlog](Self::backlog) with the system, until they are accepted.
    /// [`Port::accept_wait_count`](crate::Port::accept_wait_count) counts the waits.
    ///
    /// # Panics
    ///
    /// If either number is zero.
    #[track_caller]
    pub fn accept_rate(mut self, connections_per_second: u32, burst: u32) -> Self {
        self.limits.rate = Some(AcceptRate::new(connections_per_second, burst));
        self
    }

    /// `TCP_NODELAY` (on: all writes of a callback are already joined).
    pub fn no_delay(mut self, on: bool) -> Self {
        self.socket.no_delay = on;
        self
    }

    /// As [`Transport::set_keep_alive`](crate::Transport::set_keep_alive) (after 5 minutes of silence), so that a peer
    /// that has vanished silently does not keep its connection forever.
    pub fn keep_alive(mut self, idle: Option<Duration>) -> Self {
        self.socket.keep_alive = idle;
        self
    }

    /// How often a silent peer is probed (a tenth of [`keep_alive`](Self::keep_alive), at least a second), and how many
    /// probes in a row may stay unanswered before the connection ends (9). The system takes 1 to 127 of them.
    pub fn keep_alive_probes(mut self, interval: Duration, count: u32) -> Self {
        self.socket.probes = KeepAliveProbes { interval: Some(interval), count };
        self
    }

    /// `TCP_USER_TIMEOUT` (RFC 5482): how long the peer may leave sent data unacknowledged before the connection is
    /// lost (off: the system's timeout, about 15 minutes). Keep-alive does not cover this, because it only probes while
    /// nothing is on its way; where both are set, this is how long the peer may leave probes unanswered.
    pub fn user_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.socket.user_timeout = timeout;
        self
    }

    /// How many bytes may be unsent (16 MiB): see [`Transport::write`](crate::Transport::write).
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.socket.output_limit = bytes;
        self
    }

    /// How long the socket of a connection that this side closed first waits for the peer to end, too: since the peer
    /// last sent anything (2 s), and in total (30 s). Data that arrives meanwhile is dropped. Without this wait the
    /// system might reset the connection and destroy bytes that the peer has not read yet.
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
