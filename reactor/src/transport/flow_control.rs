//! Connections that are not read while another is full.

use std::rc::{Rc, Weak};

use crate::transport::state::State;

impl State {
    /// From here on `source` is not read while this connection is full.
    pub(crate) fn add_source(&self, source: &Rc<Self>) {
        if self.has_ended() {
            return;
        }
        let source_is_new = self.with_cold(|cold| {
            cold.sources.retain(|source| source.strong_count() > 0);
            let new = !cold.sources.iter().any(|other| std::ptr::eq(other.as_ptr(), Rc::as_ptr(source)));
            if new {
                cold.sources.push(Rc::downgrade(source));
            }
            new
        });
        if source_is_new && self.is_full() {
            source.hold();
        }
    }

    /// Holds or releases all that are not read while this connection is full.
    pub(crate) fn for_sources(&self, each: impl Fn(&Self)) {
        // Collected first: releasing wakes a driver, and that is not done with something borrowed.
        let sources: Vec<_> = match &*self.cold.borrow() {
            Some(cold) => cold.sources.iter().filter_map(Weak::upgrade).collect(),
            None => return,
        };
        for source in sources {
            each(&source);
        }
    }
}
