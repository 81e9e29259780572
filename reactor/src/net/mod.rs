//! TCP and UDP: sockets, their options, and the names of hosts.

pub(crate) mod datagram_options;
pub(crate) mod listen_options;
pub(crate) mod resolver;
pub(crate) mod socket;
pub(crate) mod tcp;
pub(crate) mod udp;
