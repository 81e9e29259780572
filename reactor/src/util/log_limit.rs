use std::cell::Cell;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Lets one line of a log through every five seconds, and counts the others: a fault that concerns each of a thousand
/// clients is logged once.
///
/// ```
/// use reactor::Reactor;
/// use reactor::task::LogLimit;
///
/// fn refused(limit: &LogLimit, reactor: &Reactor) {
///     if let Some(left_out) = limit.allows(reactor.now()) {
///         eprintln!("refused a client ({left_out:?} more since this was last said)");
///     }
/// }
/// ```
#[derive(Debug, Default)]
pub struct LogLimit {
    last: Cell<Option<Instant>>,
    left_out: Cell<u64>,
}

impl LogLimit {
    /// Whether a line may be written now, and if so, how many were left out since the last one.
    pub fn allows(&self, now: Instant) -> Option<LeftOut> {
        if self.last.get().is_some_and(|last| now.saturating_duration_since(last) < LOG_INTERVAL) {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(NonZeroU64::new(self.left_out.take()))
    }
}

/// A field of a logged line; `None` if nothing was left out.
pub type LeftOut = Option<NonZeroU64>;

const LOG_INTERVAL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::clock::Clock;

    #[test]
    fn one_line_passes_in_a_while_and_says_how_many_did_not() {
        let (limit, now) = (LogLimit::default(), Clock::manual(0).now());
        let at = |millis| limit.allows(now + Duration::from_millis(millis));
        assert_eq!(
            [0, 1, 4_999, 5_000, 10_000].map(at),
            [Some(None), None, None, Some(NonZeroU64::new(2)), Some(None)]
        );
    }
}
