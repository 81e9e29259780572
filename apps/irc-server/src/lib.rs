//! An IRC server: one program that needs nothing else, on one machine or on many.

pub mod cluster;
pub mod connection;
pub mod server;
pub mod settings;
pub mod store;
