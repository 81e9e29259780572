use std::time::Duration;

use crate::cluster::NodeName;

/// What a link is made with. All nodes of a network should have the same times.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose link it is.
    pub node: NodeName,
    /// When this life of the node began, in milliseconds since 1970. Larger than in all its lives before, also where the clock
    /// was put back in between: a node whose epoch is smaller than one that others have seen is ignored by them.
    pub epoch: u64,
    /// How often a node says that it is alive. A second by default.
    pub heartbeat: Duration,
    /// After this time without a message a node is down. Ten seconds by default.
    pub silence: Duration,
    /// After this time a request that had no effect is repeated, and so is the exchange of registers while digests differ. A second
    /// by default.
    pub repeat: Duration,
    /// Events kept for those that have lost them: their number. 16,384 by default.
    pub kept_events: usize,
    /// The same: their bytes, and the most that wait for events before them, of each other node. 4 MiB by default.
    pub kept_bytes: usize,
    /// The largest snapshot that is taken from another node, in bytes. 64 MiB by default.
    pub snapshot_bytes: usize,
    /// The largest payload of one message; larger snapshots come in parts. 512 KiB by default.
    pub payload_bytes: usize,
    /// Other nodes that are known at a time. 256 by default.
    pub nodes: usize,
}

impl Options {
    /// The defaults.
    pub fn new(node: NodeName, epoch: u64) -> Self {
        Self {
            node,
            epoch,
            heartbeat: Duration::from_secs(1),
            silence: Duration::from_secs(10),
            repeat: Duration::from_secs(1),
            kept_events: 16_384,
            kept_bytes: 4 << 20,
            snapshot_bytes: 64 << 20,
            payload_bytes: 512 << 10,
            nodes: 256,
        }
    }
}
