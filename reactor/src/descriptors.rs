//! File descriptors that wait to be sent.

use std::collections::VecDeque;
use std::os::fd::AsFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use crate::state::State;

/// A queue beside that of the bytes: each descriptor goes with one byte, and no byte with two.
#[derive(Default)]
pub(crate) struct Descriptors {
    /// Each with the place of its byte.
    queue: VecDeque<(usize, OwnedFd)>,
    /// The place of the byte that is the next to leave.
    place: usize,
}

impl Descriptors {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Queues one behind as many bytes.
    pub(crate) fn push(&mut self, descriptor: OwnedFd, bytes: usize) {
        let free = self.queue.back().map_or(0, |(place, _)| place + 1);
        self.queue.push_back((free.max(self.place + bytes), descriptor));
    }

    /// How many of the next `len` bytes may leave together, and what is to go with the first of them.
    pub(crate) fn next(&self, len: usize) -> (usize, Option<BorrowedFd<'_>>) {
        let mut queue = self.queue.iter().map(|(place, descriptor)| (place - self.place, descriptor.as_fd()));
        let Some((before, first)) = queue.next() else { return (len, None) };
        if before > 0 {
            return (len.min(before), None);
        }
        (queue.next().map_or(len, |(before, _)| len.min(before)), Some(first))
    }

    /// Takes note that as many bytes have left, with what [`next`](Self::next) says was to go with them.
    pub(crate) fn advance(&mut self, bytes: usize) {
        if self.queue.front().is_some_and(|(place, _)| *place < self.place + bytes) {
            self.queue.pop_front();
        }
        self.place += bytes;
    }

    /// Takes out the first, if no more than `len` bytes are before it, and says how many are: they count as gone.
    pub(crate) fn take(&mut self, len: usize) -> Option<(usize, OwnedFd)> {
        let (place, descriptor) = self.queue.pop_front_if(|(place, _)| *place <= self.place + len)?;
        let before = place - self.place;
        self.place = place;
        Some((before, descriptor))
    }
}

impl State {
    /// Queues a descriptor, to go with the next byte that is written.
    pub(crate) fn send_descriptor(&self, descriptor: OwnedFd) {
        if self.open.get() {
            self.queue_descriptor(descriptor);
        }
    }

    fn queue_descriptor(&self, descriptor: OwnedFd) {
        let unsent = self.unsent();
        self.with_descriptors(|waiting| waiting.push(descriptor, unsent));
        self.fill(unsent);
    }

    /// Takes bytes from the layer inside as [`carry`](Self::carry) does, and the descriptors that belong before, between
    /// and behind them.
    pub(crate) fn carry_all(&self, inside: &Self, mut data: &[u8]) {
        while inside.waiting_descriptors() > 0 {
            let Some((before, descriptor)) = inside.with_descriptors(|waiting| waiting.take(data.len())) else {
                inside.with_descriptors(|waiting| waiting.advance(data.len()));
                break;
            };
            let (first, rest) = data.split_at(before);
            self.carry(first);
            data = rest;
            if self.carries() {
                self.queue_descriptor(descriptor);
            }
        }
        self.carry(data);
    }

    /// How many descriptors wait to be sent.
    pub(crate) fn waiting_descriptors(&self) -> usize {
        if !self.passes_descriptors.get() {
            return 0;
        }
        self.rare.borrow().as_ref().map_or(0, |rare| rare.descriptors.len())
    }

    pub(crate) fn with_descriptors<R>(&self, look: impl FnOnce(&mut Descriptors) -> R) -> R {
        self.with_rare(|rare| look(&mut rare.descriptors))
    }
}
