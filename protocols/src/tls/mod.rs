//! TLS, RFC 8446 and RFC 5246, around any protocol and over any transport.

mod certificates;
mod client;
mod client_certificates;
mod error;
mod factory;
mod fingerprint;
mod info;
mod open;
mod pinned;
mod roots;
mod secured;
mod server;
mod session;
mod start;

pub use certificates::Certificates;
pub use client::Client;
pub use client_certificates::ClientCertificates;
pub use error::TlsError;
pub use factory::TlsFactory;
pub use fingerprint::Fingerprint;
pub use info::TlsInfo;
pub use roots::Roots;
pub use rustls;
pub use server::Server;
pub(crate) use start::injected;
pub use start::start;

use std::time::Duration;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
