//! What connections, nodes and users are called inside.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A connection of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId {
    /// The reactor that has it.
    pub thread: u16,
    /// Its place in the table of clients, which another takes once it is gone.
    pub slot: u32,
    /// Tells it from those that had the place before, so that a late answer reaches nobody else.
    pub generation: u32,
}

/// A node of the network: a number made of its name, the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The number of the node with this name: FNV-1a. Two names with one number are refused where they meet.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        Self(name.iter().fold(0x811c_9dc5, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)))
    }
}

/// A user of the network, for as long as it is connected. No other user ever has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Uid {
    /// Where it is connected.
    pub node: NodeId,
    /// Counts on from the time at which its node was started.
    pub number: u64,
}

impl Uid {
    /// The user that is [written](fmt::Display) so.
    pub(in crate::server) fn parse(text: &[u8]) -> Option<Self> {
        let (node, number) = str::from_utf8(text).ok()?.strip_prefix('!')?.split_once('-')?;
        let (node, number) = (u32::from_str_radix(node, 16).ok()?, u64::from_str_radix(number, 16).ok()?);
        Some(Self { node: NodeId(node), number })
    }
}

/// No account is written so: `!NODE-NUMBER`.
impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "!{:x}-{:x}", self.node.0, self.number)
    }
}
