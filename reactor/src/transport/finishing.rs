//! Closing in order, asking a connection to finish, and reporting its end.

use std::mem;
use std::rc::{Rc, Weak};

use futures_channel::oneshot;

use crate::time::call::{Call, Notify};
use crate::transport::close_reason::CloseReason;
use crate::transport::lifecycle::{Drain, Lifecycle};
use crate::transport::state::State;

impl State {
    /// Closes when everything is sent, for this reason.
    pub(crate) fn lose_with(&self, reason: CloseReason) {
        if !reason.is_clean() && matches!(self.lifecycle.get(), Lifecycle::Open(_)) {
            self.with_cold(|cold| cold.close_reason = Some(reason));
        }
        self.lose();
    }

    /// Why it ends, once it has closed in order.
    pub(crate) fn close_reason(&self) -> CloseReason {
        self.cold().and_then(|cold| cold.close_reason.clone()).unwrap_or(CloseReason::Done)
    }

    /// Closes when everything is sent.
    pub(crate) fn lose(&self) {
        if let Lifecycle::Open(eof) = self.lifecycle.get() {
            self.lifecycle.set(Lifecycle::Closing(eof));
            self.wake();
        }
    }

    /// Asks the connection to finish its work.
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
            // The old one holds user code, so it is dropped with nothing borrowed.
            let old = self.with_cold(|cold| cold.on_drain.replace(call));
            drop(old);
            if self.is_draining() {
                if self.drain.replace(Drain::Asked) == Drain::Finishing {
                    self.release();
                }
                self.wake();
            }
        }
    }

    /// Whether the protocol is to hear now that it is asked to finish.
    pub(crate) fn take_drain(&self) -> bool {
        let asked = self.drain.get() == Drain::Asked;
        if asked {
            self.drain.set(Drain::Told);
        }
        asked
    }

    /// Makes the call set for this. Without one, if nothing inside makes its own, closes behind the deferred calls.
    pub(crate) fn tell_of_drain(&self, layered: bool) {
        let call = self.cold_mut().and_then(|mut cold| cold.on_drain.take());
        match call {
            Some(call) => self.calls.push(call),
            None if layered => {}
            None if self.calls.any_deferred() => {
                self.drain.set(Drain::Finishing);
                self.hold();
            }
            None => self.lose(),
        }
    }

    /// Whether it is to be closed when no deferred call is under way.
    pub(crate) fn is_finishing(&self) -> bool {
        self.drain.get() == Drain::Finishing
    }

    /// Closes if nothing else has closed it before the reactor's deadline for finishing.
    pub(crate) fn lose_in_time(self: &Rc<Self>) {
        let state = Rc::downgrade(self);
        let lose: Call = Box::new(move |_| {
            if let Some(state) = state.upgrade() {
                state.lose();
            }
        });
        let owner: Weak<dyn Notify> = Rc::<Self>::downgrade(self);
        self.calls.later_call(&self.hub.timers, owner, self.hub.shutdown_deadline.get(), lose);
    }

    /// Adds a receiver for the close reason, unless the connection has already ended.
    pub(crate) fn watch(&self, watcher: oneshot::Sender<CloseReason>) {
        if !self.has_ended() {
            self.with_cold(|cold| {
                if cold.watchers.len() == cold.watchers.capacity() {
                    cold.watchers.retain(|watcher| !watcher.is_canceled());
                }
                cold.watchers.push(watcher);
            });
        }
    }

    pub(crate) fn take_watchers(&self) -> Vec<oneshot::Sender<CloseReason>> {
        self.cold_mut().map(|mut cold| mem::take(&mut cold.watchers)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use crate::address::Address;
    use crate::hub::Hub;
    use crate::hub::buffers::ReadBuffer;
    use crate::time::clock::Clock;
    use crate::transport::Transport;
    use crate::transport::flow_control::OUTPUT_LIMIT;

    #[test]
    fn futures_of_the_end_that_were_dropped_take_no_memory() {
        let hub = Hub::new(Rc::new(Clock::manual(0)), ReadBuffer::default());
        let transport = Transport::new(&hub, Address::memory("here"), Address::memory("there"), OUTPUT_LIMIT);
        let patient = transport.finished();
        for _ in 0..1000 {
            drop(transport.finished());
        }
        assert!(transport.0.take_watchers().len() < 10);
        drop(patient);
    }
}
