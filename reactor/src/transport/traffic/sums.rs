//! What has passed on a connection, and when.

use std::cell::Cell;
use std::time::Duration;

use crate::time::turn_clock::{Tenths, TurnClock};

/// Kept by the driver of a connection; layers inside have none.
#[derive(Default)]
pub(crate) struct Traffic {
    received: Cell<u64>,
    sent: Cell<u64>,
    reads: Cell<u64>,
    begun: Cell<Tenths>,
    active: Cell<Tenths>,
}

/// [`Traffic`] at one moment.
#[derive(Default)]
pub(crate) struct TrafficSums {
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) reads: u64,
    /// Since it began.
    pub(crate) age: Duration,
    /// Since something passed.
    pub(crate) idle: Duration,
}

impl Traffic {
    pub(crate) fn begin(clock: &TurnClock) -> Self {
        let now = Cell::new(clock.tenths());
        Self { begun: now.clone(), active: now, ..Self::default() }
    }

    #[inline]
    pub(crate) fn add_received(&self, bytes: usize, clock: &TurnClock) {
        self.received.set(self.received.get() + bytes as u64);
        self.reads.set(self.reads.get() + 1);
        self.active.set(clock.tenths());
    }

    #[inline]
    pub(crate) fn add_sent(&self, bytes: usize, clock: &TurnClock) {
        self.sent.set(self.sent.get() + bytes as u64);
        self.active.set(clock.tenths());
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    pub(crate) fn sums(&self, now: Tenths) -> TrafficSums {
        TrafficSums {
            received: self.received.get(),
            sent: self.sent.get(),
            reads: self.reads.get(),
            age: now.since(self.begun.get()),
            idle: now.since(self.active.get()),
        }
    }
}
