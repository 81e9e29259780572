//! Endpoints: where connections come from or go to, as values that somebody else has chosen.

mod argument;
mod arguments;
mod attempt;
pub(crate) mod client;
mod error;
pub(crate) mod first_connection;
pub(crate) mod scheme;
pub(crate) mod server;

pub use argument::Argument;
pub use arguments::{Arguments, quote_string_argument};
pub use client::{ClientEndpoint, connect_protocol};
pub use error::EndpointError;
pub use first_connection::FirstConnection;
pub(crate) use scheme::Schemes;
pub use scheme::{client_from_string, server_from_string};
pub use server::ServerEndpoint;
