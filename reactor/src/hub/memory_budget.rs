//! A limit on the memory that connections hold.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::hub::process_memory;
use crate::util::lock::lock;

/// The bytes that the connections of one reactor, or of several that run together, may hold. A reactor sets bytes aside
/// before its connections hold them, many at a time, so that threads rarely meet here.
pub(crate) struct MemoryBudget {
    limit: AtomicUsize,
    /// The bytes that all members have set aside; more than the limit after [`Member::overdraw`].
    set_aside: AtomicUsize,
    evicted: AtomicU64,
    members: Mutex<Vec<Arc<Share>>>,
}

/// A reactor's part of a budget.
pub(crate) struct Member {
    budget: Arc<MemoryBudget>,
    part: Arc<Share>,
}

#[derive(Default)]
pub(crate) struct Share {
    set_aside: AtomicUsize,
    /// Its reactor was asked to make room, and has not begun.
    asked: AtomicBool,
    /// Asks the reactor to make room in one of its next turns.
    ask: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl MemoryBudget {
    /// A quarter of what the process may use: buffers and allocators may take twice the memory of what is in them, and the
    /// other half is for the program.
    pub(crate) fn of_process() -> Arc<Self> {
        Self::new(process_memory::of_process() / PROCESS_PART)
    }

    /// For simulations, which must not depend on the machine, and for tests.
    pub(crate) fn unlimited() -> Arc<Self> {
        Self::new(usize::MAX)
    }

    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicUsize::new(limit),
            set_aside: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            members: Mutex::default(),
        })
    }

    pub(crate) fn join(self: Arc<Self>) -> Member {
        let part = Arc::<Share>::default();
        self.members().push(Arc::clone(&part));
        Member { budget: self, part }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    pub(crate) fn count_evicted(&self) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing that can panic runs while it is locked.
    fn members(&self) -> MutexGuard<'_, Vec<Arc<Share>>> {
        lock(&self.members)
    }
}

impl Member {
    pub(crate) fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Sets how other threads ask this reactor to make room.
    pub(crate) fn set_ask(&self, ask: impl Fn() + Send + Sync + 'static) {
        let _ = self.part.ask.set(Box::new(ask));
    }

    /// Takes note that the reactor begins to make room; it may be asked again.
    pub(crate) fn begin_relief(&self) {
        // Not a mere store: what was overdrawn before it was asked is seen behind this.
        self.part.asked.swap(false, Ordering::AcqRel);
    }

    /// Sets these bytes aside, and more for what comes next if there is room. Returns how many it has set aside; 0 if there
    /// is no room for `bytes`.
    pub(crate) fn set_aside(&self, bytes: usize) -> usize {
        let limit = self.budget.limit();
        let mut taken = 0;
        let set = self.budget.set_aside.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            let room = limit.saturating_sub(before);
            taken = bytes.max(AT_ONCE.min(room));
            (bytes <= room).then(|| before + taken)
        });
        if set.is_err() {
            return 0;
        }
        self.part.set_aside.fetch_add(taken, Ordering::Relaxed);
        taken
    }

    /// Sets bytes aside although there is no room for them.
    pub(crate) fn overdraw(&self, bytes: usize) {
        self.budget.set_aside.fetch_add(bytes, Ordering::Relaxed);
        self.part.set_aside.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.budget.set_aside.fetch_sub(bytes, Ordering::Relaxed);
        self.part.set_aside.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether more is set aside than may be.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.budget.set_aside.load(Ordering::Relaxed) > self.budget.limit()
    }

    /// The part of the reactor that has set most aside, which is to make room. Returns none if this would be that reactor with
    /// `bytes` more, or if too much is overdrawn to wait for the other one.
    pub(crate) fn fullest_other(&self, bytes: usize) -> Option<Arc<Share>> {
        let limit = self.budget.limit();
        let with_them = self.budget.set_aside.load(Ordering::Relaxed).saturating_add(bytes);
        if with_them > limit.saturating_add(limit / OVERDRAFT_PART) {
            return None;
        }
        let own = self.part.set_aside.load(Ordering::Relaxed).saturating_add(bytes);
        let members = self.budget.members();
        let fullest = members.iter().max_by_key(|part| part.set_aside.load(Ordering::Relaxed))?;
        (fullest.set_aside.load(Ordering::Relaxed) > own && fullest.ask.get().is_some()).then(|| Arc::clone(fullest))
    }
}

impl Share {
    /// Asks its reactor to make room, once until it begins. What is overdrawn is set aside before: a reactor that finds
    /// nothing overdrawn makes no room.
    pub(crate) fn ask_for_room(&self) {
        if let Some(ask) = self.ask.get()
            && !self.asked.swap(true, Ordering::AcqRel)
        {
            ask();
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.budget.members().retain(|part| !Arc::ptr_eq(part, &self.part));
        self.give_back(self.part.set_aside.load(Ordering::Relaxed));
    }
}

const PROCESS_PART: usize = 4;

/// What a reactor sets aside at a time.
pub(crate) const AT_ONCE: usize = 64 * 1024;

/// The part of the limit that may be held in excess while the fullest reactor makes room.
const OVERDRAFT_PART: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_set_aside_what_is_left_and_give_it_back() {
        let budget = MemoryBudget::new(100_000);
        let (one, other) = (Arc::clone(&budget).join(), Arc::clone(&budget).join());
        assert_eq!((one.set_aside(1), other.set_aside(30_000)), (AT_ONCE, 100_000 - AT_ONCE));
        assert_eq!((one.set_aside(1), other.set_aside(1)), (0, 0));
        one.give_back(10);
        assert_eq!((other.set_aside(11), other.set_aside(10)), (0, 10));
        drop(one);
        assert_eq!(other.set_aside(AT_ONCE), 0);
        assert_eq!(other.set_aside(AT_ONCE - 10), AT_ONCE - 10);
    }

    #[test]
    fn the_fullest_is_asked_once_until_it_begins_and_no_more_than_a_part_is_overdrawn_meanwhile() {
        let budget = MemoryBudget::new(800_000);
        let (full, other) = (Arc::clone(&budget).join(), Arc::clone(&budget).join());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        full.set_ask(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(full.set_aside(800_000), 800_000);
        let ask = |member: &Member, bytes| member.fullest_other(bytes).map(|fullest| fullest.ask_for_room()).is_some();
        assert!(ask(&other, 50_000) && ask(&other, 50_000));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        full.begin_relief();
        other.overdraw(50_000);
        assert!(other.is_overdrawn() && ask(&other, 50_000));
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        assert!(!ask(&other, 50_001) && !ask(&full, 1));
    }
}
