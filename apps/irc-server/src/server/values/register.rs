//! What belongs to no single user: the last change wins, on every node the same one.

use serde::{Deserialize, Serialize};

use crate::server::values::ids::NodeId;
use crate::server::values::timestamp::Timestamp;

/// When and where a change was made: changes have one order, the same on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The time on that node, and later than all stamps that it had seen.
    pub at: Timestamp,
    /// Tells changes of one time apart.
    pub node: NodeId,
}

/// A value that several nodes may set: the latest change stays, in whatever order they arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct Register<T> {
    value: T,
    stamp: Option<Stamp>,
}

impl<T: Default> Default for Register<T> {
    fn default() -> Self {
        Self { value: T::default(), stamp: None }
    }
}

impl<T> Register<T> {
    /// When it was set; zero if it never was.
    pub(in crate::server) fn time(&self) -> Timestamp {
        self.stamp.map_or(Timestamp(0), |stamp| stamp.at)
    }
}

impl<T: Clone + PartialEq> Register<T> {
    /// Takes over what another node knows, if that is later. Says whether the value is another one now.
    pub(in crate::server) fn merge(&mut self, other: &Self) -> bool {
        other.stamp.is_some_and(|stamp| self.set(other.value.clone(), stamp))
    }
}

impl<T: PartialEq> Register<T> {
    /// A value that was set at this time.
    pub(in crate::server) fn new(value: T, stamp: Stamp) -> Self {
        Self { value, stamp: Some(stamp) }
    }

    /// The value now.
    pub(in crate::server) fn get(&self) -> &T {
        &self.value
    }

    /// Sets it, unless a later change is known. Says whether the value is another one now.
    pub(in crate::server) fn set(&mut self, value: T, stamp: Stamp) -> bool {
        if self.stamp.is_some_and(|known| known >= stamp) {
            return false;
        }
        self.stamp = Some(stamp);
        let changed = self.value != value;
        self.value = value;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_wins_in_whatever_order_changes_arrive() {
        let changes = [(1, 1, "a"), (3, 1, "b"), (3, 2, "c"), (2, 9, "d")]
            .map(|(at, node, value)| (value, Stamp { at: Timestamp(at), node: NodeId(node) }));
        for first in 0..changes.len() {
            let mut register = Register::<&str>::default();
            for step in 0..changes.len() {
                let (value, stamp) = changes[(first + step) % changes.len()];
                register.set(value, stamp);
            }
            assert_eq!(*register.get(), "c");
        }
    }

    #[test]
    fn a_change_to_the_same_value_is_no_change_but_counts() {
        let stamp = |at| Stamp { at: Timestamp(at), node: NodeId(1) };
        let mut register = Register::new(1, stamp(1));
        assert!(!register.set(1, stamp(3)));
        assert!(!register.set(2, stamp(2)));
        assert_eq!(*register.get(), 1);
    }
}
