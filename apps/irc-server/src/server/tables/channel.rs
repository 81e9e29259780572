//! Channels: who is in them, and what is set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::server::output::capabilities::Caps;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::modes::{Change, NEW_CHANNEL, STATUSES};
use crate::server::values::names::Name;
use crate::server::values::register::{Register, Stamp};
use crate::server::values::timestamp::Timestamp;

/// A channel. All of it but who is in it is registers, so that nodes agree on it in whatever order they hear of changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::server) struct Channel {
    /// As its maker has written it.
    pub(in crate::server) name: Name,
    /// When it was made. What is set in the older of two channels of one name wins.
    pub(in crate::server) created: Timestamp,
    /// What it is about; empty for nothing.
    pub(in crate::server) topic: Register<Topic>,
    /// Those of [`FLAGS`](crate::server::values::modes::FLAGS) that were ever set.
    pub(in crate::server) flags: BTreeMap<u8, Register<bool>>,
    /// The password.
    pub(in crate::server) key: Register<Option<Name>>,
    /// How many may be in it.
    pub(in crate::server) limit: Register<Option<u32>>,
    /// Entries of lists by letter and mask; none for one that was taken out.
    pub(in crate::server) lists: BTreeMap<(u8, Name), Register<Option<Setter>>>,
    /// Who is in it.
    pub(in crate::server) members: BTreeMap<Uid, Member>,
}

/// What a channel is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::server) struct Topic {
    /// Empty for nothing.
    pub(in crate::server) text: Name,
    /// Who has set it.
    pub(in crate::server) by: Name,
    /// When.
    pub(in crate::server) at: Timestamp,
}

/// Who has put an entry in a list, and when.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::server) struct Setter {
    /// `nick!user@host`, or a server.
    pub(in crate::server) by: Name,
    /// When.
    pub(in crate::server) at: Timestamp,
}

/// Somebody in a channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::server) struct Member {
    /// Their connection, if it is to this node.
    #[serde(skip)]
    pub(in crate::server) client: Option<ClientId>,
    /// Whether they have each of [`STATUSES`], in that order.
    pub(in crate::server) statuses: [Register<bool>; STATUSES.len()],
}

impl Member {
    /// The prefixes that a client is shown: the highest first, and that alone unless it has asked for all.
    pub(in crate::server) fn prefixes(&self, caps: Caps) -> Vec<u8> {
        let most = if caps.has(Caps::MULTI_PREFIX) { usize::MAX } else { 1 };
        let statuses = STATUSES.iter().zip(&self.statuses).filter(|(_, has)| *has.get());
        statuses.map(|(&(_, prefix), _)| prefix).take(most).collect()
    }

    /// Whether they are operator.
    #[must_use]
    pub(in crate::server) fn is_operator(&self) -> bool {
        self.has_at_least(b'@')
    }

    /// Whether they have this prefix or a higher one.
    #[must_use]
    pub(in crate::server) fn has_at_least(&self, prefix: u8) -> bool {
        let place = STATUSES.iter().position(|&(_, known)| known == prefix);
        place.is_some_and(|place| self.statuses[..=place].iter().any(|has| *has.get()))
    }
}

impl Channel {
    /// A channel without members.
    #[must_use]
    pub(in crate::server) fn new(name: Name, created: Timestamp, stamp: Stamp) -> Self {
        let flags = NEW_CHANNEL.iter().map(|&letter| (letter, Register::new(true, stamp))).collect();
        Self { flags, ..Self::unset(name, created) }
    }

    /// A channel in which nothing was ever set.
    #[must_use]
    pub(in crate::server) fn unset(name: Name, created: Timestamp) -> Self {
        Self {
            name,
            created,
            topic: Register::default(),
            flags: BTreeMap::new(),
            key: Register::default(),
            limit: Register::default(),
            lists: BTreeMap::new(),
            members: BTreeMap::new(),
        }
    }

    /// The same channel, as it is set, with nobody in it.
    #[must_use]
    pub(in crate::server) fn without_members(&self) -> Self {
        let (topic, flags, lists) = (self.topic.clone(), self.flags.clone(), self.lists.clone());
        let (key, limit) = (self.key.clone(), self.limit.clone());
        Self { topic, flags, key, limit, lists, ..Self::unset(self.name.clone(), self.created) }
    }

    /// Whether one of the flags is set.
    #[must_use]
    pub(in crate::server) fn is(&self, flag: u8) -> bool {
        self.flags.get(&flag).is_some_and(|register| *register.get())
    }

    /// The masks of a list, with who has set them.
    pub(in crate::server) fn list(&self, letter: u8) -> impl Iterator<Item = (&Name, &Setter)> {
        let entries = self.lists.iter().filter(move |((known, _), _)| *known == letter);
        entries.filter_map(|((_, mask), setter)| Some((mask, setter.get().as_ref()?)))
    }

    /// How many entries all lists have.
    #[must_use]
    pub(in crate::server) fn list_entries(&self) -> usize {
        self.lists.values().filter(|setter| setter.get().is_some()).count()
    }

    /// Carries a change out. Says whether anything is otherwise now.
    pub(in crate::server) fn change(&mut self, change: &Change, by: &Name, stamp: Stamp) -> bool {
        match change {
            Change::Flag(letter, on) => self.flags.entry(*letter).or_default().set(*on, stamp),
            Change::Key(key) => self.key.set(key.clone(), stamp),
            Change::Limit(limit) => self.limit.set(*limit, stamp),
            Change::List(letter, mask, on) => {
                let entry = self.lists.entry((*letter, mask.clone())).or_default();
                let was = entry.get().is_some();
                entry.set(on.then(|| Setter { by: by.clone(), at: stamp.at }), stamp) && was != *on
            }
            Change::Status(letter, user, on) => {
                let place = STATUSES.iter().position(|(known, _)| known == letter);
                let member = self.members.get_mut(user);
                place.zip(member).is_some_and(|(place, member)| member.statuses[place].set(*on, stamp))
            }
        }
    }

    /// The changes that make a new channel like this one: what is set.
    #[must_use]
    pub(in crate::server) fn settings(&self) -> Vec<Change> {
        let flags = self.flags.iter().filter(|(_, on)| *on.get()).map(|(&letter, _)| Change::Flag(letter, true));
        let key = self.key.get().clone().map(|key| Change::Key(Some(key)));
        let limit = self.limit.get().map(|limit| Change::Limit(Some(limit)));
        flags.chain(key).chain(limit).collect()
    }
}
