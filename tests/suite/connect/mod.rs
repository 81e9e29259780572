//! Clients: how they connect and reconnect.

mod connectors;
mod reconnecting;
