//! Time and chance: the only module that asks the system for either.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::util::lock::lock;

/// The reactor's source of time and of random numbers: the system's, or one that a test controls.
#[derive(Debug)]
pub(crate) struct Clock {
    now: SharedClock,
    /// `None`: the system's time of day.
    time_of_day: Option<Cell<SystemTime>>,
    random: RefCell<fastrand::Rng>,
}

/// The same clock for other threads, without the time of day. It is the system's where it holds no time.
#[derive(Clone, Debug)]
pub(crate) struct SharedClock(Option<Arc<Mutex<Instant>>>);

impl Clock {
    pub(crate) fn system() -> Self {
        Self { now: SharedClock(None), time_of_day: None, random: RefCell::new(fastrand::Rng::new()) }
    }

    /// A manual clock, which stands still until [`advance_to`](Self::advance_to) and begins at the start of 2000 (UTC).
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant can be had in no other way; only differences are looked at"
    )]
    pub(crate) fn manual(seed: u64) -> Self {
        Self {
            now: SharedClock(Some(Arc::new(Mutex::new(Instant::now())))),
            time_of_day: Some(Cell::new(SystemTime::UNIX_EPOCH + Duration::from_secs(946_684_800))),
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now.now()
    }

    pub(crate) fn share(&self) -> SharedClock {
        self.now.clone()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn time_of_day(&self) -> SystemTime {
        self.time_of_day.as_ref().map_or_else(SystemTime::now, Cell::get)
    }

    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().u64(..)
    }

    /// Moves a manual clock forward, never back; does nothing to the system's.
    pub(crate) fn advance_to(&self, instant: Instant) {
        if let (SharedClock(Some(now)), Some(time_of_day)) = (&self.now, &self.time_of_day) {
            let mut now = lock(now);
            let step = instant.saturating_duration_since(*now);
            *now += step;
            time_of_day.set(time_of_day.get() + step);
        }
    }

    /// Sets the time of day of a manual clock; timers do not follow it.
    pub(crate) fn set_time_of_day(&self, time: SystemTime) {
        if let Some(time_of_day) = &self.time_of_day {
            time_of_day.set(time);
        }
    }
}

impl SharedClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn now(&self) -> Instant {
        self.0.as_ref().map_or_else(Instant::now, |now| *lock(now))
    }
}
