//! Endpoints: where connections come from or go to, as values that somebody else has chosen.

mod client_endpoint;
mod made;
mod server_endpoint;

pub use client_endpoint::ClientEndpoint;
pub use client_endpoint::connect_protocol;
pub use made::Made;
pub use server_endpoint::ServerEndpoint;
