use std::collections::VecDeque;
use std::ops::Range;

use bytes::Bytes;

/// The latest events that this node has sent, for those that have lost some. Bounded by their number and bytes.
#[derive(Debug)]
pub(super) struct Sent {
    /// The sequence number of the next event.
    next: u64,
    events: VecDeque<Bytes>,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

impl Sent {
    pub(super) fn new(max_events: usize, max_bytes: usize) -> Self {
        Self { next: 1, events: VecDeque::new(), bytes: 0, max_events, max_bytes }
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps an event; returns its sequence number.
    pub(super) fn push(&mut self, payload: Bytes) -> u64 {
        let sequence = self.next;
        self.next += 1;
        self.bytes += payload.len();
        self.events.push_back(payload);
        while self.events.len() > self.max_events || self.bytes > self.max_bytes {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.len();
        }
        sequence
    }

    /// The events with these sequence numbers, less those that are still to come. `None` if the first is no longer kept.
    pub(super) fn events(&self, wanted: Range<u64>) -> Option<impl Iterator<Item = (u64, &Bytes)>> {
        let oldest = self.next - self.events.len() as u64;
        let skipped = usize::try_from(wanted.start.checked_sub(oldest)?).ok()?;
        let numbered = (wanted.start..wanted.end).zip(self.events.iter().skip(skipped));
        Some(numbered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequences(sent: &Sent, wanted: Range<u64>) -> Option<Vec<u64>> {
        sent.events(wanted).map(|events| events.map(|(sequence, _)| sequence).collect())
    }

    #[test]
    fn what_is_kept_is_found_by_its_number() {
        let mut sent = Sent::new(3, 1000);
        for number in 1..=5_u8 {
            assert_eq!(sent.push(Bytes::from(vec![number])), u64::from(number));
        }
        assert_eq!(sent.next(), 6);
        assert_eq!(sequences(&sent, 2..6), None);
        assert_eq!(sequences(&sent, 3..6), Some(vec![3, 4, 5]));
        assert_eq!(sequences(&sent, 4..5), Some(vec![4]));
        assert_eq!(sequences(&sent, 5..u64::MAX), Some(vec![5]));
        assert_eq!(sequences(&sent, 6..9), Some(vec![]));
        let found: Vec<_> = sent.events(3..5).unwrap().map(|(_, payload)| payload[0]).collect();
        assert_eq!(found, [3, 4]);
    }

    #[test]
    fn bytes_are_bounded() {
        let mut sent = Sent::new(1000, 100);
        for _ in 0..50 {
            sent.push(Bytes::from(vec![0; 30]));
            assert!(sent.bytes() <= 100);
        }
        assert_eq!(sequences(&sent, 48..51), Some(vec![48, 49, 50]));
        sent.push(Bytes::from(vec![0; 101]));
        assert_eq!((sent.bytes(), sequences(&sent, 51..52)), (0, None));
    }
}
