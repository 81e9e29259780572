//! The bytes a connection has yet to send.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, Bytes};

/// A queue of bytes. It has memory only while it holds bytes: an idle connection needs none.
#[derive(Default)]
pub(crate) struct Output {
    len: usize,
    /// `None` while there are no bytes, or while all are lent.
    queue: Option<Box<Queue>>,
}

/// The memory of an output, which the next one takes over.
#[derive(Default)]
struct Queue {
    /// The first bytes of all; those before `start` were sent.
    front: Vec<u8>,
    start: usize,
    rest: VecDeque<Piece>,
}

enum Piece {
    Copied(Vec<u8>),
    Shared(Bytes),
}

/// Empty queues that keep their memory for the next outputs of a reactor's connections.
#[derive(Default)]
pub(crate) struct Stock {
    #[expect(clippy::vec_box, reason = "an output has its queue for itself while it needs one")]
    queues: RefCell<Vec<Box<Queue>>>,
}

impl Output {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn push(&mut self, data: &[u8], stock: &Stock) {
        self.len += data.len();
        self.queue(stock).push(data);
    }

    /// Like a push of each of these pieces, of `len` bytes together.
    #[inline]
    pub(crate) fn push_all(&mut self, pieces: &[&[u8]], len: usize, stock: &Stock) {
        self.len += len;
        let queue = self.queue(stock);
        if queue.has_room(len) {
            pieces.iter().for_each(|piece| append(&mut queue.front, piece));
        } else {
            pieces.iter().for_each(|piece| queue.push(piece));
        }
    }

    pub(crate) fn push_shared(&mut self, data: Bytes, stock: &Stock) {
        if data.len() < WORTH_SHARING {
            self.push(&data, stock);
        } else {
            self.len += data.len();
            self.queue(stock).rest.push_back(Piece::Shared(data));
        }
    }

    #[inline]
    fn queue(&mut self, stock: &Stock) -> &mut Queue {
        self.queue.get_or_insert_with(|| stock.take())
    }

    /// The first contiguous bytes; empty only if the queue is.
    #[inline]
    pub(crate) fn chunk(&self) -> &[u8] {
        self.queue.as_ref().map_or(&[], |queue| queue.chunk())
    }

    /// A copy of all bytes.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len);
        if let Some(queue) = &self.queue {
            all.extend(&queue.front[queue.start..]);
            queue.rest.iter().for_each(|piece| all.extend(piece.bytes()));
        }
        all
    }

    /// Removes the first `n` bytes, which lie within the [`chunk`](Self::chunk). Returns shared bytes that are done
    /// with, to be dropped with nothing borrowed: their owner may be user code and panic.
    #[inline]
    #[must_use]
    pub(crate) fn advance(&mut self, n: usize, stock: &Stock) -> Option<Bytes> {
        debug_assert!(n <= self.chunk().len());
        self.len -= n;
        let gone = match &mut self.queue {
            Some(queue) if self.len > 0 || !queue.rest.is_empty() => queue.advance(n),
            _ => None,
        };
        if self.len == 0
            && let Some(queue) = self.queue.take()
        {
            stock.put_back(queue);
        }
        gone
    }

    /// Gives back memory that a few left-over bytes do not need, when the destination takes no more.
    pub(crate) fn shrink(&mut self, stock: &Stock) {
        let Some(queue) = &mut self.queue else { return };
        let left = queue.front.len() - queue.start;
        if left > 0 && queue.front.capacity() / 4 > left {
            let front = queue.front[queue.start..].to_vec();
            let small = Queue { front, start: 0, rest: mem::take(&mut queue.rest) };
            stock.put_back(mem::replace(queue, Box::new(small)));
        } else if queue.start >= SLACK {
            // For what is written next.
            queue.discard_sent();
        }
    }

    /// Takes everything out until [`take_back`](Self::take_back). It still counts as being here.
    pub(crate) fn lend(&mut self) -> Self {
        Self { len: self.len, queue: self.queue.take() }
    }

    /// Puts lent bytes back before what was written meanwhile.
    pub(crate) fn take_back(&mut self, lent: Self, stock: &Stock) {
        let later = mem::replace(self, lent);
        if let Some(mut queue) = later.queue {
            self.append(&mut queue, stock);
            stock.put_back(queue);
        }
    }

    /// Stops counting what is lent, to which nothing was added; returns how much it was.
    pub(crate) fn give_up_lent(&mut self) -> usize {
        debug_assert!(self.queue.is_none());
        mem::take(&mut self.len)
    }

    fn append(&mut self, later: &mut Queue, stock: &Stock) {
        self.push(&later.front[later.start..], stock);
        for piece in later.rest.drain(..) {
            match piece {
                Piece::Copied(piece) => self.push(&piece, stock),
                Piece::Shared(piece) => self.push_shared(piece, stock),
            }
        }
    }

    /// Removes everything and returns it, to be dropped with nothing borrowed, as [`advance`](Self::advance) does.
    #[must_use]
    pub(crate) fn clear(&mut self) -> Self {
        mem::take(self)
    }
}

