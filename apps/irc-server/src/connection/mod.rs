//! Connections: they bring lines to the [`Server`](crate::server::Server), and carry out what it wants done.
//!
//! All threads of the program share one server behind a lock ([`Node`]). Each has a [`Hub`] with its own connections. What one
//! thread's client causes for another thread's goes through a queue, in the order in which the server wanted it.

mod account_changes;
mod answers;
mod cluster;
mod directory;
mod handover;
mod hub;
mod logins;
mod node;
mod registration_limit;
mod session;
mod shared_log;
mod upkeep;
mod web;
mod wire;

pub use cluster::ClusterService;
pub use hub::Hub;
pub use node::{Node, Numbers};
pub use session::Session;
pub use upkeep::Upkeep;

#[cfg(test)]
mod tests;
