//! Tests without sockets: the real connection machinery, driven by hand, in a time that stands still until it is told
//! to go on.
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

mod every_cut;
mod manual;
mod pair;
mod simulation;
mod string_transport;

pub use every_cut::every_cut;
pub use pair::Pair;
pub use simulation::Simulation;
pub use string_transport::StringTransport;

pub use crate::simnet::Link;
