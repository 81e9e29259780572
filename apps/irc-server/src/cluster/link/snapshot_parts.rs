use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

/// A snapshot whose parts are still coming.
#[derive(Debug)]
pub(super) struct SnapshotParts {
    number: u64,
    next: u64,
    count: u32,
    parts: BTreeMap<u32, Bytes>,
    bytes: usize,
}

impl SnapshotParts {
    /// Expects the `count` parts of the snapshot with this number, which was taken before the event `next`.
    pub(super) fn new(number: u64, next: u64, count: u32) -> Self {
        Self { number, next, count, parts: BTreeMap::new(), bytes: 0 }
    }

    /// Whether it is the snapshot with this number and these properties.
    pub(super) fn is(&self, number: u64, next: u64, count: u32) -> bool {
        (self.number, self.next, self.count) == (number, next, count)
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes held, with something for each part, which may be empty.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes + self.parts.len() * 64
    }

    /// Adds a part; a second one with the same number changes nothing.
    pub(super) fn add(&mut self, part: u32, payload: Bytes) {
        if part < self.count && !self.parts.contains_key(&part) {
            self.bytes += payload.len();
            self.parts.insert(part, payload);
        }
    }

    /// The whole snapshot, if no part is missing.
    pub(super) fn whole(&self) -> Option<Bytes> {
        if self.parts.len() as u64 != u64::from(self.count) {
            return None;
        }
        if let (1, Some(only)) = (self.parts.len(), self.parts.get(&0)) {
            return Some(only.clone());
        }
        let mut whole = BytesMut::with_capacity(self.bytes);
        for part in self.parts.values() {
            whole.extend_from_slice(part);
        }
        Some(whole.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_any_order_and_doubled_make_the_whole() {
        let mut parts = SnapshotParts::new(1, 9, 3);
        for (part, payload) in [(2, "c"), (0, "a"), (2, "c"), (7, "x")] {
            parts.add(part, payload.into());
            assert_eq!(parts.whole(), None);
        }
        parts.add(1, "b".into());
        assert_eq!(parts.whole(), Some("abc".into()));
    }
}
