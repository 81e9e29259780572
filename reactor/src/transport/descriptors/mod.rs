//! Sending file descriptors on a connection.

pub(crate) mod queue;

use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::transport::descriptors::queue::DescriptorQueue;
use crate::transport::flow_control::HIGH_WATER;
use crate::transport::state::State;

impl State {
    /// Queues a descriptor to go with the next byte that is written.
    pub(crate) fn send_descriptor(&self, descriptor: OwnedFd) {
        if self.is_writable() {
            self.queue_descriptor(descriptor);
        }
    }

    fn queue_descriptor(&self, descriptor: OwnedFd) {
        let unsent = self.unsent_bytes();
        self.with_descriptors(|waiting| waiting.push(descriptor, unsent));
        self.fill(unsent);
    }

    /// Takes bytes from the layer inside as [`write_from_inside`](Self::write_from_inside) does, with the descriptors that belong before,
    /// between and behind them.
    pub(crate) fn write_all_from_inside(self: &Rc<Self>, inside: &Self, mut data: &[u8]) {
        while inside.waiting_descriptors() > 0 {
            let Some((before, descriptor)) = inside.with_descriptors(|waiting| waiting.take(data.len())) else {
                inside.with_descriptors(|waiting| waiting.advance(data.len()));
                break;
            };
            inside.repay(DESCRIPTOR_WEIGHT);
            let (first, rest) = data.split_at(before);
            self.write_from_inside(first);
            data = rest;
            if self.takes_from_inside() {
                self.queue_descriptor(descriptor);
            }
        }
        self.write_from_inside(data);
    }

    /// The number of descriptors that wait to be sent.
    #[inline]
    pub(crate) fn waiting_descriptors(&self) -> usize {
        if self.passes_descriptors.get() { self.count_descriptors() } else { 0 }
    }

    #[cold]
    fn count_descriptors(&self) -> usize {
        self.cold().map_or(0, |cold| cold.descriptors.len())
    }

    /// Whether the peer is behind with `unsent` bytes unsent. Descriptors without a byte wait for this side.
    #[inline]
    pub(crate) fn is_much(&self, unsent: usize) -> bool {
        unsent > HIGH_WATER || (self.waiting_descriptors() > MANY_DESCRIPTORS && unsent > 0)
    }

    /// The unsent bytes, plus the weight of unsent descriptors.
    #[inline]
    pub(crate) fn load(&self) -> usize {
        self.unsent_bytes() + self.waiting_descriptors() * DESCRIPTOR_WEIGHT
    }

    pub(crate) fn with_descriptors<R>(&self, look: impl FnOnce(&mut DescriptorQueue) -> R) -> R {
        self.with_cold(|cold| look(&mut cold.descriptors))
    }
}

/// A connection with more unsent descriptors than this is full.
const MANY_DESCRIPTORS: usize = 64;

/// The bytes that a descriptor counts for in what is owed for input: a process has few descriptors to spare.
pub(crate) const DESCRIPTOR_WEIGHT: usize = HIGH_WATER / MANY_DESCRIPTORS;

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::address::Address;
    use crate::connection::{Connection, Protocol};
    use crate::hub::Hub;
    use crate::hub::buffers::ReadBuffer;
    use crate::time::clock::Clock;
    use crate::transport::Transport;

    fn descriptor() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn nothing_more_is_read_while_many_descriptors_of_answers_wait() {
        struct Echo(Transport);
        impl Protocol for Echo {
            fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
                self.0.send_file_descriptor(descriptor).unwrap();
                self.0.write("x");
            }
            fn data_received(&mut self, _data: &[u8]) {}
        }
        let hub = Hub::new(Rc::new(Clock::manual(0)), ReadBuffer::default());
        let transport = Transport::new(&hub, Address::memory("here"), Address::memory("there"), 1 << 20);
        transport.0.passes_descriptors.set(true);
        let mut connection = Connection::new(transport.clone(), Box::new(Echo(transport.clone())));
        connection.made();
        let mut received = 0;
        while connection.wants_read() {
            connection.file_descriptor_received(descriptor());
            connection.received(b"x");
            received += 1;
        }
        assert_eq!(received, 64, "with their bytes they are more than 64 KiB");
        transport.0.with_descriptors(|waiting| waiting.advance(1));
        connection.sent(64);
        assert!(connection.wants_read());
    }
}
