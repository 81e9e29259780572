//! The memory that the connections of a reactor hold, and which of them end when it is too much.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;

use crate::hub::memory_budget::{AT_ONCE, Member, MemoryBudget};
use crate::util::log_limit::{LeftOut, LogLimit};

/// The bytes that all connections of a reactor hold, and those that it has set aside of its budget.
pub(crate) struct MemoryLedger {
    member: Member,
    set_aside: Cell<usize>,
    held: Cell<usize>,
    /// The connections that hold more than [`NOTEWORTHY`].
    holders: RefCell<Slab<LedgerEntry>>,
    log: LogLimit,
}

struct LedgerEntry {
    held: usize,
    holder: Weak<dyn Holder>,
}

/// A connection, with the bytes that it and the layers inside it hold.
pub(crate) trait Holder {
    fn held(&self) -> usize;
    /// Ends the connection, and returns everything it holds to the budget.
    fn evict(&self);
}

impl MemoryLedger {
    pub(crate) fn new(budget: Arc<MemoryBudget>) -> Self {
        Self {
            member: budget.join(),
            set_aside: Cell::new(0),
            held: Cell::new(0),
            holders: RefCell::default(),
            log: LogLimit::default(),
        }
    }

    pub(crate) fn budget(&self) -> &MemoryBudget {
        self.member.budget()
    }

    /// Also gives back what is set aside and not held, which a lower limit may not allow.
    pub(crate) fn set_limit(&self, bytes: usize) {
        self.budget().set_limit(bytes);
        self.give_back_beyond(0);
    }

    pub(crate) fn set_ask(&self, ask: impl Fn() + Send + Sync + 'static) {
        self.member.set_ask(ask);
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.held.get()
    }

    #[inline]
    pub(crate) fn take(&self, bytes: usize) {
        self.held.set(self.held.get() + bytes);
    }

    #[inline]
    pub(crate) fn give_back(&self, bytes: usize) {
        self.held.set(self.held.get() - bytes);
    }

    /// Whether `len` more bytes are set aside already.
    #[inline]
    pub(crate) fn has_room(&self, len: usize) -> bool {
        self.held.get().saturating_add(len) <= self.set_aside.get()
    }

    /// Makes room for `len` more bytes of the asking connection, by evicting those that hold most. Returns false if it would
    /// hold most itself: then it was evicted. A connection that would hold little never is.
    #[cold]
    pub(crate) fn make_room(&self, asking: &dyn Holder, len: usize) -> bool {
        let would_be = asking.held().saturating_add(len);
        while !self.reserve(len) {
            if would_be <= NOTEWORTHY {
                self.overdraw(len);
                break;
            }
            if let Some(fullest) = self.member.fullest_other(len) {
                self.overdraw(len);
                fullest.ask_for_room();
                break;
            }
            match self.largest() {
                Some((held, largest)) if held > would_be => self.evict(&*largest),
                _ => {
                    self.evict(asking);
                    return false;
                }
            }
        }
        true
    }

    /// Evicts connections that hold most while too much is set aside. Another reactor has asked for it.
    pub(crate) fn relieve(&self) {
        self.member.begin_relief();
        self.give_back_beyond(0);
        while self.member.is_overdrawn() {
            if let Some(fullest) = self.member.fullest_other(0) {
                return fullest.ask_for_room();
            }
            let Some((_, largest)) = self.largest() else { return };
            self.evict(&*largest);
        }
    }

    fn evict(&self, holder: &dyn Holder) {
        self.budget().count_evicted();
        holder.evict();
        self.give_back_beyond(0);
    }

    fn missing(&self, len: usize) -> usize {
        self.held.get().saturating_add(len).saturating_sub(self.set_aside.get())
    }

    fn reserve(&self, len: usize) -> bool {
        let missing = self.missing(len);
        let taken = if missing == 0 { 0 } else { self.member.set_aside(missing) };
        self.set_aside.set(self.set_aside.get() + taken);
        taken >= missing
    }

    fn overdraw(&self, len: usize) {
        let missing = self.missing(len);
        self.member.overdraw(missing);
        self.set_aside.set(self.set_aside.get() + missing);
    }

    /// Gives back what is set aside and not held, except for `spare` bytes.
    fn give_back_beyond(&self, spare: usize) {
        let kept = self.held.get().saturating_add(spare).min(self.set_aside.get());
        self.member.give_back(self.set_aside.replace(kept) - kept);
    }

    fn largest(&self) -> Option<(usize, Rc<dyn Holder>)> {
        let holders = self.holders.borrow();
        let (_, largest) = holders.iter().max_by_key(|(_, entry)| entry.held)?;
        Some((largest.held, largest.holder.upgrade()?))
    }

    /// Lists a connection that holds more than [`NOTEWORTHY`]; the key is for [`set_held`](Self::set_held) and
    /// [`remove_holder`](Self::remove_holder).
    pub(crate) fn add_holder(&self, holder: Weak<dyn Holder>, held: usize) -> u32 {
        self.holders.borrow_mut().insert(LedgerEntry { held, holder }) as u32
    }

    pub(crate) fn set_held(&self, key: u32, held: usize) {
        self.holders.borrow_mut()[key as usize].held = held;
    }

    pub(crate) fn remove_holder(&self, key: u32) {
        self.holders.borrow_mut().remove(key as usize);
        if self.set_aside.get() - self.held.get().min(self.set_aside.get()) > 2 * AT_ONCE {
            self.give_back_beyond(AT_ONCE);
        }
    }

    /// Whether to log that a connection is evicted, and how many were not logged before it.
    pub(crate) fn logs(&self, now: Instant) -> Option<LeftOut> {
        self.log.allows(now)
    }
}

/// A connection that holds no more than this has only just written or received. It is not listed, so that a message costs
/// nothing, and it is never evicted: clients with short messages are served whatever others hold. The bytes of all such
/// connections come on top of the budget; the number of connections bounds them.
pub(crate) const NOTEWORTHY: usize = 4 * 1024;
