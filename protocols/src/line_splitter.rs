//! Bytes in, lines out: no transport, no callbacks.

use std::rc::Rc;

use memchr::memchr;
use memchr::memmem::Finder;

/// What ends a line, and how long one may be.
#[derive(Clone, Debug)]
pub(crate) struct Framing {
    pub(crate) delimiter: Delimiter,
    /// The most bytes a line may have, its delimiter not counted.
    pub(crate) max_length: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Delimiter {
    /// These bytes, at least one.
    Bytes(Box<Finder<'static>>),
    /// LF, and a CR before it belongs to it.
    AnyNewline,
}

/// A line is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Cuts a stream of bytes into lines. It holds what must be kept between two chunks.
///
/// Time is proportional to the bytes, however they are cut: none is searched more than twice, but for the few that may
/// be the beginning of a delimiter, and taking a line out of what is kept does not move the rest.
pub(crate) struct LineSplitter {
    framing: Rc<Framing>,
    /// Bytes of earlier chunks; those before `start` are consumed.
    kept: Vec<u8>,
    start: usize,
    /// No delimiter begins in so many bytes from `start` on.
    searched: usize,
    /// Bytes searched and bytes copied so far.
    #[cfg(test)]
    pub(crate) effort: usize,
}

/// What is to be cut now: bytes that were kept, then a chunk, which is lent and split where it lies.
pub(crate) struct Input<'a> {
    splitter: &'a mut LineSplitter,
    chunk: &'a [u8],
    /// So much of the chunk is consumed, or kept.
    taken: usize,
    /// Whether what was handed out last lies in the kept bytes, or else in the chunk.
    handed_kept: bool,
}

impl Framing {
    /// An unfinished line of so many bytes is too long, whatever follows.
    fn limit(&self) -> usize {
        self.max_length.saturating_add(self.delimiter.longest())
    }
}

impl Delimiter {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self::Bytes(Box::new(Finder::new(bytes).into_owned()))
    }

    /// What a line is sent with.
    pub(crate) fn to_send(&self) -> &[u8] {
        match self {
            Self::Bytes(finder) => finder.needle(),
            Self::AnyNewline => b"\r\n",
        }
    }

    fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Bytes(finder) => finder.find(bytes),
            Self::AnyNewline => memchr(b'\n', bytes),
        }
    }

    /// How many bytes from what `find` has found belong to it.
    fn len(&self) -> usize {
        match self {
            Self::Bytes(finder) => finder.needle().len(),
            Self::AnyNewline => 1,
        }
    }

    /// How many bytes there can be between the end of one line and the beginning of the next.
    fn longest(&self) -> usize {
        self.to_send().len()
    }

    /// Takes off what belongs to the delimiter before the place that `find` has found.
    fn trim<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Bytes(_) => line,
            Self::AnyNewline => line.strip_suffix(b"\r").unwrap_or(line),
        }
    }
}

impl LineSplitter {
    pub(crate) fn new(framing: Rc<Framing>) -> Self {
        Self {
            framing,
            kept: Vec::new(),
            start: 0,
            searched: 0,
            #[cfg(test)]
            effort: 0,
        }
    }

    /// Begins to cut a chunk, behind what is kept.
    pub(crate) fn input<'a>(&'a mut self, chunk: &'a [u8]) -> Input<'a> {
        Input { splitter: self, chunk, taken: 0, handed_kept: false }
    }

