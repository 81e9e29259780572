use bytes::Bytes;

use crate::cluster::NodeName;
use crate::cluster::bus::Topic;

/// Whose events a [`Link`](super::Link) sends, and what it says of itself.
///
/// Before it calls a method of the link that takes an owner, it has [published](super::Link::publish) all that has changed: a snapshot
/// stands for all events before it, and for no other.
pub trait Owner {
    /// All that others should know of this node, and the registers that it knows.
    fn snapshot(&self) -> Bytes;

    /// A digest of each part of the registers, equal where these are equal, on any node. All nodes have as many parts, 256 at most.
    /// It is called for each [heartbeat](super::Options::heartbeat).
    fn digests(&self) -> Vec<u32>;

    /// A part of the registers, in pieces of at most [`Options::payload_bytes`](super::Options::payload_bytes), each of which can be merged alone.
    fn registers(&self, part: usize) -> Vec<Bytes>;
}

/// What the owner of a [`Link`](super::Link) is told of other nodes.
///
/// Of each node there comes `Up`, then its events in its order and none twice or left out, or another `Up` in place of some;
/// then perhaps `Down`, and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// A node is there, in this state, which replaces all that was known of it. It may have been up already: then events of it
    /// were lost.
    Up {
        /// Which node.
        node: NodeName,
        /// From [`Owner::snapshot`].
        snapshot: Bytes,
    },
    /// Something has changed on a node that is up.
    Event {
        /// Which node.
        node: NodeName,
        /// From [`Link::publish`](super::Link::publish).
        payload: Bytes,
    },
    /// A node is not reached, has ended, or was started again: nothing of it counts.
    Down {
        /// Which node.
        node: NodeName,
    },
    /// A node knows these registers, which are to be merged with the owner's.
    Registers {
        /// Which node.
        node: NodeName,
        /// From [`Owner::registers`].
        registers: Bytes,
    },
    /// Another process has this node's name, and was started later. Others no longer listen to this one, and nothing more is sent
    /// until [`Link::come_back`](super::Link::come_back).
    Replaced,
}

/// What a [`Link`](super::Link) wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To be published on the bus.
    Send(Topic, Bytes),
    /// To be told to the owner.
    Deliver(Delivery),
}

/// What a link has seen since it was made, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Other nodes that are up.
    pub nodes_up: usize,
    /// Bytes of events and snapshots that are kept or wait.
    pub held_bytes: usize,
    /// Events delivered.
    pub delivered: u64,
    /// Events that came once more, or too late.
    pub duplicates: u64,
    /// Requests for missing events or for a snapshot.
    pub requests: u64,
    /// Snapshots sent to others.
    pub snapshots: u64,
    /// Exchanges of a part of the registers, since its digests differed.
    pub exchanges: u64,
    /// Messages that could not be read.
    pub refused: u64,
}
