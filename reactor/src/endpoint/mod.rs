//! Endpoints: where connections come from or go to, as values chosen elsewhere, such as by the program's user.
//!
//! A program that takes a description from its user, such as `tcp:8007` or `unix:/run/time.sock`, makes a
//! [`ServerEndpoint`] or a [`ClientEndpoint`] of it by [`server_from_string`] and [`client_from_string`], and need not
//! know which kinds there are. Both functions list them. [`connect_protocol`] connects a single protocol.
//!
//! ```
//! use reactor::endpoint::server_from_string;
//! use reactor::testing::Simulation;
//! # use reactor::{Protocol, Transport};
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//!
//! let sim = Simulation::new(0);
//! let reactor = sim.host("server");
//! let endpoint = server_from_string(&reactor, "tcp:8007:interface=127.0.0.1")?;
//! let port = reactor.run_until(endpoint.listen(Box::new(|transport| Echo { transport })))??;
//! assert_eq!(port.host().to_string(), "127.0.0.1:8007");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! For code that [adds a scheme](crate::Reactor::add_server_scheme), [`Arguments`] read a description, and
//! [`FirstConnection`] reports when a client is connected.
//!
//! Twisted has `twisted.internet.endpoints`: `serverFromString`, `clientFromString`, `connectProtocol`.

mod argument;
mod arguments;
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
pub use scheme::{client_from_string, server_from_string};
pub use server::ServerEndpoint;
