//! What carries messages between nodes.

mod in_process;
mod inbox;
mod nats;
mod queue;
mod simulated;

pub use in_process::{InProcess, InProcessBus};
pub use nats::{Nats, NatsError};
pub use simulated::{Faults, Simulated, SimulatedBus};

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::cluster::NodeName;

/// One node's access to the others of its network.
///
/// A bus is made for a node, and gets what others publish for [everyone](Topic::Everyone) and for [it](Topic::Node) from then on.
/// It promises little: what is published may be lost, doubled, late, and in another order. So it never waits for anyone: a
/// [`Link`](crate::cluster::Link) notices what is missing, and has it sent again.
pub trait Bus: Send + Sync {
    /// Sends a message to those who listen to a topic. It returns at once, also when the message cannot be sent. Messages up to
    /// [`MAX_MESSAGE`] bytes are carried.
    ///
    /// A node may hear what it has itself published for everyone.
    fn publish(&self, topic: &Topic, message: Bytes);

    /// The next event, if there is one; otherwise `context` is woken when there is. One task at a time may wait.
    ///
    /// Events that are not taken wait in a bounded queue, and the rest is lost: then comes a [`Gap`](BusEvent::Gap).
    fn poll_event(&self, context: &mut Context<'_>) -> Poll<BusEvent>;
}

/// Bytes that a message may have: what a NATS server carries by default, less what stands around it.
pub const MAX_MESSAGE: usize = 1_000_000;

/// Who is to hear a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// All nodes of the network.
    Everyone,
    /// One of them.
    Node(NodeName),
}

/// What a bus tells its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// The bus works, from the start or again.
    Up,
    /// It does not: nothing that is published reaches anyone.
    Down,
    /// What another node has published.
    Message(Bytes),
    /// Messages were lost here, because this node was too slow to take them.
    Gap,
}
