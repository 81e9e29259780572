//! Endpoints: where connections come from or go to, as values that somebody else has chosen.

mod argument;
mod arguments;
mod attempt;
mod client_endpoint;
mod error;
mod exec;
mod inherited;
mod made;
mod schemes;
mod server_endpoint;
mod sim;
mod stdio;
mod tcp;
mod unix;

pub use argument::Argument;
pub use arguments::Arguments;
pub use arguments::quote_string_argument;
pub use client_endpoint::ClientEndpoint;
pub use client_endpoint::connect_protocol;
pub use error::EndpointError;
pub use made::Made;
pub(crate) use schemes::Schemes;
pub use schemes::client_from_string;
pub use schemes::server_from_string;
pub use server_endpoint::ServerEndpoint;
