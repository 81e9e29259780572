//! Connections that are asked to finish.

use crate::time::calls::Call;
use crate::transport::state::State;

/// Whether a connection was asked to finish what it is at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drain {
    NotAsked,
    /// The protocol, or the connection inside a layer, is still to be told.
    Asked,
    Told,
}

impl State {
    /// Asks the connection to finish what it is at.
    pub(crate) fn drain(&self) {
        if !self.has_ended() && !self.is_draining() {
            self.drain.set(Drain::Asked);
            self.wake();
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.get() != Drain::NotAsked
    }

    pub(crate) fn set_on_drain(&self, call: Call) {
        if !self.has_ended() {
            // The old one holds what is the user's: it is dropped with nothing borrowed.
            let old = self.with_cold(|cold| cold.on_drain.replace(call));
            drop(old);
            if self.is_draining() {
                self.drain.set(Drain::Asked);
                self.wake();
            }
        }
    }

    /// Whether the protocol is to be told now that it is asked to finish.
    pub(crate) fn take_drain(&self) -> bool {
        let asked = self.drain.get() == Drain::Asked;
        if asked {
            self.drain.set(Drain::Told);
        }
        asked
    }

    /// Has the call made that was set for this, or closes where nobody inside will.
    pub(crate) fn tell_of_drain(&self, layered: bool) {
        let call = self.cold.borrow_mut().as_mut().and_then(|cold| cold.on_drain.take());
        match call {
            Some(call) => self.calls.push(call),
            None if layered => {}
            None => self.lose(),
        }
    }
}
