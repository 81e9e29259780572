//! Layers: protocols around other protocols.
//!
//! A [`Policy`] sees everything that passes and may end the connection, but leaves the bytes as they are: time limits,
//! throttles, logs. [`around()`] puts it around any factory. A layer that changes the bytes, such as compression or
//! framing, is a protocol that has a [`Nested`] connection inside and exposes it as a [`Layer`]. The crate `protocols`
//! has ready-made policies and layers.
//!
//! ```
//! use reactor::layer::{self, Policy};
//! use reactor::testing::StringTransport;
//! use reactor::{CloseReason, Transport};
//! # use reactor::Protocol;
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//!
//! /// Resets connections on which a line break is received.
//! struct OneLine { outer: Transport }
//!
//! impl Policy for OneLine {
//!     fn incoming(&mut self, data: &[u8]) {
//!         if data.contains(&b'\n') {
//!             self.outer.fail_connection(CloseReason::failed("a second line"));
//!         }
//!     }
//! }
//!
//! let mut wire = StringTransport::connect(layer::around(|outer| OneLine { outer }, |transport| Echo { transport }));
//! wire.receive("hi\n");
//! assert_eq!(wire.close_reason().unwrap().to_string(), "a second line");
//! ```
//!
//! Twisted has `WrappingFactory` and `ProtocolWrapper` in `twisted.protocols.policies`.

pub(crate) mod nested;
pub(crate) mod policy;

pub use crate::connection::Layer;
pub use nested::Nested;
pub use policy::{IntoPolicy, Policy, around};
