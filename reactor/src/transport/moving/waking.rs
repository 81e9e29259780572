//! What a connection is inside of, and how it is woken when there is something to do.

use std::rc::{Rc, Weak};

use crate::time::call::Call;
use crate::transport::lifecycle::Lifecycle;
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

    fn wake_up(&self) {
        match self.parent.get() {
            Some(Parent::Pump(pump)) => {
                if let Some(pump) = pump.upgrade() {
                    pump.wake();
                }
            }
            Some(Parent::Outer(outer)) => outer.wake(),
            None => {}
        }
    }

    /// Queues a call to be made at once, from outside any callback.
    pub(crate) fn call_now(&self, call: Call) {
        self.calls.push(call);
        if let Some(Parent::Pump(pump)) = self.root().parent.get()
            && let Some(pump) = pump.upgrade()
        {
            pump.turn();
        }
    }
}
