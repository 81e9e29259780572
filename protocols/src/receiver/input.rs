//! The bytes that a receiver cuts: no transport, no callbacks.

/// The bytes kept between two chunks.
///
/// Time is proportional to the number of bytes, however they are cut: each is copied at most once on its way in, and
/// taking a piece out of the kept bytes does not move the rest.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    /// Bytes of earlier chunks; those before `start` are consumed.
    kept: Vec<u8>,
    start: usize,
    /// The needle does not begin in this many bytes, counted from the front.
    searched: usize,
    /// The number of bytes searched and copied so far.
    #[cfg(test)]
    pub(crate) effort: usize,
}

/// The input to cut now: the kept bytes, then a chunk, which is borrowed and cut in place.
pub(crate) struct Input<'a> {
    buffer: &'a mut Buffer,
    chunk: &'a [u8],
    /// How much of the chunk is consumed or kept.
    taken: usize,
    /// Whether the last piece returned lies in the kept bytes rather than in the chunk.
    handed_kept: bool,
}

/// Something to search for.
pub(crate) trait Needle {
    /// The position of its first occurrence.
    fn find(&self, bytes: &[u8]) -> Option<usize>;

    /// Its length in bytes: at least one.
    fn len(&self) -> usize;
}

impl Buffer {
    /// With these bytes kept, which were not searched.
    pub(crate) fn of(kept: Vec<u8>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// Starts to cut a chunk, after the kept bytes.
    pub(crate) fn input<'a>(&'a mut self, chunk: &'a [u8]) -> Input<'a> {
        Input { buffer: self, chunk, taken: 0, handed_kept: false }
    }

    /// The bytes kept and not consumed.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept[self.start..]
    }

    fn is_empty(&self) -> bool {
        self.start == self.kept.len()
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.kept.extend_from_slice(bytes);
    }

    /// Discards the consumed bytes before the others.
    fn compact(&mut self) {
        if self.start > 0 {
            self.count(self.kept().len());
            self.kept.drain(..self.start);
            self.start = 0;
        }
    }

    /// Releases memory that was needed temporarily.
    fn shrink(&mut self) {
        let len = self.kept().len();
        if len <= self.start {
            self.compact();
        }
        if self.kept.capacity() > SPARE && len <= self.kept.capacity() / 4 {
            self.kept.shrink_to(len * 2);
        }
    }

    fn find(&mut self, needle: &impl Needle, from: usize, to: usize) -> Option<usize> {
        let found = needle.find(&self.kept[self.start + from..self.start + to]);
        self.count(found.unwrap_or(to - from));
        found.map(|at| from + at)
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.kept.capacity()
    }

    #[inline]
    fn count(&mut self, bytes: usize) {
        #[cfg(test)]
        {
            self.effort += bytes;
        }
        #[cfg(not(test))]
        let _ = bytes;
    }
}

impl<'a> Input<'a> {
    /// All bytes, if none are kept; otherwise none. What is used of them is to be [skipped](Self::skip).
    pub(crate) fn in_chunk(&self) -> &'a [u8] {
        if self.buffer.is_empty() { &self.chunk[self.taken..] } else { &[] }
    }

    /// Takes the first `n` of the bytes [in the chunk](Self::in_chunk).
    pub(crate) fn skip(&mut self, n: usize) {
        self.handed_kept = false;
        self.taken += n;
        self.buffer.searched = self.buffer.searched.saturating_sub(n);
    }
}

