//! The state of a connection that is to have another protocol.

use std::any::Any;
use std::rc::Rc;

use crate::time::panic_log::log_panic;
use crate::transport::lifecycle::{Drain, Pace};
use crate::transport::state::State;

impl State {
    /// Asks for a switch, in place of one that was asked for before. What it consists of, the connection knows.
    pub(crate) fn ask_to_switch(&self, switch: Box<dyn Any>) {
        let old = self.with_cold(|cold| cold.switch.replace(switch));
        log_panic("drop of a factory", || drop(old));
        self.switch_asked.set(true);
        self.wake();
    }

    #[inline]
    pub(crate) fn is_switch_asked(&self) -> bool {
        self.switch_asked.get()
    }

    pub(crate) fn take_switch(&self) -> Option<Box<dyn Any>> {
        self.switch_asked.set(false);
        self.cold_mut()?.switch.take()
    }

    /// Drops what the protocol has asked for, and forgets what it was told.
    pub(crate) fn forget_protocol(&self) {
        let on_drain = self.cold_mut().and_then(|mut cold| cold.on_drain.take());
        log_panic("drop of a call", || drop(on_drain));
        log_panic("drop of a protocol's handle", || self.set_handle(None));
        log_panic("drop of a deferred call", || self.calls.clear(&self.hub.timers));
        self.paused.set(false);
        if self.drain.get() == Drain::Told {
            self.drain.set(Drain::Asked);
        }
        self.pace.set(match self.pace.get() {
            Pace::KeepsUp | Pace::CatchesUp => Pace::KeepsUp,
            Pace::FallsBehind | Pace::Behind => Pace::FallsBehind,
        });
    }

    /// Keeps what is to be delivered before what arrives from here on, and before what is kept already.
    pub(crate) fn keep_rest(self: &Rc<Self>, rest: &[u8]) {
        if !rest.is_empty() {
            self.charge(rest.len());
            self.with_cold(|cold| _ = cold.rest.splice(..0, rest.iter().copied()));
            self.rest_waits.set(true);
        }
    }

    pub(crate) fn add_to_rest(self: &Rc<Self>, data: &[u8]) {
        self.charge(data.len());
        self.with_cold(|cold| cold.rest.extend(data));
    }

    /// Whether something that an earlier protocol has left is yet to be delivered.
    #[inline]
    pub(crate) fn rest_waits(&self) -> bool {
        self.rest_waits.get()
    }

    /// Up to this many bytes of what is to be delivered.
    pub(crate) fn take_rest(&self, most: usize) -> Vec<u8> {
        let piece: Vec<u8> = self.with_cold(|cold| {
            let piece = cold.rest.drain(..cold.rest.len().min(most)).collect();
            if cold.rest.is_empty() {
                cold.rest = Vec::new();
                self.rest_waits.set(false);
            }
            piece
        });
        self.give_back_memory(piece.len());
        piece
    }

    /// What is kept of it.
    pub(crate) fn rest_bytes(&self) -> usize {
        if self.rest_waits.get() { self.with_cold(|cold| cold.rest.len()) } else { 0 }
    }

    /// Whether the protocol may be called with input, apart from what it owes.
    pub(crate) fn is_reading(&self) -> bool {
        self.is_open() && !self.paused.get() && self.holds.get() == 0
    }
}
