//! TCP and UDP: sockets, their options, and the names of hosts.

pub(crate) mod connect_options;
pub(crate) mod connection_options;
pub(crate) mod error;
pub(crate) mod listen_options;
pub(crate) mod resolver;
pub(crate) mod socket;
pub(crate) mod tcp;

pub use connect_options::ConnectOptions;
pub use listen_options::ListenOptions;
pub use resolver::Resolver;
