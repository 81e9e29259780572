//! Connections whose peer does not keep up, and those that are not read meanwhile.

use std::rc::{Rc, Weak};

use crate::transport::state::State;

/// Whether the peer keeps up with what is written, and what the protocol was told of that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    KeepsUp,
    /// It was full and not all has left since; the protocol is still to be told to pause.
    FallsBehind,
    /// The same, and the protocol was told.
    Behind,
    /// All has left; the protocol, which was told to pause, is still to be told to resume.
    CatchesUp,
}

impl State {
    /// Takes note that as many bytes are unsent now.
    #[inline]
    pub(crate) fn fill(&self, unsent: usize) {
        if self.is_much(unsent) {
            self.fall_behind();
        }
    }

    fn fall_behind(&self) {
        self.pace.set(match self.pace.get() {
            Pace::KeepsUp => Pace::FallsBehind,
            Pace::CatchesUp => Pace::Behind,
            Pace::FallsBehind | Pace::Behind => return,
        });
        self.for_sources(Self::hold);
    }

    /// Takes note that nothing is unsent now.
    #[inline]
    pub(crate) fn catch_up(&self) {
        self.pace.set(match self.pace.get() {
            Pace::FallsBehind => Pace::KeepsUp,
            Pace::Behind => Pace::CatchesUp,
            Pace::KeepsUp | Pace::CatchesUp => return,
        });
        self.for_sources(Self::release);
    }

    /// Whether more was unsent than is good, and not all of it has left yet.
    pub(crate) fn is_behind(&self) -> bool {
        matches!(self.pace.get(), Pace::FallsBehind | Pace::Behind)
    }

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
        if source_is_new && self.is_behind() {
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