    /// What is kept and not consumed.
    fn kept(&self) -> &[u8] {
        &self.kept[self.start..]
    }

    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = self.framing.delimiter.find(bytes);
        self.count(found.unwrap_or(bytes.len()));
        found
    }

    /// The delimiter's place, counted from `start`, in the first `len` of the kept bytes.
    fn find_kept(&mut self, len: usize) -> Option<usize> {
        let unsearched = &self.kept[self.start + self.searched..self.start + len];
        let found = self.framing.delimiter.find(unsearched);
        self.count(found.unwrap_or(len - self.searched));
        found.map(|at| self.searched + at)
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.kept.extend_from_slice(bytes);
    }

    /// Forgets the consumed bytes in front of the others.
    fn compact(&mut self) {
        self.count(self.kept().len());
        self.kept.drain(..self.start);
        self.start = 0;
    }

    /// Gives back memory that was needed for a while.
    fn settle(&mut self) {
        let len = self.kept().len();
        if self.start > 0 && len <= self.start {
            self.compact();
        }
        if self.kept.capacity() > SPARE && len <= self.kept.capacity() / 4 {
            self.kept.shrink_to(len * 2);
        }
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
    /// The next line, without its delimiter; `None` when the bytes are used up or only begin one.
    ///
    /// After [`LineTooLong`] the long line is still there: it is to be had, with all that follows, by
    /// [`everything`](Self::everything).
    pub(crate) fn line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        if self.splitter.kept().is_empty() { self.line_of_chunk() } else { self.line_of_kept() }
    }

    fn line_of_chunk(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        let rest = &self.chunk[self.taken..];
        if rest.is_empty() {
            return Ok(None);
        }
        let limit = self.splitter.framing.limit();
        let window = &rest[..rest.len().min(limit)];
        let Some(at) = self.splitter.find(window) else {
            if window.len() == limit {
                return Err(LineTooLong);
            }
            self.keep_rest();
            return Ok(None);
        };
        let framing = &self.splitter.framing;
        let line = framing.delimiter.trim(&rest[..at]);
        if line.len() > framing.max_length {
            return Err(LineTooLong);
        }
        self.taken += at + framing.delimiter.len();
        Ok(Some(line))
    }

    fn line_of_kept(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        let splitter = &mut *self.splitter;
        let framing = Rc::clone(&splitter.framing);
        let (limit, delimiter) = (framing.limit(), framing.delimiter.len());
        let pending = splitter.kept().len();
        let window = pending.min(limit);
        let at = match splitter.find_kept(window) {
            Some(at) => at,
            None if window == limit => return Err(LineTooLong),
            None => {
                splitter.searched = pending.saturating_sub(delimiter - 1);
                match self.find_across(pending, limit - pending)? {
                    Some(at) => at,
                    None => return Ok(None),
                }
            }
        };
        let splitter = &mut *self.splitter;
        let begin = splitter.start;
        let line = framing.delimiter.trim(&splitter.kept[begin..begin + at]);
        if line.len() > framing.max_length {
            return Err(LineTooLong);
        }
        let end = begin + line.len();
        splitter.start += at + delimiter;
        splitter.searched = 0;
        Ok(Some(&splitter.kept[begin..end]))
    }

    /// Finds the end of a line that began in the kept bytes, none of whose delimiters lies wholly in there, and moves
    /// the rest of it to them. With `room` more bytes the line would be too long.
    fn find_across(&mut self, pending: usize, room: usize) -> Result<Option<usize>, LineTooLong> {
        let splitter = &mut *self.splitter;
        if splitter.start > 0 {
            splitter.compact();
        }
        let delimiter = splitter.framing.delimiter.len();
        let rest = &self.chunk[self.taken..];
        let window = &rest[..rest.len().min(room)];

        splitter.keep(&window[..window.len().min(delimiter - 1)]);
        if let Some(at) = splitter.find_kept(splitter.kept.len()) {
            let end = at + delimiter;
            splitter.kept.truncate(end);
            self.taken += end - pending;
            return Ok(Some(at));
        }
        splitter.kept.truncate(pending);
        if let Some(at) = splitter.find(window) {
            let end = at + delimiter;
            splitter.keep(&window[..end]);
            self.taken += end;
            return Ok(Some(pending + at));
        }
        if window.len() == room {
            return Err(LineTooLong);
        }
        self.keep_rest();
        Ok(None)
    }

    /// Some bytes, as they come, if there are any.
    pub(crate) fn raw(&mut self) -> Option<&[u8]> {
        self.splitter.searched = 0;
        self.handed_kept = !self.splitter.kept().is_empty();
        if self.handed_kept {
            let begin = self.splitter.start;
            self.splitter.start = self.splitter.kept.len();
            return Some(&self.splitter.kept[begin..]);
        }
        let rest = &self.chunk[self.taken..];
        self.taken = self.chunk.len();
        (!rest.is_empty()).then_some(rest)
    }

    /// All the bytes there are, in one piece.
    pub(crate) fn everything(&mut self) -> &[u8] {
        if !self.splitter.kept().is_empty() {
            self.keep_rest();
        }
        self.raw().unwrap_or_default()
    }

    /// Takes back the last `len` bytes of what [`raw`](Self::raw) or [`everything`](Self::everything) has just handed
    /// out: they come again.
    pub(crate) fn take_back(&mut self, len: usize) {
        if self.handed_kept {
            self.splitter.start -= len;
        } else {
            self.taken -= len;
        }
    }

    /// Puts bytes in front of all the others.
    pub(crate) fn put_in_front(&mut self, bytes: &[u8]) {
        let splitter = &mut *self.splitter;
        splitter.searched = 0;
        if let Some(start) = splitter.start.checked_sub(bytes.len()) {
            // Where the consumed bytes were there is room.
            splitter.count(bytes.len());
            splitter.kept[start..splitter.start].copy_from_slice(bytes);
            splitter.start = start;
        } else {
            splitter.count(bytes.len() + splitter.kept().len());
            splitter.kept.splice(..splitter.start, bytes.iter().copied());
            splitter.start = 0;
        }
    }

    /// Forgets all the bytes there are.
    pub(crate) fn clear(&mut self) {
        self.splitter.start = self.splitter.kept.len();
        self.splitter.searched = 0;
        self.taken = self.chunk.len();
    }

    /// Ends the cutting of this chunk: what is left of it is kept. Answers whether anything is.
    pub(crate) fn finish(mut self) -> bool {
        self.keep_rest();
        self.splitter.settle();
        !self.splitter.kept().is_empty()
    }

    fn keep_rest(&mut self) {
        let rest = &self.chunk[self.taken..];
        if !rest.is_empty() {
            if self.splitter.kept().is_empty() {
                self.splitter.compact();
            }
            self.splitter.keep(rest);
            self.taken = self.chunk.len();
        }
    }
}

