use std::cell::Cell;
use std::time::{Duration, Instant};

/// Lets one log line through per interval: an event that affects a thousand clients is logged once.
#[derive(Default)]
pub(crate) struct LogLimit(Cell<Option<Instant>>);

impl LogLimit {
    pub(crate) fn allows(&self, now: Instant) -> bool {
        let allowed = self.0.get().is_none_or(|last| now.saturating_duration_since(last) >= LOG_INTERVAL);
        if allowed {
            self.0.set(Some(now));
        }
        allowed
    }
}

const LOG_INTERVAL: Duration = Duration::from_secs(5);
