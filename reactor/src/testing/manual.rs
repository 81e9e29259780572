//! Driving a reactor in memory: its tasks and its clock.

use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use crate::reactor::core::{Backend, Core, MemoryBackend, Phase};
use crate::util::panic_watch::pass_on_panics;

impl Core {
    /// Runs tasks, and calls of other threads, until nothing more happens at this instant.
    pub(crate) fn settle(self: &Rc<Self>) {
        self.advance(Duration::ZERO);
    }

    /// Lets time pass, from deadline to deadline.
    ///
    /// A pass over due calls takes a microsecond, so that a chain of calls without delay cannot stop the clock; at the
    /// end of the time such a chain is left for later after a number of passes.
    ///
    /// # Panics
    ///
    /// If a callback has panicked, unless the test expects it.
    pub(crate) fn advance(self: &Rc<Self>, time: Duration) {
        pass_on_panics(|| self.advance_to_end(time));
    }

    fn advance_to_end(self: &Rc<Self>, time: Duration) {
        let timers = &self.hub.timers;
        let clock = &self.hub.clock;
        let end = timers.now() + time;
        let mut passes_at_end = 0;
        loop {
            self.run_tasks();
            let now = timers.now();
            match timers.next_deadline(Waker::noop()) {
                Some(deadline) if deadline <= now => {
                    passes_at_end += u32::from(now == end);
                    if passes_at_end > PASSES_AT_END {
                        return;
                    }
                    timers.run_due();
                    clock.advance_to(end.min(now + PASS));
                }
                Some(deadline) if deadline <= end => clock.advance_to(deadline),
                _ => break,
            }
        }
        clock.advance_to(end);
    }

    /// Runs tasks, and makes the calls of other threads, until none can continue.
    pub(super) fn run_tasks(self: &Rc<Self>) {
        let Backend::Memory(MemoryBackend { executor, .. }) = &self.backend else { return };
        loop {
            self.inbox.run(self, executor.waker());
            executor.run_until_stalled();
            // The executor cannot tell its own wake-ups from those of a call that a task has requested.
            if self.inbox.is_empty() || self.phase.get() == Phase::Stopped {
                return;
            }
        }
    }
}

/// How long a pass over the due calls takes.
pub(super) const PASS: Duration = Duration::from_micros(1);

/// Far more than a test needs unless it is caught in a loop.
const PASSES_AT_END: u32 = 1000;