/// Memory that a splitter may hold for the next line without need: that of a usual line in pieces.
const SPARE: usize = 512;

#[cfg(test)]
mod tests {
    use reactor::testing::every_cut;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Event {
        Line(Vec<u8>),
        TooLong,
    }

    fn splitter(delimiter: &Delimiter, max_length: usize) -> LineSplitter {
        LineSplitter::new(Rc::new(Framing { delimiter: delimiter.clone(), max_length }))
    }

    fn delimiters() -> Vec<Delimiter> {
        let bytes: [&[u8]; 5] = [b"\r\n", b"\n", b"\n\n", b"\r\r\n", b"\n\r\n\n"];
        bytes.into_iter().map(Delimiter::new).chain([Delimiter::AnyNewline]).collect()
    }

    /// Cuts a chunk, and keeps the rest of it. True at a line that is too long: there the tests end.
    fn feed(splitter: &mut LineSplitter, chunk: &[u8], events: &mut Vec<Event>) -> bool {
        let mut input = splitter.input(chunk);
        loop {
            match input.line() {
                Ok(Some(line)) => events.push(Event::Line(line.to_vec())),
                Ok(None) => break,
                Err(LineTooLong) => {
                    events.push(Event::TooLong);
                    return true;
                }
            }
        }
        input.finish();
        false
    }

