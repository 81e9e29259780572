//! The other nodes of a network: what one tells another of itself when they meet, and what follows when they part.

mod arrival;
mod batch;
mod digest;
mod merge;

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::server::Server;
use crate::server::event::Introduction;
use crate::server::tables::channel::Channel;
use crate::server::values::names::Key;

pub(super) use batch::NodeBatch;
use digest::Fnv;

/// All that others need to know of a node: its users, and the channels that they are in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Snapshot {
    users: Vec<Introduction>,
    channels: Vec<Channel>,
}

/// What a channel is set to, or a part of that, as one node knows it. Of members it says what status they have, if they are there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registers(Channel);

/// How many parts the channels are in. These are compared and exchanged alone.
const PARTS: usize = 32;
/// How many members' statuses go together, some 40 bytes each.
const MEMBERS_TOGETHER: usize = 5_000;

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

    /// A digest of what the channels of each part are set to: equal on nodes that agree.
    #[must_use]
    pub fn digests(&self) -> Vec<u32> {
        let mut digests = vec![0; PARTS];
        for (key, channel) in &self.channels {
            let digest = &mut digests[part_of(key)];
            *digest ^= channel.digest(key);
        }
        digests
    }

    /// What the channels of one part are set to.
    pub fn registers(&self, part: usize) -> impl Iterator<Item = Registers> {
        let channels = self.channels.iter().filter(move |(key, _)| part_of(key) == part);
        channels.flat_map(|(_, channel)| pieces(channel))
    }
}

fn part_of(channel: &Key) -> usize {
    let mut hasher = Fnv::default();
    channel.hash(&mut hasher);
    hasher.finish() as usize % PARTS
}

/// A channel with some of its members, and the others with nothing else.
fn pieces(channel: &Channel) -> Vec<Registers> {
    let mut members = channel.members.clone().into_iter();
    let mut take = || members.by_ref().take(MEMBERS_TOGETHER).collect::<BTreeMap<_, _>>();
    let mut pieces = vec![Registers(Channel { members: take(), ..channel.without_members() })];
    loop {
        let members = take();
        if members.is_empty() {
            return pieces;
        }
        pieces.push(Registers(Channel { members, ..Channel::unset(channel.name.clone(), channel.created) }));
    }
}
