use std::net::SocketAddr;

use reactor::Address;

/// What a client of [`Socks`](crate::socks::Socks) asks for, as the rule sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocksRequest {
    /// The client's address.
    pub client: Address,
    /// Who has authenticated by a password.
    pub user: Option<String>,
    /// The host as the client has named it: an address or a name.
    pub host: String,
    /// Where the connection would go to: one of the host's addresses, and the port. An IPv4 address that was written as
    /// an IPv6 one is shown as what it is.
    pub address: SocketAddr,
}

/// A name that a client of [`Socks`](crate::socks::Socks) asks for, before it is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocksName {
    /// The client's address.
    pub client: Address,
    /// Who has authenticated by a password.
    pub user: Option<String>,
    /// As the client has written it; addresses are not asked about.
    pub host: String,
    /// The port that the connection would go to.
    pub port: u16,
}
