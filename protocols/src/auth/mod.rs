//! Who is it: logins. Twisted's `cred`.
//!
//! A [`Portal`] takes [`Credentials`], asks the [`Checker`] that knows their kind whose they are, and has a [`Realm`] make the
//! avatar that the protocol then works with. The [`Login`] logs out exactly once.
//!
//! | credentials | shown by | checkers that are here |
//! |---|---|---|
//! | [`Password`] | a name and a password | [`PasswordTable`], [`PasswordFile`]; for others [`Password::matches`] |
//! | [`ScramExchange`] | SCRAM-SHA-256: the password does not travel | the same; for others [`ScramExchange::verify`] |
//! | `PeerCertificate` | TLS | `CertificateTable` |
//! | [`UnixPeer`] | a UNIX socket | [`UnixUsers`] |
//! | [`Token`] | the protocol's own way | a closure |
//! | [`Anonymous`] | | [`AllowAnonymous`] |
//!
//! [`Portal::start_sasl`] logs in by a mechanism of SASL (RFC 4422), for protocols of lines that have one; [`SaslClient`] is the
//! other end.
//!
//! # A database
//!
//! A checker is a closure that may wait. One that asks a table of SQLite's for the hash, by a [pool](crate::database):
//!
//! ```
//! use protocols::auth::{Identity, LoginError, Password, PasswordHash, Portal};
//! use protocols::database::{ConnectionPool, Database};
//! use rusqlite::{Connection, OptionalExtension};
//!
//! fn accounts(pool: ConnectionPool<impl Database<Connection = Connection>>) -> Portal<Identity> {
//!     let portal = Portal::new(|who: &Identity| who.clone());
//!     portal.register_checker(async move |password: Password, reactor| {
//!         let name = password.name().to_owned();
//!         let hash = pool.run_with_connection(move |accounts| {
//!             let ask = "SELECT hash FROM accounts WHERE name = ?";
//!             accounts.query_row(ask, [name], |row| row.get::<_, String>(0)).optional()
//!         });
//!         let hash = hash.await.map_err(LoginError::failed)?;
//!         let hash = hash.map(|hash| hash.parse::<PasswordHash>()).transpose().map_err(LoginError::failed)?;
//!         let matches = password.matches(&reactor, hash.as_ref()).await?;
//!         Ok(matches.then(|| password.name().into()))
//!     });
//!     portal
//! }
//! ```
//!
//! # What strangers can do
//!
//! Passwords are hashed on other threads, a few at a time, and a bounded number waits: see [`Password::matches`]. An account
//! that there is not is refused like a wrong password, after the same work. Failures are limited by address and by name: see
//! [`AttemptLimit`]. `Debug` and errors show no secrets. What stands around the connection sees its bytes:
//! [`TrafficLog`](crate::policies::TrafficLog), [`Capture`](crate::policies::Capture) and the command `trace` of a console show
//! passwords that are sent as they are, unless they stand outside TLS. SCRAM does not send them.

mod anonymous;
mod attempt_limit;
#[cfg(feature = "tls")]
mod certificates;
mod checker;
mod conversation;
mod credentials;
mod error;
mod identity;
mod login;
mod password;
mod portal;
mod realm;
mod sasl;
mod scram;
mod secret;
mod unix_users;

pub use anonymous::AllowAnonymous;
pub use attempt_limit::AttemptLimit;
#[cfg(feature = "tls")]
pub use certificates::{CertificateTable, PeerCertificate};
pub use checker::Checker;
pub use credentials::{Anonymous, Credentials, Password, Token, UnixPeer};
pub use error::{InvalidPasswordHash, LoginError};
pub use identity::Identity;
pub use login::Login;
pub use password::file::{PasswordFile, PasswordFileError};
pub use password::hash::PasswordHash;
pub use password::table::PasswordTable;
pub use portal::Portal;
pub use realm::Realm;
pub use sasl::client::SaslClient;
pub use sasl::exchange::{SaslExchange, SaslStep};
pub use scram::exchange::ScramExchange;
pub use scram::verifier::ScramVerifier;
pub use secret::Secret;
pub use unix_users::UnixUsers;

#[cfg(test)]
mod tests;
