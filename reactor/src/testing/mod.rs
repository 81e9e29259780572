//! Tests without sockets: the real connection machinery, driven by the test, with a clock that only moves when it is
//! advanced.
//!
//! ```
//! use reactor::testing::StringTransport;
//! # use reactor::{Protocol, Transport};
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//!
//! let mut wire = StringTransport::connect(|transport| Echo { transport });
//! wire.receive(b"hi");
//! assert_eq!(wire.written(), b"hi");
//! ```
//!
//! | to test | use |
//! |---|---|
//! | one protocol, with the test as its peer and its clock | [`StringTransport`] |
//! | a parser, or a protocol built on one, however its input is cut | [`every_cut()`] |
//! | two protocols with each other, seeing every byte between them | [`Pair`] |
//! | whole programs, and what they do when the network fails | [`Simulation`] |
//!
//! The example `calculator` of the `protocols` crate uses all four.

mod every_cut;
mod manual;
pub(crate) mod memory;
mod pair;
mod simulation;
mod string_transport;

pub use every_cut::every_cut;
pub use pair::Pair;
pub use simulation::Simulation;
pub use string_transport::StringTransport;

pub use crate::simnet::Link;
