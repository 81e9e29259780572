//! What a connection is inside of, and how it is woken when there is something to do.

use std::rc::{Rc, Weak};

use crate::time::call::Call;
use crate::transport::lifecycle::{Drain, Lifecycle, Pace};
use crate::transport::moving::pump::Pump;
use crate::transport::state::{Parent, State};

impl State {
    pub(crate) fn set_outer(&self, outer: Rc<Self>) {
        let _ = self.parent.set(Parent::Outer(outer));
    }

    pub(crate) fn set_pump(&self, pump: Weak<dyn Pump>) {
        let _ = self.parent.set(Parent::Pump(pump));
    }

    /// The connection that this one is a layer of.
    #[inline]
    pub(crate) fn outer(&self) -> Option<&Rc<Self>> {
        match self.parent.get() {
            Some(Parent::Outer(outer)) => Some(outer),
            _ => None,
        }
    }

    /// [`root`](Self::root), with its count.
    pub(crate) fn outermost(self: &Rc<Self>) -> &Rc<Self> {
        let mut state = self;
        while let Some(outer) = state.outer() {
            state = outer;
        }
        state
    }

    /// How many connections it is inside of.
    pub(crate) fn depth(&self) -> usize {
        std::iter::successors(self.outer(), |state| state.outer()).count()
    }

    /// The connection that all layers around this one are layers of.
    pub(crate) fn root(&self) -> &Self {
        let mut state = self;
        while let Some(outer) = state.outer() {
            state = outer;
        }
        state
    }

    #[inline]
    pub(crate) fn wake(&self) {
        self.dirty.set(true);
        if !self.driven.get() {
            self.wake_up();
        }
    }

    /// While this is set, the driver checks every change itself and need not be woken.
    pub(crate) fn set_driven(&self, driven: bool) {
        self.driven.set(driven);
    }

    /// Whether anything has changed since the driver last checked.
    #[inline]
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.get()
    }

    /// Whether anything has changed since this was last asked, or keeps changing by itself.
    #[inline]
    pub(crate) fn needs_turn(&self) -> bool {
        self.dirty.replace(false) || self.lifecycle.get() != Lifecycle::BEGIN || self.calls.any_ready()
    }

    /// Whether something is to be told, called or delivered in a turn.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.calls.any_ready()
            || self.pace.get() == Pace::FallsBehind
            || matches!(self.drain.get(), Drain::Asked | Drain::Finishing)
            || self.switch_asked.get()
            || self.rest_waits.get()
    }

    /// Wakes the connections around this one, whose layers have to pass something on.
    pub(crate) fn wake_outer(&self) {
        if let Some(outer) = self.outer() {
            outer.to_pass.set(true);
            outer.wake();
        }
    }

    /// Whether a layer in this connection has something to pass on: outwards, or inwards that this connection is to close, to
    /// end its stream or to finish.
    #[inline]
    pub(crate) fn has_to_pass(&self) -> bool {
        self.to_pass.get() || self.lifecycle.get() != Lifecycle::BEGIN || self.drain.get() != Drain::NotAsked
    }

    /// The layer in this connection passes on what it has until now.
    #[inline]
    pub(crate) fn begin_to_pass(&self) {
        self.to_pass.set(false);
    }

    /// The layer in this connection is to have another turn.
    pub(crate) fn has_more_to_pass(&self) {
        self.to_pass.set(true);
    }

    fn wake_up(&self) {
        match self.parent.get() {
            Some(Parent::Pump(pump)) => {
                if let Some(pump) = pump.upgrade() {
                    pump.wake();
                }
            }
            Some(Parent::Outer(_)) => self.wake_outer(),
            None => {}
        }
    }

    /// Queues a call to be made at once, from outside any callback.
    pub(crate) fn call_now(&self, call: Call) {
        self.calls.push(call);
        self.wake_outer();
        if let Some(Parent::Pump(pump)) = self.root().parent.get()
            && let Some(pump) = pump.upgrade()
        {
            pump.turn();
        }
    }
}
