//! Many machines as one server: each tells the others what has changed with it, over a bus.
//!
//! ```text
//! Server ──publish──▶ Link ──▶ Bus ──▶ … ──▶ Bus ──▶ Link ──deliver──▶ Server
//! ```
//!
//! A [`Bus`] carries messages between nodes as well as it can: [inside one process](bus::InProcess), in a
//! [simulation](bus::Simulated) that loses, doubles, delays and reorders them, or over [NATS](bus::Nats). A [`Link`] makes of it
//! what the server needs: the events of each other node in its order, none twice, and a snapshot where some were lost. It knows
//! nothing of IRC: events, snapshots and registers are bytes to it.
//!
//! A [`Log`] keeps what must not be lost, in the same NATS. A [`Bucket`] there has what is the network's and not a node's, and who
//! changes it first wins.
//!
//! Nothing here elects or votes. Each node alone changes its own users, and tells the others. What belongs to no node is kept
//! in registers, which merge to the same whatever the order. A node that is not heard of for ten seconds is down; it may be well, and
//! say the same of us. When they hear of each other again, they exchange snapshots.

mod bucket;
pub mod bus;
mod connected_again;
mod envelope;
mod jetstream_error;
mod link;
mod log;
mod membership;
mod node_name;
mod payload;

pub use bucket::{Bucket, BucketEntry, BucketWatch, OpenBucket};
pub use bus::Bus;
pub use jetstream_error::JetStreamError;
pub use link::{Delivery, Link, Options, Output, Owner, Stats};
pub use log::{Log, LogEntry, LogLimits, LogReader};
pub use membership::Membership;
pub use node_name::{NodeName, NodeNameError};
pub(crate) use payload::{decode, encode};
