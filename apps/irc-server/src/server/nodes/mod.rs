//! The other nodes of a network: what one tells another of itself when they meet, and what follows when they part.

mod arrival;
mod batch;
mod digest;
mod merge;

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::server::Server;
use crate::server::channel::Channel;
use crate::server::event::Introduction;

pub(super) use batch::NodeBatch;

/// All that others need to know of a node: its users, and the channels that they are in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    users: Vec<Introduction>,
    channels: Vec<Channel>,
}

/// What some channels are set to, as one node knows it. Of their members it says what status they have, if they are there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registers(Vec<Channel>);

/// So many channels go together: with all lists full they have some 300 KiB.
const CHANNELS_TOGETHER: usize = 20;

impl Server {
    /// What others need to know of this node.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let is_own = |channel: &&Channel| channel.members.keys().any(|user| user.node == self.node);
        let users = self.users.values().filter(|user| user.uid().node == self.node);
        Snapshot {
            users: users.map(|user| user.about.clone()).collect(),
            channels: self.channels.values().filter(is_own).cloned().collect(),
        }
    }

    /// What all channels are set to, in parts.
    pub fn registers(&self) -> impl Iterator<Item = Registers> {
        let channels: Vec<_> = self.channels.values().collect();
        let parts: Vec<_> = channels
            .chunks(CHANNELS_TOGETHER)
            .map(|channels| Registers(channels.iter().map(|&channel| channel.clone()).collect()))
            .collect();
        parts.into_iter()
    }

    /// A digest of what all channels are set to: equal on nodes that agree.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = digest::Fnv::default();
        for (key, channel) in &self.channels {
            key.hash(&mut hasher);
            channel.hash_values(&mut hasher);
        }
        hasher.finish()
    }
}
