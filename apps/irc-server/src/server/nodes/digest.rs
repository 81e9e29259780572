use std::hash::{Hash, Hasher};

use crate::server::tables::channel::Channel;
use crate::server::values::names::Key;

/// FNV-1a of 64 bits: the same on all nodes, whatever their standard library hashes by.
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Channel {
    /// A digest of what it is set to. What is not set counts as what never was, and when something was set does not count.
    pub(super) fn digest(&self, key: &Key) -> u32 {
        let mut hasher = Fnv::default();
        key.hash(&mut hasher);
        self.hash_values(&mut hasher);
        let digest = hasher.finish();
        (digest ^ digest >> 32) as u32
    }

    fn hash_values(&self, hasher: &mut Fnv) {
        (self.created, self.topic.get(), self.key.get(), self.limit.get()).hash(hasher);
        let flags = self.flags.iter().filter(|(_, on)| *on.get());
        flags.for_each(|(letter, _)| letter.hash(hasher));
        let entries = self.lists.iter().filter_map(|(entry, setter)| Some((entry, setter.get().as_ref()?)));
        entries.for_each(|entry| entry.hash(hasher));
        let statuses =
            self.members.iter().map(|(user, member)| (user, member.statuses.each_ref().map(|has| *has.get())));
        statuses.filter(|(_, has)| has.contains(&true)).for_each(|member| member.hash(hasher));
    }
}
