use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Limits restarts of failed services to `most` in any period of this length.
pub(crate) struct Restarts {
    most: usize,
    period: Duration,
    /// The restarts of the last period, oldest first; never more than `most`.
    recent: RefCell<VecDeque<Instant>>,
}

impl Restarts {
    pub(crate) fn new(most: usize, period: Duration) -> Self {
        Self { most, period, recent: RefCell::default() }
    }

    /// Whether one more restart is allowed now; if so, counts it.
    pub(crate) fn allow(&self, now: Instant) -> bool {
        let mut recent = self.recent.borrow_mut();
        while recent.front().is_some_and(|first| now.saturating_duration_since(*first) > self.period) {
            recent.pop_front();
        }
        let allowed = recent.len() < self.most;
        if allowed {
            recent.push_back(now);
        }
        allowed
    }

    pub(crate) fn forget(&self) {
        self.recent.borrow_mut().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::time::clock::Clock;

    #[test]
    fn as_many_as_the_period_allows_and_again_when_it_has_passed() {
        let start = Clock::manual(0).now();
        let restarts = Restarts::new(2, Duration::from_secs(5));
        let allowed = |seconds| restarts.allow(start + Duration::from_secs(seconds));
        assert_eq!([0, 1, 5, 6, 6, 7].map(allowed), [true, true, false, true, false, true]);
        restarts.forget();
        assert_eq!([7, 7, 7].map(allowed), [true, true, false]);
    }

    #[test]
    fn none_where_none_is_wanted() {
        let restarts = Restarts::new(0, Duration::MAX);
        assert!(!restarts.allow(Clock::manual(0).now()));
    }
}
