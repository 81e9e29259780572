//! The time of the running turn of the loop.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::time::clock::Clock;

/// The clock, read at most once a turn, because reading it for each message would be a tenth of what a message costs.
pub(crate) struct TurnClock {
    clock: Rc<Clock>,
    /// From when tenths are counted.
    zero: Instant,
    turn: Cell<Turn>,
}

#[derive(Clone, Copy)]
enum Turn {
    /// None is running.
    Over,
    /// Nobody has asked for its time yet.
    Unread,
    Read(Instant, Tenths),
}

/// A time in tenths of a second. Differences are right for thirteen years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tenths(u32);

impl Tenths {
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::from(self.0.wrapping_sub(earlier.0)) * 100)
    }
}

impl TurnClock {
    pub(crate) fn new(clock: Rc<Clock>) -> Self {
        Self { zero: clock.now(), clock, turn: Cell::new(Turn::Over) }
    }

    /// The time at which somebody has first asked in this turn; outside of turns, the time.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        match self.turn.get() {
            Turn::Read(now, _) => now,
            Turn::Over | Turn::Unread => self.read().0,
        }
    }

    /// The same in tenths of a second.
    #[inline]
    pub(crate) fn tenths(&self) -> Tenths {
        match self.turn.get() {
            Turn::Read(_, tenths) => tenths,
            Turn::Over | Turn::Unread => self.read().1,
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "only differences are looked at")]
    fn read(&self) -> (Instant, Tenths) {
        let now = self.clock.now();
        let tenths = Tenths((now.saturating_duration_since(self.zero).as_millis() / 100) as u32);
        if let Turn::Unread = self.turn.get() {
            self.turn.set(Turn::Read(now, tenths));
        }
        (now, tenths)
    }

    /// Runs one turn of the loop, which does not panic.
    pub(crate) fn in_turn(&self, turn: impl FnOnce()) {
        self.turn.set(Turn::Unread);
        turn();
        self.turn.set(Turn::Over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_turn_is_read_when_it_is_first_asked_for_and_once() {
        let clock = Rc::new(Clock::manual(0));
        let turn_clock = TurnClock::new(Rc::clone(&clock));
        let second = Duration::from_secs(1);
        let (begun, first) = (clock.now(), turn_clock.tenths());
        turn_clock.in_turn(|| {
            clock.advance_to(begun + second);
            assert_eq!(turn_clock.now(), begun + second);
            clock.advance_to(begun + 2 * second);
            assert_eq!(turn_clock.now(), begun + second);
            assert_eq!(turn_clock.tenths().since(first), second);
        });
        assert_eq!(turn_clock.now(), begun + 2 * second, "outside of a turn it is the time");
        turn_clock.in_turn(|| assert_eq!(turn_clock.tenths().since(first), 2 * second));
    }
}
