//! Flow control: when a connection is read, when it is full, and what it holds of the reactor's memory budget.

use std::rc::{Rc, Weak};

use crate::hub::Hub;
use crate::hub::memory_ledger::{Holder, NOTEWORTHY};
use crate::time::panic_log::log_panic;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::lifecycle::Pace;
use crate::transport::state::State;

impl Transport {
    /// Whether the peer is read while more than 64 KiB of answers to it are unsent (not by default). It is for peers that send
    /// all their requests before they read an answer, and so would wait for this side as this side waits for them. What
    /// such a peer can have this side hold, only the [output limit](Self::set_output_limit) and the
    /// [memory budget](crate::Reactor::memory_budget) bound.
    pub fn set_read_ahead(&self, on: bool) {
        self.0.set_read_ahead(on);
    }
}

/// Reading.
impl State {
    pub(crate) fn wants_read(&self) -> bool {
        self.is_open() && !self.paused.get() && self.holds.get() == 0 && !self.owes_much()
    }

    /// Whether to wait until the peer has read its answers.
    #[inline]
    fn owes_much(&self) -> bool {
        self.owed.get() > HIGH_WATER && !self.reads_ahead.get()
    }

    pub(crate) fn set_read_ahead(&self, on: bool) {
        if self.reads_ahead.replace(on) != on {
            self.wake();
        }
    }

    pub(crate) fn pause_reading(&self) {
        if !self.paused.replace(true) {
            self.wake_outer();
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.get()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.holds.get() > 0
    }

    pub(crate) fn resume_reading(&self) {
        if self.paused.replace(false) {
            self.wake();
        }
    }

    /// What `data_received` has written is owed for input. What it found unsent, `before`, is not: two peers that send
    /// each other much data, and an answer now and then, would both stop reading.
    pub(crate) fn owe_what_exceeds(&self, before: usize) {
        self.owed.set(self.owed.get() + self.load().saturating_sub(before));
    }

    /// Records that `n` bytes of what is owed for input have left.
    #[inline]
    pub(crate) fn repay(&self, n: usize) {
        let before = self.owed.get();
        let after = before.saturating_sub(n);
        self.owed.set(after);
        if before > HIGH_WATER && after <= HIGH_WATER {
            // Input that a layer around keeps may be delivered now.
            self.wake();
        }
    }

    /// Adds a hold on reading, which one [`release`](Self::release) undoes.
    pub(crate) fn hold(&self) {
        self.holds.set(self.holds.get() + 1);
        if self.holds.get() == 1 {
            self.wake_outer();
        }
    }

    pub(crate) fn release(&self) {
        self.holds.set(self.holds.get() - 1);
        if self.holds.get() == 0 {
            self.wake();
        }
    }
}

/// Falling behind, and catching up.
impl State {
    /// Records that `unsent` bytes are unsent now.
    #[inline]
    pub(crate) fn fill(&self, unsent: usize) {
        if self.is_much(unsent) {
            self.fall_behind();
        }
    }

    fn fall_behind(&self) {
        self.pace.set(match self.pace.get() {
            Pace::KeepsUp => Pace::FallsBehind,
            Pace::CatchesUp => Pace::Behind,
            Pace::FallsBehind | Pace::Behind => return,
        });
        self.for_sources(Self::hold);
    }

    /// Records that nothing is unsent now.
    #[inline]
    pub(crate) fn catch_up(&self) {
        self.pace.set(match self.pace.get() {
            Pace::FallsBehind => Pace::KeepsUp,
            Pace::Behind => Pace::CatchesUp,
            Pace::KeepsUp | Pace::CatchesUp => return,
        });
        self.for_sources(Self::release);
    }

    /// Whether the connection was full and has not sent everything since.
    pub(crate) fn is_behind(&self) -> bool {
        matches!(self.pace.get(), Pace::FallsBehind | Pace::Behind)
    }

