use std::fmt;
use std::net::SocketAddr;

use crate::address::Address;
use crate::address::unix::UnixAddress;

/// The addresses of datagrams: a [`SocketAddr`] over UDP, a [`UnixAddress`] on a UNIX socket.
pub trait DatagramAddress: Clone + PartialEq + fmt::Debug + fmt::Display + Into<Address> + 'static {
    /// Whether both belong to the same peer.
    #[doc(hidden)]
    fn is_same(&self, other: &Self) -> bool;
}

impl DatagramAddress for SocketAddr {
    /// The scope and the flow of an IPv6 address say how to reach the peer, not who it is.
    fn is_same(&self, other: &Self) -> bool {
        self.ip().to_canonical() == other.ip().to_canonical() && self.port() == other.port()
    }
}

impl DatagramAddress for UnixAddress {
    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}
