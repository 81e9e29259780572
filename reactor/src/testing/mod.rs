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
//! # Panics in callbacks
//!
//! A panic in a callback ends one connection in a test, too, as it does in a program. But it also fails the test: the
//! method of the kit that lets the callback run (`receive`, `advance`, `run_for`, `run_until`, or at the latest the drop)
//! goes on with the same panic when everything else has been done. So assertions work wherever they stand: in callbacks
//! and hooks, timed and deferred calls, spawned futures, jobs for threads, services. A test that wants the panic says so by
//! [`expect_panic()`].
//!
//! ```should_panic
//! # use std::time::Duration;
//! # use reactor::{Protocol, Transport};
//! # use reactor::testing::StringTransport;
//! # struct Echo { transport: Transport }
//! # impl Protocol for Echo {
//! #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
//! # }
//! let mut wire = StringTransport::connect(|transport| Echo { transport });
//! wire.reactor().call_later(Duration::from_secs(1), || assert_eq!(1 + 1, 3));
//! wire.advance(Duration::from_secs(1)); // panics
//! ```
//!
//! The example `calculator` of the `protocols` crate uses all four.

mod client;
mod every_cut;
mod expected_panic;
mod manual;
pub(crate) mod memory;
mod pair;
mod simulation;
mod string_transport;

pub use client::Client;
pub use every_cut::every_cut;
pub use expected_panic::expect_panic;
pub use pair::Pair;
pub use simulation::Simulation;
pub use string_transport::StringTransport;

pub use crate::simnet::Link;
