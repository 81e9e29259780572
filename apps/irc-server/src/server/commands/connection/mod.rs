//! How a connection becomes a user.

mod accounts;
mod cap;
pub(in crate::server) mod nickserv;
mod registration;
mod sasl;
mod welcome;
