//! Connections at rest: nothing happens to them while another process decides whether to take them.

pub(crate) mod parts;
pub(crate) mod pump;
mod socket;
mod waking;

use std::rc::Rc;

use crate::transport::lifecycle::{Drain, Lifecycle};
use crate::transport::moving::pump::Pump;
use crate::transport::state::State;

impl State {
    /// Whether everything that belongs to the connection, besides its protocol, can be said in bytes.
    pub(crate) fn is_movable(&self) -> bool {
        self.lifecycle.get() == Lifecycle::BEGIN
            && self.drain.get() == Drain::NotAsked
            && self.pending.get() == 0
            && self.waiting_descriptors() == 0
            && !self.calls.any_ready()
            && !self.is_switch_asked()
            && !self.rest_waits()
    }

    /// A copy of what is unsent.
    pub(crate) fn unsent(&self) -> Vec<u8> {
        self.output().borrow().to_vec()
    }

    /// Queues what the previous process has not sent, whatever the limit of output is.
    pub(crate) fn restore_unsent(self: &Rc<Self>, unsent: &[u8]) {
        if unsent.is_empty() {
            return;
        }
        let in_all = {
            let mut output = self.output().borrow_mut();
            output.push(unsent, &self.hub.stock);
            output.len()
        };
        self.hold_memory(unsent.len());
        self.fill(in_all);
        self.wake();
    }

    /// What moves the connection's bytes, if it is an outermost one.
    pub(crate) fn mover(&self) -> Option<Rc<dyn Pump>> {
        self.pump()?.upgrade()
    }
}
