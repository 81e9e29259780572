use std::fmt;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use crate::time::timers::{TimerId, Timers};

/// A handle of one timed call, from [`Reactor::call_later`](crate::Reactor::call_later) or
/// [`Transport::call_later`](crate::Transport::call_later). Twisted's `DelayedCall`.
///
/// Dropping it changes nothing. Once the call was made or cancelled, or its connection has ended, every method is
/// harmless and returns `false` (Twisted raises `AlreadyCalled` or `AlreadyCancelled`).
///
/// ```
/// use std::time::Duration;
/// use reactor::Reactor;
///
/// let reactor = Reactor::new()?;
/// let call = reactor.call_later(Duration::from_secs(60), || println!("never"));
/// assert!(call.is_active());
/// assert!(call.cancel());
/// assert!(!call.cancel());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct DelayedCall {
    timers: Weak<Timers>,
    timer: TimerId,
}

impl DelayedCall {
    pub(crate) fn new(timers: &Rc<Timers>, timer: TimerId) -> Self {
        Self { timers: Rc::downgrade(timers), timer }
    }

    /// Cancels the call. What it owns is dropped at once.
    pub fn cancel(&self) -> bool {
        self.timers.upgrade().is_some_and(|timers| timers.cancel(self.timer))
    }

    /// Makes the call due `delay` from now, whether that is earlier or later. It follows other calls due at that
    /// instant.
    pub fn reset(&self, delay: Duration) -> bool {
        self.timers.upgrade().is_some_and(|timers| timers.reset(self.timer, delay))
    }

    /// Makes the call due `delay` after its present time.
    pub fn delay(&self, delay: Duration) -> bool {
        self.timers.upgrade().is_some_and(|timers| timers.delay(self.timer, delay))
    }

    /// Whether the call is still pending.
    pub fn is_active(&self) -> bool {
        self.due_at().is_some()
    }

    /// When it is due, on the clock of [`Reactor::now`](crate::Reactor::now). Twisted's `getTime`.
    pub fn due_at(&self) -> Option<Instant> {
        self.timers.upgrade()?.due_at(self.timer)
    }
}

impl fmt::Debug for DelayedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayedCall").field("due_at", &self.due_at()).finish()
    }
}
