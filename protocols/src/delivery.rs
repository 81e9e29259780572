//! When a receiver delivers, and when it waits.

use std::cell::Cell;

use reactor::Transport;

/// The rules by which a receiver hands out what it has cut from one chunk, shared with the handle of it.
///
/// It stops at once when it is paused, when the connection closes, and when its answers fill the output: a peer that
/// sends many questions at once and is slow to read the answers must not make those pile up. While anything is left
/// the connection is not read, so that the receiver never keeps more than one chunk.
pub(crate) struct Delivery {
    pub(crate) transport: Transport,
    /// By the user.
    paused: Cell<bool>,
    /// It stopped before the end, and the connection is not read meanwhile.
    held: Cell<bool>,
    phase: Cell<Phase>,
    /// What was unsent when it began.
    unsent: Cell<usize>,
    /// Has the receiver deliver in the connection's next turn.
    ask: fn(&Transport),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// It will go on in the connection's next turn.
    Asked,
    Running,
}

impl Delivery {
    pub(crate) fn new(transport: Transport, ask: fn(&Transport)) -> Self {
        Self {
            transport,
            paused: Cell::new(false),
            held: Cell::new(false),
            phase: Cell::new(Phase::Idle),
            unsent: Cell::new(0),
            ask,
        }
    }

    pub(crate) fn pause(&self) {
        self.paused.set(true);
        self.transport.pause_reading();
    }

    pub(crate) fn resume(&self) {
        if self.paused.replace(false) {
            if self.held.get() {
                self.ask();
            } else {
                self.transport.resume_reading();
            }
        }
    }

    /// Something is there to deliver, or has changed. Needs saying only outside of a delivery.
    pub(crate) fn ask(&self) {
        if self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Asked);
            (self.ask)(&self.transport);
        }
    }

    /// Whether something is left that waits for the end of a pause, or for the output to be sent.
    pub(crate) fn is_held(&self) -> bool {
        self.held.get()
    }

    /// Whether there is something to deliver, be it now or later.
    pub(crate) fn has_more(&self) -> bool {
        self.held.get() || self.phase.get() == Phase::Asked
    }

    pub(crate) fn begin(&self) {
        self.phase.set(Phase::Running);
        self.unsent.set(self.transport.unsent());
    }

    /// Whether the next piece may be delivered.
    pub(crate) fn goes_on(&self) -> bool {
        let answers_fill_output = || self.transport.is_full() && self.transport.unsent() > self.unsent.get();
        !self.paused.get() && !self.transport.is_closing() && !answers_fill_output()
    }

    /// Ends a delivery; `left` if it was stopped with something left to deliver.
    pub(crate) fn end(&self, left: bool) {
        self.phase.set(Phase::Idle);
        let was_held = self.held.replace(left);
        if left {
            self.transport.pause_reading();
        } else if was_held && !self.paused.get() {
            self.transport.resume_reading();
        }
    }
}
