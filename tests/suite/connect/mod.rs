//! Clients: how they connect, and how they come back.

mod connectors;
mod reconnecting;
