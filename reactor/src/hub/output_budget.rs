//! A limit on the unsent output of all connections of a reactor.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Instant;

use slab::Slab;

use crate::util::log_limit::{LeftOut, LogLimit};

/// The limit and the number of unsent bytes of all connections.
pub(crate) struct OutputBudget {
    limit: Cell<usize>,
    unsent: Cell<usize>,
    /// Those that hold more than [`NOTEWORTHY`].
    holders: RefCell<Slab<Weak<dyn Holder>>>,
    log: LogLimit,
}

/// A connection that holds unsent bytes, including those of the layers inside it.
pub(crate) trait Holder {
    fn held(&self) -> usize;
    /// Ends the connection, and returns everything it holds to the budget.
    fn give_way(&self);
}

impl Default for OutputBudget {
    fn default() -> Self {
        Self {
            limit: Cell::new(usize::MAX),
            unsent: Cell::new(0),
            holders: RefCell::default(),
            log: LogLimit::default(),
        }
    }
}

impl OutputBudget {
    pub(crate) fn limit(&self) -> usize {
        self.limit.get()
    }

    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    pub(crate) fn unsent_bytes(&self) -> usize {
        self.unsent.get()
    }

    #[inline]
    pub(crate) fn take(&self, bytes: usize) {
        self.unsent.set(self.unsent.get() + bytes);
    }

    #[inline]
    pub(crate) fn give_back(&self, bytes: usize) {
        self.unsent.set(self.unsent.get() - bytes);
    }

    #[inline]
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.unsent.get().saturating_add(len) <= self.limit.get()
    }

    /// Has the fullest connections give way until there is room for `len` more bytes of the writer's. Returns false if
    /// the writer would be the fullest: then it has given way itself.
    pub(crate) fn make_room(&self, writer: &dyn Holder, len: usize) -> bool {
        let would_be = writer.held().saturating_add(len);
        while !self.has_room(len) {
            match self.fullest() {
                Some(fullest) if fullest.held() > would_be => fullest.give_way(),
                _ => {
                    writer.give_way();
                    return false;
                }
            }
        }
        true
    }

    fn fullest(&self) -> Option<Rc<dyn Holder>> {
        let holders = self.holders.borrow();
        holders.iter().filter_map(|(_, holder)| holder.upgrade()).max_by_key(|holder| holder.held())
    }

    /// Lists a connection that holds more than [`NOTEWORTHY`]; the key is for [`remove_holder`](Self::remove_holder).
    pub(crate) fn add_holder(&self, holder: Weak<dyn Holder>) -> u32 {
        self.holders.borrow_mut().insert(holder) as u32
    }

    pub(crate) fn remove_holder(&self, key: u32) {
        self.holders.borrow_mut().remove(key as usize);
    }

    /// Whether to log that a connection gives way, and how many were not logged before it.
    pub(crate) fn logs(&self, now: Instant) -> Option<LeftOut> {
        self.log.allows(now)
    }
}

/// A connection with no more than this unsent is not behind: it has only just written. It is not listed, so that a
/// message costs nothing, and only gives way to itself.
pub(crate) const NOTEWORTHY: usize = 4 * 1024;
