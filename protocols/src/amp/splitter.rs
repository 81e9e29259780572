//! Bytes in, boxes out: no transport, no callbacks.

use bytes::Bytes;

use crate::amp::amp_box::AmpBox;
use crate::amp::error::{AmpError, BoxError, KEY_COST, MAX_KEY_LENGTH};
use crate::amp::value::FromAmp;

/// Cuts a stream of bytes into boxes. It holds the incomplete box.
///
/// Each byte is copied once into the held bytes and once out of them; nothing is allocated for a claimed length.
pub(crate) struct BoxSplitter {
    /// The maximum size of a box: its bytes, and [`KEY_COST`] for each key.
    max_size: usize,
    /// The bytes of the box received so far.
    held: Vec<u8>,
    /// Where each key and each value begins and ends in them, alternately.
    parts: Vec<(usize, usize)>,
}

impl BoxSplitter {
    pub(crate) fn new(max_size: usize) -> Self {
        Self { max_size, held: Vec::new(), parts: Vec::new() }
    }

    /// The next box; `None` when the input is used up. Consumed bytes are cut off the front of the input.
    ///
    /// After an error it is unknown where the next box begins.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<AmpBox>, BoxError> {
        loop {
            // Where the next length begins.
            let next = self.parts.last().map_or(0, |&(_, end)| end);
            let begin = next + 2;
            if !self.take(begin, input) {
                return Ok(None);
            }
            let length = usize::from(u16::from_be_bytes([self.held[next], self.held[next + 1]]));
            let is_key = self.parts.len().is_multiple_of(2);
            if is_key && length == 0 {
                return self.finish().map(Some);
            }
            if is_key && length > MAX_KEY_LENGTH {
                return Err(BoxError::KeyTooLong(length));
            }
            let end = begin + length;
            let keys = self.parts.len() / 2 + 1;
            if end + keys * KEY_COST > self.max_size {
                return Err(BoxError::TooLarge(self.max_size));
            }
            if !self.take(end, input) {
                return Ok(None);
            }
            self.parts.push((begin, end));
        }
    }

    /// The memory that the incomplete box takes; 0 if there is none.
    pub(crate) fn held_bytes(&self) -> usize {
        let parts = self.parts.capacity() * size_of::<(usize, usize)>();
        if self.is_inside() { self.held.capacity() + parts } else { 0 }
    }

    /// Whether a box is incomplete.
    pub(crate) fn is_inside(&self) -> bool {
        !self.held.is_empty()
    }

    /// Fills the held bytes up to this length; false if the input does not suffice.
    fn take(&mut self, length: usize, input: &mut &[u8]) -> bool {
        let missing = length.saturating_sub(self.held.len());
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.held.extend_from_slice(taken);
        *input = rest;
        taken.len() == missing
    }

    fn finish(&mut self) -> Result<AmpBox, BoxError> {
        let bytes = Bytes::copy_from_slice(&self.held);
        let part = |&(begin, end): &(usize, usize)| bytes.slice(begin..end);
        let entries = self.parts.chunks_exact(2).map(|two| (part(&two[0]), part(&two[1]))).collect();
        self.held.clear();
        self.held.shrink_to(SPARE);
        self.parts.clear();
        self.parts.shrink_to(SPARE / KEY_COST);
        AmpBox::from_entries(entries)
    }
}

impl AmpBox {
    /// Parses these bytes as boxes, all of which must be complete. Twisted's `parseString`.
    ///
    /// # Errors
    ///
    /// [`AmpError::Malformed`] if a box is invalid or incomplete.
    pub fn parse(bytes: &[u8]) -> Result<Vec<Self>, AmpError> {
        let mut splitter = BoxSplitter::new(usize::MAX);
        let mut input = bytes;
        let mut boxes = Vec::new();
        while let Some(next) = splitter.next(&mut input)? {
            boxes.push(next);
        }
        if splitter.is_inside() {
            return Err(AmpError::Malformed("the last box is incomplete".to_owned()));
        }
        Ok(boxes)
    }
}

