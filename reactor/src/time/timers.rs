//! The reactor's queue of timed calls.

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::time::call::{Call, Notify, Whose};
use crate::time::clock::Clock;
use crate::time::panic_log::log_panic_of;
use crate::time::pulse::Callback;

/// Timed calls in the order of their deadlines; first in, first out for equal ones.
pub(crate) struct Timers {
    clock: Rc<Clock>,
    /// What deadlines count from.
    beginning: Instant,
    queue: RefCell<Queue>,
}

struct Queue {
    order: BTreeMap<Deadline, u32>,
    entries: Slab<TimerEntry>,
    next_number: NonZeroU64,
    /// Woken when the first deadline has become earlier.
    waker: Option<Waker>,
}

/// When a call is due, and its number among those due at the same time, which it has of its own. It is small: a program
/// may have a million calls pending.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Deadline {
    /// Since the beginning of the queue: enough for 584 years.
    nanoseconds: u64,
    number: NonZeroU64,
}

struct TimerEntry {
    /// Invariant: the key of this entry in `order`. Its number changes whenever the call is moved.
    key: Deadline,
    /// The key it is to have, if it was moved to a later time: a call that is moved often and rarely made, such as a time
    /// limit, changes its place in `order` only when it comes first.
    later: Option<Deadline>,
    /// The number it was made with, by which handles find it.
    id: NonZeroU64,
    action: Action,
}

/// What to do when a call is due.
pub(crate) enum Action {
    Run(Box<dyn TimedCall>),
    /// Call a connection's or a datagram port's protocol.
    Notify(Weak<dyn Notify>, Call),
}

/// A function to be called when it is due.
pub(crate) trait TimedCall {
    fn run(self: Box<Self>);

    /// What it is called in reports. The type of a function tells where it was written.
    fn name(&self) -> &'static str {
        type_name::<Self>()
    }
}

impl<F: FnOnce() + 'static> TimedCall for F {
    fn run(self: Box<Self>) {
        self();
    }
}

/// A function with a name of its own.
struct Named<F>(&'static str, F);

impl<F: FnOnce()> TimedCall for Named<F> {
    fn run(self: Box<Self>) {
        (self.1)();
    }

    fn name(&self) -> &'static str {
        self.0
    }
}

/// The entry that a handle refers to; harmless when that is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimerId {
    pub(super) index: u32,
    pub(super) id: NonZeroU64,
}