impl Input<'_> {
    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.buffer.kept().len() + self.rest().len()
    }

    /// The byte at this position from the front.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        let kept = self.buffer.kept();
        if at < kept.len() { kept[at] } else { self.rest()[at - kept.len()] }
    }

    /// The next `n` bytes in one piece, if there are that many. They are copied only if some were kept and some were
    /// not.
    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> Option<&[u8]> {
        self.handed_kept = !self.buffer.is_empty();
        if self.handed_kept {
            return self.take_of_kept(n);
        }
        let bytes = self.chunk[self.taken..].get(..n)?;
        self.taken += n;
        self.buffer.searched = self.buffer.searched.saturating_sub(n);
        Some(bytes)
    }

    fn take_of_kept(&mut self, n: usize) -> Option<&[u8]> {
        let missing = n.saturating_sub(self.buffer.kept().len());
        if missing > 0 {
            let bytes = self.chunk[self.taken..].get(..missing)?;
            self.buffer.compact();
            self.buffer.keep(bytes);
            self.taken += missing;
        }
        let begin = self.buffer.start;
        self.buffer.start += n;
        self.buffer.searched = self.buffer.searched.saturating_sub(n);
        Some(&self.buffer.kept[begin..begin + n])
    }

    /// The first bytes, up to the length of `room`, which is used only if they must be copied together.
    pub(crate) fn peek<'b>(&'b self, room: &'b mut [u8]) -> &'b [u8] {
        let (kept, rest) = (self.buffer.kept(), self.rest());
        let from_rest = room.len().saturating_sub(kept.len()).min(rest.len());
        if kept.is_empty() {
            return &rest[..from_rest];
        }
        if from_rest == 0 {
            return &kept[..room.len().min(kept.len())];
        }
        let bytes = &mut room[..kept.len() + from_rest];
        bytes[..kept.len()].copy_from_slice(kept);
        bytes[kept.len()..].copy_from_slice(&rest[..from_rest]);
        bytes
    }

    /// The position of `needle`, if it lies wholly in the first `window` bytes. As long as the needle stays the same,
    /// no byte is searched twice, except the few that may be its beginning.
    #[inline(always)]
    pub(crate) fn find(&mut self, needle: &impl Needle, window: usize) -> Option<usize> {
        let found = if self.buffer.is_empty() {
            self.find_in_chunk(needle, window)
        } else {
            self.find_behind_kept(needle, window)
        };
        if found.is_none() {
            self.buffer.searched = (self.len().min(window) + 1).saturating_sub(needle.len());
        }
        found
    }

    #[inline]
    fn find_in_chunk(&mut self, needle: &impl Needle, window: usize) -> Option<usize> {
        let (rest, searched) = (&self.chunk[self.taken..], self.buffer.searched);
        let unsearched = &rest[searched..rest.len().min(window)];
        let found = needle.find(unsearched);
        self.buffer.count(found.unwrap_or(unsearched.len()));
        found.map(|at| searched + at)
    }

    fn find_behind_kept(&mut self, needle: &impl Needle, window: usize) -> Option<usize> {
        let (pending, searched) = (self.buffer.kept().len(), self.buffer.searched);
        if searched + needle.len() <= pending
            && let Some(at) = self.buffer.find(needle, searched, pending.min(window))
        {
            return Some(at);
        }
        self.find_across(needle, pending, window.saturating_sub(pending))
    }

    /// Finds a needle that lies in the kept bytes and the first `room` of the others, but not wholly in the former.
    fn find_across(&mut self, needle: &impl Needle, pending: usize, room: usize) -> Option<usize> {
        let rest = &self.chunk[self.taken..];
        let window = &rest[..rest.len().min(room)];
        let seam = &window[..window.len().min(needle.len() - 1)];
        let searched = self.buffer.searched;
        if searched < pending && !seam.is_empty() {
            self.buffer.compact();
            self.buffer.keep(seam);
            let from = searched.max((pending + 1).saturating_sub(needle.len()));
            let found = self.buffer.find(needle, from, pending + seam.len());
            self.buffer.kept.truncate(pending);
            if found.is_some() {
                return found;
            }
        }
        let unsearched = &window[searched.saturating_sub(pending)..];
        let found = needle.find(unsearched);
        self.buffer.count(found.unwrap_or(unsearched.len()));
        found.map(|at| searched.max(pending) + at)
    }

    /// The needle is about to change.
    pub(crate) fn search_anew(&mut self) {
        self.buffer.searched = 0;
    }

    /// The number of bytes at the end that may be the beginning of `needle`, which does not occur as a whole.
    pub(crate) fn begun(&self, needle: &[u8]) -> usize {
        let len = self.len();
        let begins = |count: &usize| (0..*count).all(|at| self.byte(len - count + at) == needle[at]);
        (1..needle.len().min(len + 1)).rev().find(begins).unwrap_or(0)
    }

    /// Up to `most` bytes as they come; `None` if there are none.
    pub(crate) fn raw(&mut self, most: usize) -> Option<&[u8]> {
        self.handed_kept = !self.buffer.is_empty();
        let there = if self.handed_kept { self.buffer.kept().len() } else { self.rest().len() };
        let n = there.min(most);
        if n == 0 { None } else { self.take(n) }
    }

    /// All bytes, in one piece.
    pub(crate) fn everything(&mut self) -> &[u8] {
        self.take(self.len()).unwrap_or_default()
    }

    /// Takes back the last `len` bytes of the piece just returned: they come again.
    pub(crate) fn take_back(&mut self, len: usize) {
        if len > 0 {
            self.search_anew();
        }
        if self.handed_kept {
            self.buffer.start -= len;
        } else {
            self.taken -= len;
        }
    }

    /// Puts bytes before all others.
    pub(crate) fn put_in_front(&mut self, bytes: &[u8]) {
        self.search_anew();
        let buffer = &mut *self.buffer;
        if let Some(start) = buffer.start.checked_sub(bytes.len()) {
            // The consumed bytes leave room.
            buffer.count(bytes.len());
            buffer.kept[start..buffer.start].copy_from_slice(bytes);
            buffer.start = start;
        } else {
            buffer.count(bytes.len() + buffer.kept().len());
            buffer.kept.splice(..buffer.start, bytes.iter().copied());
            buffer.start = 0;
        }
    }

    /// Discards all bytes.
    pub(crate) fn clear(&mut self) {
        self.search_anew();
        self.buffer.start = self.buffer.kept.len();
        self.taken = self.chunk.len();
    }

    /// Ends the cutting of this chunk and keeps the rest. Returns the bytes of memory that the rest takes; 0 if nothing is left.
    pub(crate) fn finish(self) -> usize {
        let rest = &self.chunk[self.taken..];
        if !rest.is_empty() {
            if self.buffer.is_empty() {
                self.buffer.compact();
            }
            self.buffer.keep(rest);
        }
        self.buffer.shrink();
        if self.buffer.is_empty() { 0 } else { self.buffer.kept.capacity() }
    }

    fn rest(&self) -> &[u8] {
        &self.chunk[self.taken..]
    }
}

