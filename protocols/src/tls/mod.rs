//! TLS, RFC 8446 and RFC 5246: a layer around any protocol, over anything that carries connections.
//!
//! | what | how |
//! |---|---|
//! | a secure port | [`Server::around`] |
//! | a secure client | [`Client::around`], with the name that the server's certificate must be for |
//! | plain text first (STARTTLS) | [`Server::upgradable`], [`Client::upgradable`], [`start()`] |
//! | new certificates without a restart | [`Server::reload`] |
//! | several names | [`Certificates::from_directory`] |
//! | who the peer is | [`ClientCertificates`], [`TlsInfo`] |
//!
//! ```
//! use protocols::tls::{Certificates, Client, Roots, Server};
//! use protocols::{LineHandler, LineReceiver, Lines};
//! use reactor::testing::Pair;
//! # struct Shout { lines: Lines }
//! # impl LineHandler for Shout {
//! #     fn line_received(&mut self, line: &[u8]) { self.lines.send_line(line.to_ascii_uppercase()) }
//! # }
//! # struct Hello { lines: Lines, heard: Vec<u8> }
//! # impl LineHandler for Hello {
//! #     fn connection_made(&mut self) { self.lines.send_line("hello") }
//! #     fn line_received(&mut self, line: &[u8]) { self.heard = line.to_vec() }
//! # }
//! # let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(vec!["example.org".to_owned()])?;
//! # let (chain, key) = (cert.pem(), signing_key.serialize_pem());
//!
//! let server = Server::new(Certificates::from_pem(chain.as_bytes(), key.as_bytes())?);
//! let client = Client::new().roots(Roots::from_pem(chain.as_bytes())?);
//! let mut pair = Pair::connect(
//!     client.around("example.org", LineReceiver::factory(|lines| Hello { lines, heard: Vec::new() })),
//!     server.around(LineReceiver::factory(|lines| Shout { lines })),
//! );
//! pair.run_until_quiet();
//! assert_eq!(pair.client.protocol::<Hello>().heard, b"HELLO");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is checked
//!
//! A client accepts a server whose certificate is for the name that it asked for, is valid at the reactor's time of day,
//! and was issued by an authority that the system trusts, or one of its own [`Roots`]. Revocation is not checked. A
//! server checks the certificates of clients only if it [asks](Server::client_certificates) for them.
//!
//! Both speak TLS 1.2 and 1.3, prefer the key exchange X25519MLKEM768, which also resists quantum computers, resume
//! sessions, and neither send nor take early data (0-RTT).
//!
//! # How it ends
//!
//! | event | callbacks of the protocol inside |
//! |---|---|
//! | the handshake fails | none: it is built afterwards. A client's attempt to connect fails with the reason, a server [counts](Server::failed_handshakes) it |
//! | the peer ends its stream (`close_notify`) | [`eof_received`](reactor::Protocol::eof_received); each direction ends by itself |
//! | the peer's stream ends without that | [`Truncated`](reactor::CloseReason::Truncated), when all output has been sent |
//! | the protocol inside calls `lose_connection` | [`Done`](reactor::CloseReason::Done): the peer is told, and then has as long to end its own stream as on a plain connection |
//! | a record was changed, or is not TLS | [`Failed`](reactor::CloseReason::Failed) with a [`TlsError`], after the records before it |
//!
//! # Memory
//!
//! While the protocol inside does not read, up to 64 KiB of records wait, which are counted in the
//! [memory budget](reactor::Reactor::memory_budget).
//!
//! Without its default feature `tls` this crate is built without TLS, and needs no C compiler.

mod certificates;
mod client;
mod end;
pub(crate) mod endpoint;
mod error;
mod factory;
mod info;
mod open;
mod options;
mod secured;
mod server;
mod session;
mod start;

pub use certificates::Certificates;
pub use certificates::client_certificates::ClientCertificates;
pub use certificates::fingerprint::Fingerprint;
pub use certificates::roots::Roots;
pub use client::Client;
pub use error::TlsError;
pub use factory::TlsFactory;
pub use info::TlsInfo;
pub use rustls;
pub use server::Server;
pub(crate) use start::injected;
pub use start::start;

#[cfg(test)]
mod tests;
