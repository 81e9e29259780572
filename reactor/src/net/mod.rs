//! TCP and UDP: sockets, their options, and the names of hosts.

pub(crate) mod listen_options;
pub(crate) mod resolver;
pub(crate) mod socket;
pub(crate) mod tcp;

pub use listen_options::{ConnectOptions, ListenOptions};
pub use resolver::Resolver;
