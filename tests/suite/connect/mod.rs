//! Clients: how they connect and reconnect.

mod connectors;
mod handshakes;
mod reached;
mod reconnecting;
