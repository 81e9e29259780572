//! Time and chance: the only module that asks the system for either.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant, SystemTime};

/// The reactor's source of time and of random numbers: the system's, or one that a test controls.
#[derive(Debug)]
pub(crate) struct Clock {
    /// `None`: the system's time.
    manual: Option<Manual>,
    random: RefCell<fastrand::Rng>,
}

#[derive(Debug)]
struct Manual {
    now: Cell<Instant>,
    time_of_day: Cell<SystemTime>,
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self { manual: None, random: RefCell::new(fastrand::Rng::new()) }
    }

    /// A manual clock, which stands still until [`advance_to`](Self::advance_to) and begins at the start of 2000 (UTC).
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can be had in no other way; only differences are looked at"
    )]
    pub(crate) fn manual(seed: u64) -> Self {
        let manual = Manual {
            now: Cell::new(Instant::now()),
            time_of_day: Cell::new(SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800)),
        };
        Self { manual: Some(manual), random: RefCell::new(fastrand::Rng::with_seed(seed)) }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn now(&self) -> Instant {
        self.manual.as_ref().map_or_else(Instant::now, |manual| manual.now.get())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn time_of_day(&self) -> SystemTime {
        self.manual.as_ref().map_or_else(SystemTime::now, |manual| manual.time_of_day.get())
    }

    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// Moves a manual clock forward, never back; does nothing to the system's.
    pub(crate) fn advance_to(&self, instant: Instant) {
        if let Some(manual) = &self.manual {
            let step = instant.saturating_duration_since(manual.now.get());
            manual.now.set(manual.now.get() + step);
            manual.time_of_day.set(manual.time_of_day.get() + step);
        }
    }

    /// Sets the time of day of a manual clock; timers do not follow it.
    pub(crate) fn set_time_of_day(&self, time: SystemTime) {
        if let Some(manual) = &self.manual {
            manual.time_of_day.set(time);
        }
    }
}
