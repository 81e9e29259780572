use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use crate::time::clock::Clock;
use crate::time::pulse::Running;
use crate::util::lock::lock;

/// A callback that a [`Watchdog`](crate::inspect::Watchdog) has found slow, from [`slow_callbacks`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowCallback {
    /// Counts those of the process, from 1.
    pub number: u64,
    /// When it began.
    pub began: SystemTime,
    /// The [number of the thread](crate::Reactor::thread_number).
    pub thread: usize,
    /// The name of the callback.
    pub callback: &'static str,
    /// The type of its protocol, or of a future.
    pub name: Option<&'static str>,
    /// The number of its connection.
    pub connection: Option<u64>,
    /// How long it took, or has taken until now; it is short by up to a quarter of what the watchdog calls slow.
    pub took: Duration,
    /// Whether it has not returned.
    pub running: bool,
}

/// The last 32 callbacks of the process that a watchdog has found slow, oldest first: also those that were too many for the
/// log. Without a watchdog there are none.
///
/// ```
/// for slow in reactor::inspect::slow_callbacks() {
///     println!("{} of connection {:?}: {:?}", slow.callback, slow.connection, slow.took);
/// }
/// ```
pub fn slow_callbacks() -> Vec<SlowCallback> {
    lock(&LAST).callbacks.iter().cloned().collect()
}

static LAST: Mutex<Last> = Mutex::new(Last { callbacks: VecDeque::new(), number: 0 });

struct Last {
    callbacks: VecDeque<SlowCallback>,
    /// That of the last one.
    number: u64,
}

const MOST: usize = 32;

/// Notes a callback that runs for this long; returns its number.
pub(super) fn note_slow(running: &Running, took: Duration) -> u64 {
    let now = Clock::system().time_of_day();
    let mut last = lock(&LAST);
    last.number += 1;
    if last.callbacks.len() == MOST {
        last.callbacks.pop_front();
    }
    let slow = SlowCallback {
        number: last.number,
        began: now.checked_sub(took).unwrap_or(now),
        thread: running.reactor,
        callback: running.callback,
        name: running.name,
        connection: running.connection.map(NonZeroU64::get),
        took,
        running: true,
    };
    let number = slow.number;
    last.callbacks.push_back(slow);
    number
}

/// Notes how long it has taken, and whether it still runs.
pub(super) fn note_time(number: u64, took: Duration, running: bool) {
    let mut last = lock(&LAST);
    if let Some(slow) = last.callbacks.iter_mut().rev().find(|slow| slow.number == number) {
        (slow.took, slow.running) = (took, running);
    }
}
