//! The addresses of simulated hosts, and which of them a socket receives on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A host's place in the network.
pub(crate) type HostId = usize;

pub(crate) fn ipv4_of(host: HostId) -> Ipv4Addr {
    let [high, low] = (host as u16 + 1).to_be_bytes();
    Ipv4Addr::new(10, 0, high, low)
}

pub(crate) fn ipv6_of(host: HostId) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host as u16 + 1)
}

/// The address that a host sends from to `to`.
pub(super) fn source_address(host: HostId, to: SocketAddr) -> IpAddr {
    match to {
        _ if to.ip().is_loopback() => to.ip(),
        SocketAddr::V4(_) => ipv4_of(host).into(),
        SocketAddr::V6(_) => ipv6_of(host).into(),
    }
}

/// Whether a socket bound to `bound` receives what is sent to `address`. On Linux `[::]` stands for both families.
pub(super) fn covers(bound: SocketAddr, address: SocketAddr) -> bool {
    let everything = match bound.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() && address.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    bound.port() == address.port() && (everything || bound.ip() == address.ip())
}

/// Whether two sockets cannot be bound side by side.
pub(super) fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    covers(one, other) || covers(other, one)
}

/// Whether this is a multicast or broadcast address.
pub(super) fn is_for_many(to: SocketAddr) -> bool {
    to.ip().is_multicast() || to.ip() == Ipv4Addr::BROADCAST
}
