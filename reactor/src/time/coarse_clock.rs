//! The time at which bytes pass, for people to read.

use std::cell::Cell;
use std::rc::Rc;

use crate::time::clock::{Clock, Tenths};

/// The clock, read at most once a turn of the loop, because reading it for each message would be a tenth of what a message
/// costs.
pub(crate) struct CoarseClock {
    clock: Rc<Clock>,
    reading: Cell<Option<Tenths>>,
}

impl CoarseClock {
    pub(crate) fn new(clock: Rc<Clock>) -> Self {
        Self { clock, reading: Cell::new(None) }
    }

    /// The time of the first such call of this turn.
    #[inline]
    pub(crate) fn now(&self) -> Tenths {
        self.reading.get().unwrap_or_else(|| self.read())
    }

    /// Reads the clock.
    pub(crate) fn read(&self) -> Tenths {
        let now = self.clock.tenths();
        // A manual clock is always exact.
        if !self.clock.is_manual() {
            self.reading.set(Some(now));
        }
        now
    }

    /// Begins a turn of the loop.
    pub(crate) fn begin_turn(&self) {
        self.reading.set(None);
    }
}
