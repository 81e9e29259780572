//! How many users there are.

use crate::server::tables::user::{User, UserModes};

/// Users of some kinds, counted as they come, change and leave: each client that registers is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Census {
    pub(in crate::server) invisible: usize,
    pub(in crate::server) operators: usize,
    /// Those of this node.
    pub(in crate::server) local: usize,
}

impl Census {
    /// Counts a user.
    pub(in crate::server) fn add(&mut self, user: &User) {
        for (count, one) in self.counts_of(user) {
            *count += one;
        }
    }

    /// Counts a user no longer, who must be as they were when they were counted.
    pub(in crate::server) fn take_out(&mut self, user: &User) {
        for (count, one) in self.counts_of(user) {
            *count -= one;
        }
    }

    fn counts_of(&mut self, user: &User) -> [(&mut usize, usize); 3] {
        [
            (&mut self.invisible, user.is(UserModes::INVISIBLE).into()),
            (&mut self.operators, user.is(UserModes::OPERATOR).into()),
            (&mut self.local, user.client.is_some().into()),
        ]
    }
}
