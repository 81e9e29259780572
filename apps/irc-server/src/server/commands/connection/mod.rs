//! How a connection becomes a user.

mod accounts;
mod cap;
mod registration;
mod sasl;
mod welcome;
