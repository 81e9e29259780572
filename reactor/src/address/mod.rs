//! The addresses of peers and ports, and the targets that programs connect to.
//!
//! An [`Address`] is one end of a connection or a port: [`peer`](crate::Transport::peer), [`host`](crate::Port::host).
//! A [`Target`] is what a client connects to, possibly by a name that is yet to be resolved; [`ToTarget`] converts into
//! one. A [`UnixAddress`] is the path or the abstract name of a UNIX socket, and [`PeerCredentials`] identify the
//! process at its other end. [`DatagramAddress`] is what datagrams are sent to: a `SocketAddr` or a `UnixAddress`.
//!
//! ```
//! use reactor::Address;
//! use reactor::address::{Target, UnixAddress};
//!
//! let address = Address::from(UnixAddress::from("/run/time.sock"));
//! assert_eq!(address.to_string(), "/run/time.sock");
//! let target: Target = "localhost:21567".parse()?;
//! assert!(matches!(target, Target::Name { port: 21567, .. }));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has `twisted.internet.address`, where each family is a class of its own.

pub(crate) mod datagram;
pub(crate) mod peer_credentials;
pub(crate) mod target;
pub(crate) mod unix;

pub use datagram::DatagramAddress;
pub use peer_credentials::PeerCredentials;
pub use target::{Target, ToTarget};
pub use unix::UnixAddress;

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// One end of a connection: Twisted's `IPv4Address`, `IPv6Address`, `UNIXAddress` as one value.
///
/// ```
/// use reactor::Address;
///
/// let address = Address::Inet("127.0.0.1:8007".parse().unwrap());
/// assert_eq!(address.to_string(), "127.0.0.1:8007");
/// assert_eq!(address.socket_addr().map(|a| a.port()), Some(8007));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An internet address and port, of either family.
    Inet(SocketAddr),
    /// The address of a UNIX socket.
    Unix(UnixAddress),
    /// Standard input and output, or the pipes or terminal of a child process. Twisted's `PipeAddress`.
    Pipe,
    /// One end of a link inside this process, by a name: made by the testing kit, or given to
    /// [`adopt_stream`](crate::Reactor::adopt_stream). See [`Address::memory`].
    Memory(Arc<str>),
}

impl Address {
    /// One end of a link inside this process.
    ///
    /// ```
    /// use reactor::Address;
    ///
    /// let number = 7;
    /// assert_eq!(Address::memory(format!("tunnel-{number}")).to_string(), "memory:tunnel-7");
    /// ```
    pub fn memory(name: impl Into<Arc<str>>) -> Self {
        Self::Memory(name.into())
    }

    /// The internet address and port, if it is one.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) | Self::Pipe | Self::Memory(_) => None,
        }
    }

    /// The peer that limits count this address for: an IPv4 address, or an IPv6 network of 64 bits, because one host
    /// may have all of its addresses, without a port. An IPv4 address mapped into IPv6 counts as that IPv4 address; an
    /// address that is not an internet address counts as itself.
    ///
    /// ```
    /// use reactor::Address;
    ///
    /// let network = |address: &str| Address::Inet(address.parse().unwrap()).network();
    /// assert_eq!(network("[2001:db8::1]:80"), network("[2001:db8::2]:81"));
    /// assert_ne!(network("192.0.2.1:80"), network("192.0.2.2:80"));
    /// ```
    pub fn network(&self) -> Self {
        self.source().map_or_else(|| self.clone(), |ip| SocketAddr::new(ip, 0).into())
    }

    /// The IP address of the [network](Self::network), if it has one.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        Some(match self.socket_addr()?.ip().to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
            ip @ IpAddr::V4(_) => ip,
        })
    }
}

/// Replaces a mapped address by the IPv4 address of a peer on a socket for both families.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        // Kept whole: without its scope, a link-local address cannot be answered.
        IpAddr::V6(_) => address,
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl From<UnixAddress> for Address {
    fn from(address: UnixAddress) -> Self {
        Self::Unix(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Unix(address) => address.fmt(f),
            Self::Pipe => f.write_str("pipe"),
            Self::Memory(name) => write!(f, "memory:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_told_apart_by_host_or_ipv6_network() {
        let network = |address: &str| Address::Inet(address.parse().unwrap()).network();
        assert_eq!(network("192.0.2.1:1"), network("192.0.2.1:2"));
        assert_eq!(network("192.0.2.1:1"), network("[::ffff:192.0.2.1]:3"));
        assert_ne!(network("192.0.2.1:1"), network("192.0.2.2:1"));
        assert_eq!(network("[2001:db8::1]:1"), network("[2001:db8::ffff:1]:1"));
        assert_ne!(network("[2001:db8::1]:1"), network("[2001:db8:0:1::1]:1"));
        assert_ne!(Address::memory("a").network(), Address::memory("b").network());
    }

    #[test]
    fn a_mapped_address_is_shown_as_ipv4_and_a_link_local_one_keeps_its_scope() {
        for (address, shown) in [
            ("[::ffff:127.0.0.1]:7", "127.0.0.1:7"),
            ("127.0.0.1:7", "127.0.0.1:7"),
            ("[::1]:7", "[::1]:7"),
            ("[fe80::1%3]:7", "[fe80::1%3]:7"),
        ] {
            assert_eq!(unmapped(address.parse().unwrap()).to_string(), shown);
        }
    }
}