impl Timers {
    pub(crate) fn new(clock: Rc<Clock>) -> Self {
        Self { beginning: clock.now(), clock, queue: RefCell::default() }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn add(&self, delay: Duration, action: Action) -> TimerId {
        let nanoseconds = self.deadline(delay);
        let mut queue = self.queue.borrow_mut();
        let id = queue.take_number();
        let key = Deadline { nanoseconds, number: id };
        let index = queue.entries.insert(TimerEntry { key, later: None, id, action });
        let index = u32::try_from(index).expect("four billion calls take more memory than there is");
        queue.place(key, index);
        TimerId { index, id }
    }

    /// When the call is due; `None` if it has been made or cancelled.
    pub(crate) fn due_at(&self, timer: TimerId) -> Option<Instant> {
        self.queue.borrow().find(timer).map(|entry| self.instant(entry.due_key()))
    }

    /// Cancels the call; returns false if it was already gone.
    pub(crate) fn cancel(&self, timer: TimerId) -> bool {
        let entry = {
            let mut queue = self.queue.borrow_mut();
            if queue.find(timer).is_none() {
                return false;
            }
            let entry = queue.entries.remove(timer.index as usize);
            queue.order.remove(&entry.key);
            entry
        };
        // Dropped with nothing borrowed: what the call owns may use timers when dropped.
        drop(entry);
        true
    }

    /// Moves the call to `delay` from now; returns false if it is gone.
    pub(crate) fn reset(&self, timer: TimerId, delay: Duration) -> bool {
        let deadline = self.deadline(delay);
        self.move_to(timer, |_| deadline)
    }

    /// Moves the call to `delay` after its present deadline; returns false if it is gone.
    pub(crate) fn delay(&self, timer: TimerId, delay: Duration) -> bool {
        self.move_to(timer, |due| due.saturating_add(nanoseconds(delay)))
    }

    /// The earliest deadline. `waker` is woken when there is an earlier one.
    pub(crate) fn next_deadline(&self, waker: &Waker) -> Option<Instant> {
        let mut queue = self.queue.borrow_mut();
        if !queue.waker.as_ref().is_some_and(|w| w.will_wake(waker)) {
            queue.waker = Some(waker.clone());
        }
        queue.first().map(|(key, _)| self.instant(key))
    }

    /// Makes the calls that are due, each with nothing borrowed. Returns true if more became due meanwhile: calls made
    /// or moved during the pass wait for the next, so that a call that reschedules itself cannot starve everything
    /// else.
    pub(crate) fn run_due(&self) -> bool {
        let pass = Pass { now: self.deadline(Duration::ZERO), below: self.queue.borrow().next_number };
        while let Some(action) = self.next_due(&pass) {
            action.run();
        }
        self.queue.borrow_mut().first().is_some_and(|(key, _)| key.nanoseconds <= pass.now)
    }

    fn next_due(&self, pass: &Pass) -> Option<Action> {
        let mut queue = self.queue.borrow_mut();
        let (key, index) = queue.first()?;
        if key.nanoseconds > pass.now || key.number >= pass.below {
            return None;
        }
        queue.order.remove(&key);
        Some(queue.entries.remove(index as usize).action)
    }

    /// When the calls are due that come first, up to this many, and whose they are.
    pub(crate) fn next(&self, limit: usize) -> Vec<(Instant, Whose)> {
        let queue = self.queue.borrow();
        let mut all: Vec<_> = queue.entries.iter().map(|(index, entry)| (entry.due_key(), index)).collect();
        if limit < all.len() {
            all.select_nth_unstable(limit);
            all.truncate(limit);
        }
        all.sort_unstable();
        all.into_iter().map(|(due, index)| (self.instant(due), queue.entries[index].action.whose())).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.borrow().entries.len()
    }

    /// Drops all calls.
    pub(crate) fn clear(&self) {
        loop {
            let queue = std::mem::take(&mut *self.queue.borrow_mut());
            if queue.entries.is_empty() {
                return;
            }
            // Numbers continue: a handle to an old entry must not find a new one.
            self.queue.borrow_mut().next_number = queue.next_number;
            drop(queue);
        }
    }

    /// `delay` from now, as [`Deadline::nanoseconds`].
    fn deadline(&self, delay: Duration) -> u64 {
        nanoseconds(self.now().saturating_duration_since(self.beginning)).saturating_add(nanoseconds(delay))
    }

    fn instant(&self, deadline: Deadline) -> Instant {
        self.beginning + Duration::from_nanos(deadline.nanoseconds)
    }

    fn move_to(&self, timer: TimerId, to: impl FnOnce(u64) -> u64) -> bool {
        let mut queue = self.queue.borrow_mut();
        let Some(entry) = queue.find(timer) else {
            return false;
        };
        let (old, due) = (entry.key, entry.due_key().nanoseconds);
        let key = Deadline { nanoseconds: to(due), number: queue.take_number() };
        let entry = &mut queue.entries[timer.index as usize];
        if key >= old {
            entry.later = Some(key);
        } else {
            entry.later = None;
            queue.order.remove(&old);
            queue.place(key, timer.index);
        }
        true
    }
}

/// Those of a duration; too long a one counts as the longest.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Default for Queue {
    fn default() -> Self {
        Self { order: BTreeMap::new(), entries: Slab::new(), next_number: NonZeroU64::MIN, waker: None }
    }
}

impl Queue {
    fn take_number(&mut self) -> NonZeroU64 {
        let number = self.next_number;
        self.next_number = number.saturating_add(1);
        number
    }

    fn find(&self, timer: TimerId) -> Option<&TimerEntry> {
        self.entries.get(timer.index as usize).filter(|entry| entry.id == timer.id)
    }

    /// The first call to make. Those before it that were moved to a later time find their place.
    fn first(&mut self) -> Option<(Deadline, u32)> {
        loop {
            let (key, index) = self.order.first_key_value().map(|(key, index)| (*key, *index))?;
            let entry = &mut self.entries[index as usize];
            let Some(later) = entry.later.take() else { return Some((key, index)) };
            entry.key = later;
            self.order.remove(&key);
            self.order.insert(later, index);
        }
    }

