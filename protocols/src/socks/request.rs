use std::net::SocketAddr;

use reactor::Address;

/// A request of a client of [`Socks`](crate::socks::Socks), as passed to the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocksRequest {
    /// The client's address.
    pub client: Address,
    /// The user authenticated by a password, if any.
    pub user: Option<String>,
    /// The host as the client named it: an address or a name.
    pub host: String,
    /// The target of the connection: one of the host's addresses, and the port. An IPv4 address written as IPv6 is
    /// shown as IPv4.
    pub address: SocketAddr,
}

/// A name that a client of [`Socks`](crate::socks::Socks) requests, before the lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocksName {
    /// The client's address.
    pub client: Address,
    /// The user authenticated by a password, if any.
    pub user: Option<String>,
    /// The name as the client wrote it, never an address.
    pub host: String,
    /// The port of the target.
    pub port: u16,
}
