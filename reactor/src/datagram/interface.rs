use std::net::Ipv4Addr;
use std::{fmt, io};

/// A network interface, for multicast. Twisted gives an IPv4 address or an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interface {
    /// The interface that the system's routes choose.
    #[default]
    Any,
    /// The interface with this address; for IPv4 groups only.
    Address(Ipv4Addr),
    /// The interface with this number, as shown by `ip link` and used as the scope of an IPv6 address.
    Index(u32),
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any interface"),
            Self::Address(address) => write!(f, "the interface of {address}"),
            Self::Index(index) => write!(f, "interface {index}"),
        }
    }
}

pub(crate) fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