    fn place(&mut self, key: Deadline, index: u32) {
        self.entries[index as usize].key = key;
        self.order.insert(key, index);
        if self.order.first_key_value().is_some_and(|(first, _)| *first == key)
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }
}

impl TimerEntry {
    /// The key of when it is due.
    fn due_key(&self) -> Deadline {
        self.later.unwrap_or(self.key)
    }
}

impl Action {
    /// Calls this function, with a name of its own.
    pub(crate) fn named(name: &'static str, call: impl FnOnce() + 'static) -> Self {
        Self::Run(Box::new(Named(name, call)))
    }

    fn whose(&self) -> Whose {
        match self {
            Self::Run(call) => Whose { connection: None, name: call.name() },
            Self::Notify(owner, _) => owner.upgrade().map_or_else(Whose::default, |owner| owner.whose()),
        }
    }

    fn run(self) {
        match self {
            Self::Run(call) => log_panic_of(Callback::TimedCall.of_reactor(), || call.run()),
            Self::Notify(owner, call) => {
                if let Some(owner) = owner.upgrade() {
                    owner.notify(call);
                }
            }
        }
    }
}

/// A future that is ready at its deadline; dropping it removes it from the queue.
pub(crate) struct Sleep {
    timers: Rc<Timers>,
    state: Rc<SleepState>,
    timer: TimerId,
}

#[derive(Default)]
struct SleepState {
    over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Sleep {
    pub(crate) fn new(timers: &Rc<Timers>, delay: Duration) -> Self {
        let state = Rc::new(SleepState::default());
        let wake = Rc::clone(&state);
        let action = Action::named("a future that sleeps", move || {
            wake.over.set(true);
            let waker = wake.waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        Self { timer: timers.add(delay, action), timers: Rc::clone(timers), state }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.state.over.get() {
            return Poll::Ready(());
        }
        self.state.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.timers.cancel(self.timer);
    }
}

/// One pass over the calls that were due when it began.
struct Pass {
    /// As [`Deadline::nanoseconds`].
    now: u64,
    below: NonZeroU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_million_calls_half_are_cancelled_the_others_made_in_exact_order_and_none_is_left() {
        const CALLS: usize = 1_000_000;
        let timers = Timers::new(Rc::new(Clock::manual(1)));
        let made = Rc::new(RefCell::new(Vec::with_capacity(CALLS / 2)));
        let calls: Vec<_> = (0..CALLS)
            .map(|number| {
                // So few different deadlines that more than ten calls are due at each.
                let delay = Duration::from_millis(timers.clock.random() % 65_536);
                let made = Rc::clone(&made);
                (delay, number, timers.add(delay, Action::Run(Box::new(move || made.borrow_mut().push(number)))))
            })
            .collect();
        assert_eq!(timers.len(), CALLS);
        let each = bytes_each(&timers.queue.borrow());
        assert!(each <= 224, "{each} bytes each");

        let (mut kept, cancelled): (Vec<_>, Vec<_>) = calls.into_iter().partition(|(_, number, _)| number % 2 == 0);
        assert!(cancelled.iter().all(|(_, _, timer)| timers.cancel(*timer)));
        while let Some(deadline) = timers.next_deadline(Waker::noop()) {
            timers.clock.advance_to(deadline);
            assert!(!timers.run_due());
        }
        kept.sort_unstable_by_key(|(delay, number, _)| (*delay, *number));
        assert!(kept.iter().map(|(_, number, _)| number).eq(&*made.borrow()), "made in another order");
        assert_eq!(timers.len(), 0);
    }

    /// What each call in the queue takes: its share of the entries with the room kept for more, a slot of the tree, and
    /// the block with what its function owns (which is 16 bytes in this test).
    ///
    /// A node of the tree has eleven slots, of which six are used where calls come in any order, and some 120 bytes
    /// besides, if it is an inner one.
    fn bytes_each(queue: &Queue) -> usize {
        let entries = queue.entries.capacity() * (size_of::<TimerEntry>() + size_of::<usize>());
        let slot = (11 * size_of::<(Deadline, u32)>() + 120) / 6;
        let function = 16 + 2 * size_of::<usize>();
        entries / queue.entries.len() + slot + function
    }
}
