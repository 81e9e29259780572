//! A bound on what all connections of a reactor have still to send.

use std::cell::Cell;

use crate::hub::Hub;
use crate::transport::close_reason::CloseReason;
use crate::transport::state::State;
use crate::util::log_limit::LogLimit;
use crate::util::panics::log_panic;

/// The bytes that all connections may have unsent, and have.
pub(crate) struct OutputBudget {
    limit: Cell<usize>,
    unsent: Cell<usize>,
    log: LogLimit,
}

impl Default for OutputBudget {
    fn default() -> Self {
        Self { limit: Cell::new(usize::MAX), unsent: Cell::new(0), log: LogLimit::default() }
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
    fn has_room(&self, len: usize) -> bool {
        self.unsent.get().saturating_add(len) <= self.limit.get()
    }
}

impl State {
    /// Whether so many bytes can be written. If they are too many for the budget, the fullest connections end until they
    /// are not, or this one, if it would be the fullest.
    #[inline]
    pub(crate) fn has_budget(&self, len: usize) -> bool {
        self.hub.output_budget.has_room(len) || self.make_room(len)
    }

    #[cold]
    fn make_room(&self, len: usize) -> bool {
        let root = self.root();
        while !self.hub.output_budget.has_room(len) {
            let would_be = root.held.get().saturating_add(len);
            match self.hub.fullest() {
                Some(fullest) if fullest.0.held.get() > would_be && !std::ptr::eq(&*fullest.0, root) => {
                    fullest.0.give_way();
                }
                _ => {
                    root.give_way();
                    return false;
                }
            }
        }
        true
    }

    /// Ends this connection, whose bytes do not count from here on. Its own are freed at once, for many may give way before
    /// any has its next turn; those inside layers then.
    fn give_way(&self) {
        let Hub { output_budget, timers, .. } = &*self.hub;
        if let Some(left_out) = output_budget.log.allows(timers.now()) {
            tracing::warn!(
                left_out,
                peer = %self.peer(),
                unsent = self.held.get(),
                budget = output_budget.limit(),
                "more was written than the reactor's output budget allows: the connection that is furthest behind ends"
            );
        }
        self.release_output(self.held.get());
        if !self.has_failed() {
            self.fail(CloseReason::Overflow);
        }
        // It is borrowed while a stream writes, which may be a user's, and in the end come here.
        let unsent = self.output().try_borrow_mut().map(|mut output| output.clear(&self.hub));
        log_panic("drop of bytes that were not sent", || drop(unsent));
    }

    /// Counts bytes that were written to this connection or to one inside it.
    #[inline]
    pub(crate) fn hold_output(&self, len: usize) {
        let (held, unsent) = (&self.root().held, &self.hub.output_budget.unsent);
        held.set(held.get() + len);
        unsent.set(unsent.get() + len);
    }

    /// They have left, or are thrown away.
    #[inline]
    pub(crate) fn release_output(&self, len: usize) {
        let (held, unsent) = (&self.root().held, &self.hub.output_budget.unsent);
        // Less if it has given way: then they do not count any more.
        let len = len.min(held.get());
        held.set(held.get() - len);
        unsent.set(unsent.get() - len);
    }
}
