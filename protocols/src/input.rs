//! The bytes that a receiver cuts: no transport, no callbacks.

/// What is kept between two chunks.
///
/// Time is proportional to the bytes, however they are cut: none is copied more than once on its way in, and taking a
/// piece out of what is kept does not move the rest.
#[derive(Default)]
pub(crate) struct Buffer {
    /// Bytes of earlier chunks; those before `start` are consumed.
    kept: Vec<u8>,
    start: usize,
    /// What is searched for begins nowhere in so many bytes from the front on.
    searched: usize,
    /// Bytes searched and bytes copied so far.
    #[cfg(test)]
    pub(crate) effort: usize,
}

/// What is to be cut now: bytes that were kept, then a chunk, which is lent and cut where it lies.
pub(crate) struct Input<'a> {
    buffer: &'a mut Buffer,
    chunk: &'a [u8],
    /// So much of the chunk is consumed, or kept.
    taken: usize,
    /// Whether what was handed out last lies in the kept bytes, or else in the chunk.
    handed_kept: bool,
}

/// Something to search for.
pub(crate) trait Needle {
    /// Where it is first.
    fn find(&self, bytes: &[u8]) -> Option<usize>;

    /// How many bytes it has: at least one.
    fn len(&self) -> usize;
}

impl Buffer {
    /// Begins to cut a chunk, behind what is kept.
    pub(crate) fn input<'a>(&'a mut self, chunk: &'a [u8]) -> Input<'a> {
        Input { buffer: self, chunk, taken: 0, handed_kept: false }
    }

    /// What is kept and not consumed.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.kept[self.start..]
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.kept.extend_from_slice(bytes);
    }

    /// Forgets the consumed bytes in front of the others.
    fn compact(&mut self) {
        if self.start > 0 {
            self.count(self.kept().len());
            self.kept.drain(..self.start);
            self.start = 0;
        }
    }

    /// Gives back memory that was needed for a while.
    fn settle(&mut self) {
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

impl Input<'_> {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.buffer.kept().len() + self.rest().len()
    }

    /// One of the bytes there are, counted from the front.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        let kept = self.buffer.kept();
        if at < kept.len() { kept[at] } else { self.rest()[at - kept.len()] }
    }

    /// The next `n` bytes in one piece, if there are so many. They are copied only if some of them were kept and some
    /// were not.
    pub(crate) fn take(&mut self, n: usize) -> Option<&[u8]> {
        let pending = self.buffer.kept().len();
        self.handed_kept = pending > 0;
        if pending == 0 {
            let bytes = self.chunk[self.taken..].get(..n)?;
            self.taken += n;
            self.consumed(n);
            return Some(bytes);
        }
        if let Some(missing) = n.checked_sub(pending).filter(|missing| *missing > 0) {
            let bytes = self.chunk[self.taken..].get(..missing)?;
            self.buffer.compact();
            self.buffer.keep(bytes);
            self.taken += missing;
        }
        let begin = self.buffer.start;
        self.buffer.start += n;
        self.consumed(n);
        Some(&self.buffer.kept[begin..begin + n])
    }

    /// The first bytes, as many as go into `room` if there are so many. They lie in there only if they had to be
    /// copied together.
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

    /// Where `needle` begins, if that lies wholly in the first `window` bytes. As long as it is the same that is
    /// searched for, no byte is searched again, but for the few that may be its beginning.
    pub(crate) fn find(&mut self, needle: &impl Needle, window: usize) -> Option<usize> {
        let pending = self.buffer.kept().len();
        let found = if pending == 0 {
            self.find_in_chunk(needle, window)
        } else if self.buffer.searched + needle.len() <= pending
            && let Some(at) = self.buffer.find(needle, self.buffer.searched, pending.min(window))
        {
            Some(at)
        } else {
            self.find_across(needle, pending, window.saturating_sub(pending))
        };
        self.buffer.searched = found.unwrap_or((self.len().min(window) + 1).saturating_sub(needle.len()));
        found
    }

    fn find_in_chunk(&mut self, needle: &impl Needle, window: usize) -> Option<usize> {
        let (rest, searched) = (&self.chunk[self.taken..], self.buffer.searched);
        let unsearched = &rest[searched..rest.len().min(window)];
        let found = needle.find(unsearched);
        self.buffer.count(found.unwrap_or(unsearched.len()));
        found.map(|at| searched + at)
    }

    /// Finds what does not lie wholly in the kept bytes, but in those and the first `room` of the others.
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

    /// What is searched for from here on is something else.
    pub(crate) fn search_anew(&mut self) {
        self.buffer.searched = 0;
    }

    /// How many of the last bytes may be the beginning of `needle`, which is nowhere whole.
    pub(crate) fn begun(&self, needle: &[u8]) -> usize {
        let len = self.len();
        let begins = |count: &usize| (0..*count).all(|at| self.byte(len - count + at) == needle[at]);
        (1..needle.len().min(len + 1)).rev().find(begins).unwrap_or(0)
    }

    /// Some bytes, as they come, at most so many; none if there are none.
    pub(crate) fn raw(&mut self, most: usize) -> Option<&[u8]> {
        self.handed_kept = !self.buffer.kept().is_empty();
        let there = if self.handed_kept { self.buffer.kept().len() } else { self.rest().len() };
        let n = there.min(most);
        if n == 0 { None } else { self.take(n) }
    }

    /// All the bytes there are, in one piece.
    pub(crate) fn everything(&mut self) -> &[u8] {
        self.take(self.len()).unwrap_or_default()
    }

    /// Takes back the last `len` bytes of what was just handed out: they come again.
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

    /// Puts bytes in front of all the others.
    pub(crate) fn put_in_front(&mut self, bytes: &[u8]) {
        self.search_anew();
        let buffer = &mut *self.buffer;
        if let Some(start) = buffer.start.checked_sub(bytes.len()) {
            // Where the consumed bytes were there is room.
            buffer.count(bytes.len());
            buffer.kept[start..buffer.start].copy_from_slice(bytes);
            buffer.start = start;
        } else {
            buffer.count(bytes.len() + buffer.kept().len());
            buffer.kept.splice(..buffer.start, bytes.iter().copied());
            buffer.start = 0;
        }
    }

    /// Forgets all the bytes there are.
    pub(crate) fn clear(&mut self) {
        self.search_anew();
        self.buffer.start = self.buffer.kept.len();
        self.taken = self.chunk.len();
    }

    /// Ends the cutting of this chunk: what is left of it is kept. Answers whether anything is.
    pub(crate) fn finish(self) -> bool {
        let rest = &self.chunk[self.taken..];
        if !rest.is_empty() {
            if self.buffer.kept().is_empty() {
                self.buffer.compact();
            }
            self.buffer.keep(rest);
        }
        self.buffer.settle();
        !self.buffer.kept().is_empty()
    }

    fn rest(&self) -> &[u8] {
        &self.chunk[self.taken..]
    }

    fn consumed(&mut self, n: usize) {
        self.buffer.searched = self.buffer.searched.saturating_sub(n);
    }
}

/// Memory that a receiver may hold for the next message without need: that of a usual line in pieces.
pub(crate) const SPARE: usize = 512;
