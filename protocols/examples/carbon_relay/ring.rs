//! Consistent hashing: when a node comes or goes, few keys change their node. Equal to that of Python's carbon, which
//! takes the place of a node from how Python writes it.

use std::collections::BTreeMap;

use md5::{Digest, Md5};

/// Nodes, each at a hundred places of a ring.
pub(crate) struct Ring<T>(BTreeMap<u32, T>);

impl<T: Clone> Ring<T> {
    /// Adds a node. Where places collide, the order in which nodes are added matters.
    pub(crate) fn add(&mut self, server: &str, instance: Option<&str>, node: T) {
        let instance = instance.map_or_else(|| "None".to_owned(), |instance| format!("'{instance}'"));
        for replica in 0..100 {
            let mut place = place(&format!("('{server}', {instance}):{replica}"));
            while self.0.contains_key(&place) {
                place += 1;
            }
            self.0.insert(place, node.clone());
        }
    }

    /// The node of a key: the next on the ring.
    ///
    /// # Panics
    ///
    /// If the ring is empty.
    pub(crate) fn node(&self, key: &str) -> &T {
        let next = self.0.range(place(key)..).next().or_else(|| self.0.first_key_value());
        next.map(|(_, node)| node).expect("a node was added")
    }
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

fn place(key: &str) -> u32 {
    let digest = Md5::digest(key);
    u32::from(digest[0]) << 8 | u32::from(digest[1])
}
