use std::fmt;
use std::net::SocketAddr;

/// One end of a connection: Twisted's `IPv4Address`, `IPv6Address` and their kin as one value.
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
    /// One end of a link inside this process, as the testing kit makes them.
    Memory(&'static str),
}

impl Address {
    /// The internet address and port, if it is one.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Memory(_) => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => write!(f, "{address}"),
            Self::Memory(name) => write!(f, "memory:{name}"),
        }
    }
}
