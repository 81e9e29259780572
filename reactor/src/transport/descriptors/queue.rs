//! File descriptors that wait to be sent.

use std::collections::VecDeque;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// A queue beside that of the bytes: each descriptor goes with one byte, and each byte with at most one descriptor.
#[derive(Default)]
pub(crate) struct DescriptorQueue {
    /// Each descriptor with the place of its byte.
    queue: VecDeque<(usize, OwnedFd)>,
    /// The place of the next byte to leave.
    place: usize,
}

impl DescriptorQueue {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Queues a descriptor behind `bytes` bytes.
    pub(crate) fn push(&mut self, descriptor: OwnedFd, bytes: usize) {
        let free = self.queue.back().map_or(0, |(place, _)| place + 1);
        self.queue.push_back((free.max(self.place + bytes), descriptor));
    }

    /// How many of the next `len` bytes may leave together, and the descriptor that goes with the first of them.
    pub(crate) fn next(&self, len: usize) -> (usize, Option<BorrowedFd<'_>>) {
        let mut queue = self.queue.iter().map(|(place, descriptor)| (place - self.place, descriptor.as_fd()));
        let Some((before, first)) = queue.next() else { return (len, None) };
        if before > 0 {
            return (len.min(before), None);
        }
        (queue.next().map_or(len, |(before, _)| len.min(before)), Some(first))
    }

    /// Records that `bytes` bytes have left, with the descriptor that [`next`](Self::next) returned.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.queue.pop_front_if(|(place, _)| *place < self.place + bytes);
        self.place += bytes;
    }

    /// Takes out the first descriptor if no more than `len` bytes precede it, and returns their number: they count as
    /// sent.
    pub(crate) fn take(&mut self, len: usize) -> Option<(usize, OwnedFd)> {
        let (place, descriptor) = self.queue.pop_front_if(|(place, _)| *place <= self.place + len)?;
        let before = place - self.place;
        self.place = place;
        Some((before, descriptor))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn descriptor() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn each_waits_for_the_bytes_before_it_and_goes_with_one_of_its_own() {
        let mut waiting = DescriptorQueue::default();
        for bytes in [3, 3, 10] {
            waiting.push(descriptor(), bytes);
        }
        let next = |waiting: &DescriptorQueue| {
            let (len, descriptor) = waiting.next(100);
            (len, descriptor.is_some())
        };
        assert_eq!(next(&waiting), (3, false));
        waiting.advance(1);
        assert_eq!(next(&waiting), (2, false));
        waiting.advance(2);
        assert_eq!(next(&waiting), (1, true));
        waiting.advance(1);
        assert_eq!(next(&waiting), (6, true), "up to the next");
        waiting.advance(2);
        assert_eq!(next(&waiting), (4, false));
        waiting.advance(4);
        assert_eq!(next(&waiting), (100, true));
        waiting.advance(1);
        assert_eq!((next(&waiting), waiting.len()), ((100, false), 0));
    }
}