    fn split<'a>(delimiter: &Delimiter, max: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
        let mut splitter = splitter(delimiter, max);
        let mut events = Vec::new();
        for chunk in chunks {
            if feed(&mut splitter, chunk, &mut events) {
                break;
            }
        }
        events
    }

    /// The rules again, in the plainest way and with all the bytes at hand.
    fn expected(delimiter: &Delimiter, max: usize, mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let bare = &delimiter.to_send()[delimiter.to_send().len() - delimiter.len()..];
        while let Some(at) = bytes.windows(bare.len()).position(|window| window == bare) {
            let line = delimiter.trim(&bytes[..at]);
            if line.len() > max {
                events.push(Event::TooLong);
                return events;
            }
            events.push(Event::Line(line.to_vec()));
            bytes = &bytes[at + bare.len()..];
        }
        if bytes.len() >= max + delimiter.to_send().len() {
            events.push(Event::TooLong);
        }
        events
    }

    #[test]
    fn short_inputs_give_the_same_lines_in_every_cut() {
        let inputs: [&[u8]; 8] = [
            b"\r\n",
            b"ab\r\ncd\r\n\r\nef",
            b"\r\n\r\n\n\r\r\n\r\r\n\n",
            b"\n\n\n\r\n\n\n\r\n\n\r",
            b"abcd\r\nabcde\r\n",
            b"abcd\rabcd\nab",
            b"abcde\nabcde\r\n",
            b"\r\r\r\r\r\n\r\r\r\r\r\r\n",
        ];
        for input in inputs {
            assert!(input.len() <= 14);
            for delimiter in delimiters() {
                for max in [0, 4, 100] {
                    let lines = every_cut(input, |pieces| split(&delimiter, max, pieces.iter().copied()));
                    assert_eq!(lines, expected(&delimiter, max, input), "{delimiter:?} {max}");
                }
            }
        }
    }

    #[test]
    fn long_inputs_give_the_same_lines_however_they_are_cut() {
        let mut random = fastrand::Rng::with_seed(1);
        // The longest, for which every_cut goes to the greatest lengths, only once: it takes seconds.
        let lengths = [4096].into_iter().chain(std::iter::repeat(400));
        for (delimiter, length) in delimiters().into_iter().zip(lengths) {
            let text = "abcdefghijklmnopqrstuvwxyz".repeat(4) + "\r\n";
            for (letters, length, max) in [("\r\n", 400, 10), ("\r\nabc", 400, 100), (&text, length, 5000)] {
                let letters = letters.as_bytes();
                let input: Vec<u8> = (0..length).map(|_| letters[random.usize(..letters.len())]).collect();
                let lines = every_cut(&input, |pieces| split(&delimiter, max, pieces.iter().copied()));
                assert_eq!(lines, expected(&delimiter, max, &input), "{delimiter:?}");
            }
        }
    }

    #[test]
    fn exactly_the_maximum_is_accepted_wherever_the_line_is_cut() {
        const MAX: usize = 20;
        for delimiter in delimiters() {
            for len in [MAX - 1, MAX, MAX + 1] {
                let mut input = b"first".to_vec();
                input.extend(delimiter.to_send());
                input.extend(vec![b'x'; len]);
                input.extend(delimiter.to_send());
                input.extend(b"next");
                let line = if len > MAX { Event::TooLong } else { Event::Line(vec![b'x'; len]) };
                for at in 0..=input.len() {
                    let (one, two) = input.split_at(at);
                    assert_eq!(split(&delimiter, MAX, [one, two]), [Event::Line(b"first".to_vec()), line.clone()]);
                }
                let bytes = input.chunks(1);
                assert_eq!(split(&delimiter, MAX, bytes), [Event::Line(b"first".to_vec()), line.clone()]);
            }
        }
    }

    #[test]
    fn an_unfinished_line_may_have_the_maximum_and_all_but_one_byte_of_the_delimiter() {
        for delimiter in delimiters() {
            let room = 20 + delimiter.to_send().len() - 1;
            for chunk in [1, 7, 100] {
                assert_eq!(split(&delimiter, 20, vec![b'x'; room].chunks(chunk)), []);
                assert_eq!(split(&delimiter, 20, vec![b'x'; room + 1].chunks(chunk)), [Event::TooLong]);
            }
        }
    }

    #[test]
    fn a_maximum_beyond_all_memory_is_none() {
        let input = vec![b'x'; 100_000];
        assert_eq!(split(&Delimiter::new(b"\r\n"), usize::MAX, input.chunks(999)), []);
    }

    #[test]
    fn a_long_line_is_handed_out_with_all_that_follows() {
        for delimiter in delimiters() {
            let mut long = vec![b'x'; 10];
            long.extend(delimiter.to_send());
            long.extend(b"next");
            for at in 0..long.len() {
                let mut splitter = splitter(&delimiter, 9);
                if feed(&mut splitter, &long[..at], &mut Vec::new()) {
                    continue;
                }
                let mut input = splitter.input(&long[at..]);
                assert_eq!(input.line(), Err(LineTooLong));
                assert_eq!(input.everything(), long);
                assert_eq!(input.line(), Ok(None));
                assert!(!input.finish());
            }
        }
    }

    #[test]
    fn what_is_put_in_front_comes_before_what_was_kept_and_what_is_new() {
        let mut splitter = splitter(&Delimiter::new(b"\n"), 100);
        splitter.input(b"3\n4").finish();
        let mut input = splitter.input(b"\n5\n");
        input.put_in_front(b"2\n");
        input.put_in_front(b"1\n");
        for line in [b"1", b"2", b"3"] {
            assert_eq!(input.line(), Ok(Some(&line[..])));
        }
        input.put_in_front(b"in pla");
        input.put_in_front(b"a line\n");
        for line in [&b"a line"[..], b"in pla4", b"5"] {
            assert_eq!(input.line(), Ok(Some(line)));
        }
        input.put_in_front(b"6\n789");
        assert_eq!(input.line(), Ok(Some(&b"6"[..])));
        assert_eq!(input.line(), Ok(None));
        input.put_in_front(b"a\n");
        assert_eq!(input.line(), Ok(Some(&b"a"[..])));
        assert!(input.finish());
    }

    #[test]
    fn bytes_taken_back_come_again() {
        let mut splitter = splitter(&Delimiter::new(b"\n"), 100);
        splitter.input(b"kept").finish();
        let mut input = splitter.input(b" a\nb\nc");
        assert_eq!(input.raw(), Some(&b"kept"[..]));
        input.take_back(3);
        assert_eq!(input.line(), Ok(Some(&b"ept a"[..])));
        assert_eq!(input.raw(), Some(&b"b\nc"[..]));
        input.take_back(2);
        assert_eq!(input.line(), Ok(Some(&b""[..])));
        assert_eq!(input.line(), Ok(None));
        assert_eq!(input.raw(), Some(&b"c"[..]));
        assert_eq!(input.raw(), None);
        input.take_back(0);
        assert_eq!(input.line(), Ok(None));
        input.finish();

        let mut input = splitter.input(b"");
        input.put_in_front(b"long and searched");
        assert_eq!(input.line(), Ok(None));
        assert!(input.raw().is_some());
        input.take_back(1);
        assert_eq!(input.line(), Ok(None));
        input.put_in_front(b"\n");
        assert_eq!(input.line(), Ok(Some(&b""[..])));
    }

    #[test]
    fn what_is_cleared_does_not_come_but_what_is_put_in_front_later_does() {
        let mut splitter = splitter(&Delimiter::new(b"\n"), 100);
        splitter.input(b"a\nb").finish();
        let mut input = splitter.input(b"c\nd");
        assert_eq!(input.line(), Ok(Some(&b"a"[..])));
        input.clear();
        input.put_in_front(b"e\n");
        assert_eq!(input.line(), Ok(Some(&b"e"[..])));
        assert_eq!(input.line(), Ok(None));
        assert!(!input.finish());
    }

    #[test]
    fn the_effort_is_proportional_to_the_bytes_however_they_are_cut() {
        const BYTES: usize = 1 << 15;
        for delimiter in delimiters() {
            for line in [0, 1, 30, 16_000] {
                let mut input = Vec::new();
                while input.len() < BYTES {
                    input.extend(vec![b'x'; line]);
                    input.extend(delimiter.to_send());
                }
                for chunk in [1, 2, 3, 100, 1460, 65_536] {
                    let mut splitter = splitter(&delimiter, 16_384);
                    for chunk in input.chunks(chunk) {
                        assert!(!feed(&mut splitter, chunk, &mut Vec::new()));
                    }
                    // A byte is searched and kept; and a few are looked at again at each seam.
                    let most = input.len() * (2 + 3 * delimiter.len());
                    assert!(splitter.effort <= most, "{} for {} {line} {chunk}", splitter.effort, input.len());
                }
            }
        }
    }

    #[test]
    fn taking_one_line_at_a_time_out_of_what_is_kept_does_not_move_the_rest() {
        let input = b"x\r\n".repeat(1 << 17);
        let mut splitter = splitter(&Delimiter::new(b"\r\n"), 16_384);
        splitter.input(&input).finish();
        for _ in 0..1 << 17 {
            let mut input = splitter.input(b"");
            assert_eq!(input.line(), Ok(Some(&b"x"[..])));
            input.finish();
        }
        assert!(splitter.kept().is_empty());
        assert!(splitter.effort <= 4 * input.len(), "{}", splitter.effort);
    }

    #[test]
    fn alternating_between_raw_bytes_and_lines_does_not_move_the_rest() {
        let bytes = b"rx\r\n".repeat(1 << 17);
        let cut = |mut input: Input<'_>| {
            for _ in 0..1 << 17 {
                let len = input.raw().map_or(0, <[u8]>::len);
                input.take_back(len - 1);
                assert_eq!(input.line(), Ok(Some(&b"x"[..])));
            }
            assert!(!input.finish());
        };
        let mut splitter = splitter(&Delimiter::new(b"\r\n"), 16_384);
        cut(splitter.input(&bytes));
        assert!(splitter.effort <= bytes.len(), "{}", splitter.effort);
        splitter.input(&bytes).finish();
        cut(splitter.input(b""));
        assert!(splitter.effort <= 4 * bytes.len(), "{}", splitter.effort);
    }

    #[test]
    fn no_more_is_kept_than_a_line_and_a_chunk_and_memory_is_given_back() {
        let mut splitter = splitter(&Delimiter::new(b"\r\n"), 16_384);
        let mut most = 0;
        for byte in vec![b'x'; 16_384].chunks(1) {
            feed(&mut splitter, byte, &mut Vec::new());
            most = most.max(splitter.kept.capacity());
        }
        splitter.input(&b"\r\n".repeat(1 << 15)).finish();
        most = most.max(splitter.kept.capacity());
        assert!(most <= 16_384 + 65_536, "{most}");

        let mut lines = Vec::new();
        feed(&mut splitter, b"a usual line that is not yet", &mut lines);
        assert_eq!(lines.len(), 1 << 15);
        assert!(splitter.kept.capacity() <= SPARE);
        feed(&mut splitter, b" finished\r\n", &mut lines);
        assert_eq!(lines.last(), Some(&Event::Line(b"a usual line that is not yet finished".to_vec())));
        assert!(splitter.kept.capacity() > 0, "it serves the next");
    }
}
