//! Those who wait for the end of a connection.

use std::mem;

use futures_channel::oneshot;

use crate::transport::close_reason::CloseReason;
use crate::transport::state::State;

impl State {
    /// Adds somebody to be told of the end, unless it is too late for that.
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
        self.cold.borrow_mut().as_mut().map(|cold| mem::take(&mut cold.watchers)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use crate::address::Address;
    use crate::hub::{Hub, ReadBuffer};
    use crate::time::clock::Clock;
    use crate::transport::Transport;
    use crate::transport::state::OUTPUT_LIMIT;

    #[test]
    fn those_who_wait_for_the_end_no_more_take_no_memory() {
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