impl FromAmp for Vec<AmpBox> {
    const KIND: &'static str = "a list of boxes";

    fn from_value(value: &Bytes) -> Option<Self> {
        AmpBox::parse(value).ok()
    }
}

/// How much memory is kept from one box for the next.
const SPARE: usize = 1024;

#[cfg(test)]
mod tests {
    use reactor::testing::every_cut;

    use super::*;

    fn split(max_size: usize, pieces: &[&[u8]]) -> Result<(Vec<AmpBox>, bool), BoxError> {
        let mut splitter = BoxSplitter::new(max_size);
        let mut boxes = Vec::new();
        for piece in pieces {
            let mut piece = *piece;
            while let Some(next) = splitter.next(&mut piece)? {
                boxes.push(next);
            }
            assert!(piece.is_empty());
        }
        Ok((boxes, splitter.is_inside()))
    }

    #[test]
    fn boxes_come_out_however_they_are_cut() {
        let boxes = [
            AmpBox::new().with("_command", "Sum").with("_ask", "1").with("a", 13),
            AmpBox::new(),
            AmpBox::new().with("k".repeat(255), "v".repeat(300)).with("empty", ""),
        ];
        let mut bytes: Vec<u8> = boxes.iter().flat_map(|one| one.encode().unwrap()).collect();
        bytes.extend(b"\0\x05begun");
        let (came, inside) = every_cut(&bytes, |pieces| split(1 << 20, pieces).unwrap());
        assert_eq!((&came[..], inside), (&boxes[..], true));
    }

    #[test]
    fn keys_that_come_in_another_order_are_sorted() {
        let (came, _) = split(1000, &[b"\0\x01b\0\x011\0\x01a\0\x012\0\0"]).unwrap();
        assert_eq!(came, [AmpBox::new().with("a", 2).with("b", 1)]);
    }

    #[test]
    fn s284_a_box_with_a_key_twice_is_an_error() {
        assert_eq!(split(1000, &[b"\0\x01a\0\x011\0\x01a\0\x012\0\0"]), Err(BoxError::DuplicateKey));
    }

    #[test]
    fn a_box_may_count_as_much_as_it_may_and_no_more() {
        let bytes = AmpBox::new().with("a", "12345").with("b", "").encode().unwrap();
        // Behind the last value the end of the box is no length that could pass the limit.
        let size = bytes.len() - 2 + 2 * KEY_COST;
        assert!(split(size, &[&bytes]).is_ok());
        assert_eq!(split(size - 1, &[&bytes]), Err(BoxError::TooLarge(size - 1)));
    }

    #[test]
    fn a_length_that_is_claimed_allocates_nothing() {
        let mut splitter = BoxSplitter::new(1 << 20);
        assert_eq!(splitter.next(&mut &b"\0\x01a\xff\xffb"[..]), Ok(None));
        assert!(splitter.held.capacity() <= 64);
        assert_eq!(split(40_000, &[b"\0\x01a\xff\xff"]), Err(BoxError::TooLarge(40_000)));
        assert_eq!(split(40_000, &[b"\x01\0"]), Err(BoxError::KeyTooLong(256)));
    }

    #[test]
    fn a_box_of_nothing_but_keys_ends_where_it_would_cost_more_than_it_counts() {
        let mut splitter = BoxSplitter::new(1 << 20);
        let mut keys = 0_u16;
        let error = loop {
            let [high, low] = keys.to_be_bytes();
            match splitter.next(&mut &[0, 2, high, low, 0, 0][..]) {
                Ok(_) => keys += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error, BoxError::TooLarge(1 << 20));
        assert_eq!(usize::from(keys), (1 << 20) / (KEY_COST + 6));
    }

    #[test]
    fn memory_that_a_large_box_needed_is_given_back() {
        let large = AmpBox::new().with("a", "x".repeat(60_000)).encode().unwrap();
        let mut splitter = BoxSplitter::new(1 << 20);
        assert!(splitter.next(&mut &large[..]).unwrap().is_some());
        assert!(splitter.held.capacity() <= SPARE && !splitter.is_inside());
    }
}