    /// From here on `source` is not read while this connection is full.
    pub(crate) fn add_source(&self, source: &Rc<Self>) {
        if self.has_ended() {
            return;
        }
        let source_is_new = self.with_cold(|cold| {
            cold.sources.retain(|source| source.strong_count() > 0);
            let new = !cold.sources.iter().any(|other| std::ptr::eq(other.as_ptr(), Rc::as_ptr(source)));
            if new {
                cold.sources.push(Rc::downgrade(source));
            }
            new
        });
        if source_is_new && self.is_behind() {
            source.hold();
        }
    }

    /// Holds or releases all connections that are not read while this one is full.
    pub(crate) fn for_sources(&self, each: impl Fn(&Self)) {
        // Collected first: releasing wakes a driver, which must not happen while anything is borrowed.
        let sources: Vec<_> = match self.cold() {
            Some(cold) => cold.sources.iter().filter_map(Weak::upgrade).collect(),
            None => return,
        };
        for source in sources {
            each(&source);
        }
    }
}

/// The share of the reactor's memory budget that a connection holds: its own unsent bytes, those inside its layers, and what
/// their protocols charge.
impl State {
    /// Whether `len` more bytes may be held. If they exceed the budget, the connections that hold most end until there is
    /// room; if this connection would hold most, it ends instead.
    #[inline]
    pub(crate) fn has_budget(&self, len: usize) -> bool {
        self.hub.memory.has_room(len) || self.hub.memory.make_room(self.root(), len)
    }

    /// Counts bytes that were written to this connection or to one inside it.
    #[inline]
    pub(crate) fn hold_memory(self: &Rc<Self>, len: usize) {
        let held = &self.root().held;
        let before = held.get();
        held.set(before + len);
        self.hub.memory.take(len);
        if before + len > NOTEWORTHY {
            self.note_more(before);
        }
    }

    /// Counts bytes that a protocol charges. A connection that has failed is about to give everything back.
    pub(crate) fn charge(self: &Rc<Self>, len: usize) {
        let root = self.root();
        if !root.has_ended() && !root.has_failed() && self.has_budget(len) {
            self.hold_memory(len);
        }
    }

    #[cold]
    fn note_more(self: &Rc<Self>, before: usize) {
        let root = self.outermost();
        if before > NOTEWORTHY {
            self.hub.memory.set_held(root.with_cold(|cold| cold.holder), root.held.get());
        } else {
            let holder = self.hub.memory.add_holder(Rc::downgrade(root) as _, root.held.get());
            root.with_cold(|cold| cold.holder = holder);
        }
    }

    /// Releases bytes that were sent or dropped.
    #[inline]
    pub(crate) fn give_back_memory(&self, len: usize) {
        let root = self.root();
        let before = root.held.get();
        // Less if the connection was evicted: its bytes no longer count.
        let after = before.saturating_sub(len);
        root.held.set(after);
        self.hub.memory.give_back(before - after);
        if before > NOTEWORTHY {
            root.note_less(after);
        }
    }

    #[cold]
    fn note_less(&self, after: usize) {
        let holder = self.with_cold(|cold| cold.holder);
        if after > NOTEWORTHY {
            self.hub.memory.set_held(holder, after);
        } else {
            self.hub.memory.remove_holder(holder);
        }
    }
}

impl Holder for State {
    fn held(&self) -> usize {
        self.held.get()
    }

    /// Frees its own unsent bytes at once, because many may be evicted before any has its next turn; what layers and
    /// protocols hold follows then.
    fn evict(&self) {
        let Hub { memory, timers, .. } = &*self.hub;
        if let Some(left_out) = memory.logs(timers.now()) {
            tracing::warn!(
                left_out,
                peer = %self.peer(),
                held = self.held.get(),
                budget = memory.budget().limit(),
                "connections make the program hold more than the memory budget allows: the one that holds most ends"
            );
        }
        self.give_back_memory(self.held.get());
        if !self.has_failed() {
            self.fail(CloseReason::Evicted);
        }
        let unsent = self.discard_output();
        log_panic("drop of bytes that were not sent", || drop(unsent));
    }
}

/// A connection with more unsent bytes than this is full, as in Twisted.
pub(crate) const HIGH_WATER: usize = 64 * 1024;

/// The default limit of a connection's unsent bytes.
pub(crate) const OUTPUT_LIMIT: usize = 16 * 1024 * 1024;