impl Queue {
    #[inline]
    fn push(&mut self, data: &[u8]) {
        if self.has_room(data.len()) {
            self.front.extend_from_slice(data);
        } else {
            self.push_elsewhere(data);
        }
    }

    /// Whether this many bytes only need to be copied behind the others.
    #[inline]
    fn has_room(&self, len: usize) -> bool {
        len <= self.front.capacity() - self.front.len() && self.rest.is_empty()
    }

    #[inline(never)]
    fn push_elsewhere(&mut self, data: &[u8]) {
        match self.rest.back_mut() {
            None if self.front.len() + data.len() <= TOGETHER || self.front.is_empty() => {
                if self.start >= COMPACT && self.start >= self.front.len() / 2 {
                    self.discard_sent();
                }
                let len = self.front.len() + data.len();
                if len > self.front.capacity() && len > PIECE {
                    // Doubling would take up to twice what it holds.
                    self.front.reserve_exact(len.next_multiple_of(SLACK) - self.front.len());
                }
                self.front.extend_from_slice(data);
            }
            Some(Piece::Copied(last)) if last.len() + data.len() <= PIECE => last.extend_from_slice(data),
            Some(Piece::Shared(_)) => self.rest.push_back(Piece::Copied(data.to_vec())),
            Some(Piece::Copied(_)) | None => {
                let mut piece = Vec::with_capacity(data.len().max(PIECE));
                piece.extend_from_slice(data);
                self.rest.push_back(Piece::Copied(piece));
            }
        }
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        if self.start < self.front.len() {
            return &self.front[self.start..];
        }
        self.rest.front().map_or(&[], Piece::bytes)
    }

    fn advance(&mut self, n: usize) -> Option<Bytes> {
        if self.start == self.front.len() {
            match self.rest.pop_front()? {
                Piece::Copied(piece) => (self.front, self.start) = (piece, 0),
                Piece::Shared(piece) if n == piece.len() => return Some(piece),
                Piece::Shared(mut piece) => {
                    piece.advance(n);
                    self.rest.push_front(Piece::Shared(piece));
                    return None;
                }
            }
        }
        self.start += n;
        if self.start == self.front.len() {
            (self.front, self.start) = (Vec::new(), 0);
        }
        None
    }

    fn discard_sent(&mut self) {
        self.front.drain(..self.start);
        self.start = 0;
    }

    /// Empties it for another output. Returns the bytes that it can take without more memory.
    #[inline]
    fn reset(&mut self) -> usize {
        self.front.clear();
        self.start = 0;
        if self.rest.capacity() > 0 {
            self.rest = VecDeque::new();
        }
        self.front.capacity()
    }
}

impl Stock {
    #[inline]
    fn take(&self) -> Box<Queue> {
        self.queues.borrow_mut().pop().unwrap_or_default()
    }

    #[inline]
    fn put_back(&self, mut queue: Box<Queue>) {
        let bytes = queue.reset();
        let kept = if bytes <= SHORT { MANY } else { FEW };
        let mut queues = self.queues.borrow_mut();
        if bytes <= LARGEST && queues.len() < kept {
            queues.push(queue);
        }
    }
}

/// Delimiters are often one byte, for which a call of `memcpy` is dear.
#[inline]
fn append(front: &mut Vec<u8>, piece: &[u8]) {
    match piece {
        [byte] => front.push(*byte),
        _ => front.extend_from_slice(piece),
    }
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(piece) => piece,
            Self::Shared(piece) => piece,
        }
    }
}

/// Buffers of at least this size are sent by themselves rather than copied behind what is queued: a system call and a
/// packet cost less than copying 16 KiB.
const WORTH_SHARING: usize = 16 * 1024;

/// The bytes that lie together and leave in one system call. What exceeds this is kept in pieces, which need not be
/// moved when more is written, and waste no more than part of the last piece.
const TOGETHER: usize = 128 * 1024;

const PIECE: usize = 64 * 1024;

/// The unused room beyond which a connection whose peer is behind gives memory back.
const SLACK: usize = 16 * 1024;

/// The number of sent bytes at the front of a buffer that makes moving the rest worthwhile.
const COMPACT: usize = 64 * 1024;

/// The number of queues kept for the next writes: a turn uses one, forwarding two, a message to many a few at a time.
const FEW: usize = 16;

/// Keeps the memory of these within 2 MiB.
const LARGEST: usize = 128 * 1024;

/// The number kept if they are short: a short message to many connections uses one for each until it is sent.
const MANY: usize = 2048;

/// Keeps the memory of these within 2 MiB more.
const SHORT: usize = 1024;