/// The memory that a receiver may hold for the next message in advance: that of a usual line in pieces.
pub(crate) const SPARE: usize = 512;

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What is done with the input, which a test can do with plain bytes, too.
    #[derive(Clone, Debug)]
    enum Deed {
        Take(usize),
        Raw(usize),
        Peek(usize),
        Find(Vec<u8>, usize),
        TakeBack(usize),
        PutInFront(Vec<u8>),
        Clear,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            4 => (0..9_usize).prop_map(Deed::Take),
            2 => (0..9_usize).prop_map(Deed::Raw),
            2 => (0..9_usize).prop_map(Deed::Peek),
            4 => (vec(0..2_u8, 1..4), 0..20_usize).prop_map(|(needle, window)| Deed::Find(needle, window)),
            1 => (0..9_usize).prop_map(Deed::TakeBack),
            1 => vec(0..2_u8, 0..5).prop_map(Deed::PutInFront),
            1 => Just(Deed::Clear),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn it_is_as_if_all_bytes_lay_together(rounds in vec((vec(0..2_u8, 0..12), vec(deed(), 0..6)), 0..8)) {
            let mut buffer = Buffer::default();
            let mut bytes = Vec::new();
            for (chunk, deeds) in rounds {
                let mut input = buffer.input(&chunk);
                bytes.extend(&chunk);
                let mut handed = Vec::new();
                let mut needle = Vec::new();
                for deed in deeds {
                    match deed {
                        Deed::Take(n) => {
                            let expected = (n <= bytes.len()).then(|| bytes.drain(..n).collect::<Vec<_>>());
                            prop_assert_eq!(input.take(n), expected.as_deref());
                            handed = expected.unwrap_or_default();
                        }
                        Deed::Raw(most) => {
                            let raw = input.raw(most).unwrap_or_default().to_vec();
                            prop_assert!(raw.len() <= most && raw.is_empty() == (most.min(bytes.len()) == 0));
                            handed = bytes.drain(..raw.len()).collect();
                            prop_assert_eq!(&raw, &handed);
                        }
                        Deed::Peek(n) => {
                            let mut room = vec![0; n];
                            prop_assert_eq!(input.peek(&mut room), &bytes[..n.min(bytes.len())]);
                        }
                        Deed::Find(sought, window) => {
                            input.search_anew();
                            let place = bytes[..window.min(bytes.len())].windows(sought.len()).position(|at| at == sought);
                            // Again, with what is known from the first time.
                            for _ in 0..2 {
                                prop_assert_eq!(input.find(&Cow::from(&sought), window), place);
                            }
                            let begun = (0..sought.len()).rev().find(|begun| bytes.ends_with(&sought[..*begun]));
                            prop_assert_eq!(input.begun(&sought), begun.unwrap());
                            needle = sought;
                            handed.clear();
                        }
                        Deed::TakeBack(n) => {
                            let back = handed.split_off(handed.len() - n.min(handed.len()));
                            input.take_back(back.len());
                            bytes.splice(..0, back);
                        }
                        Deed::PutInFront(extra) => {
                            input.put_in_front(&extra);
                            bytes.splice(..0, extra);
                            handed.clear();
                        }
                        Deed::Clear => {
                            input.clear();
                            bytes.clear();
                            handed.clear();
                        }
                    }
                    prop_assert_eq!(input.len(), bytes.len());
                    prop_assert!((0..bytes.len()).all(|at| input.byte(at) == bytes[at]));
                }
                if !needle.is_empty() {
                    input.search_anew();
                }
                prop_assert_eq!(input.finish() >= bytes.len().max(1), !bytes.is_empty());
                prop_assert_eq!(buffer.kept(), &bytes);
            }
        }

        #[test]
        fn a_search_goes_on_where_it_stopped_and_finds_what_it_finds_in_one_piece(
            needle in vec(0..2_u8, 1..5),
            chunks in vec(vec(0..2_u8, 0..9), 0..20),
        ) {
            let bytes = chunks.concat();
            let mut expected = Vec::new();
            let mut rest = &bytes[..];
            while let Some(at) = rest.windows(needle.len()).position(|window| window == needle) {
                expected.push(at);
                rest = &rest[at + needle.len()..];
            }
            let mut buffer = Buffer::default();
            let mut found = Vec::new();
            for chunk in &chunks {
                let mut input = buffer.input(chunk);
                while let Some(at) = input.find(&Cow::from(&needle), usize::MAX) {
                    found.push(at);
                    input.take(at + needle.len());
                }
                input.finish();
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(buffer.kept(), rest);
        }
    }

    #[test]
    fn what_lies_in_a_chunk_is_lent_and_only_what_straddles_is_copied() {
        let mut buffer = Buffer::default();
        let chunk = [7; 100];
        let mut input = buffer.input(&chunk);
        assert_eq!(input.take(40).unwrap().as_ptr(), chunk.as_ptr());
        assert_eq!(input.take(40).unwrap().as_ptr(), chunk[40..].as_ptr());
        assert!(input.take(40).is_none());
        input.finish();
        assert_eq!(buffer.effort, 20);
        let mut input = buffer.input(&chunk);
        assert_eq!(input.take(40).unwrap().len(), 40);
        assert_eq!(input.take(40).unwrap().as_ptr(), chunk[20..].as_ptr());
        assert_eq!(input.raw(usize::MAX).unwrap().as_ptr(), chunk[60..].as_ptr());
        assert_eq!(input.finish(), 0);
        assert_eq!(buffer.effort, 40);
    }

    #[test]
    fn memory_that_was_needed_for_a_while_is_given_back() {
        let mut buffer = Buffer::default();
        buffer.input(&[0; 60_000]).finish();
        assert!(buffer.capacity() >= 60_000);
        let mut input = buffer.input(&[0; 10]);
        input.take(60_000);
        input.finish();
        assert_eq!(buffer.kept().len(), 10);
        assert!(buffer.capacity() <= SPARE);
    }
}
