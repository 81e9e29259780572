//! The bytes a connection has yet to send.

use std::collections::VecDeque;
use std::mem;

use bytes::{Buf, Bytes};

use crate::hub::buffers::Buffers;

/// A queue of bytes. It owns a buffer only while it holds bytes: an idle connection needs none.
#[derive(Default)]
pub(crate) struct Output {
    /// The first bytes of all; those before `start` were sent.
    front: Vec<u8>,
    start: usize,
    /// Boxed, because few connections ever have one.
    #[expect(clippy::box_collection, reason = "an empty queue takes 24 bytes more of every idle connection")]
    rest: Option<Box<VecDeque<Piece>>>,
    len: usize,
}

enum Piece {
    Copied(Vec<u8>),
    Shared(Bytes),
}

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, data: &[u8], buffers: &Buffers) {
        self.len += data.len();
        match self.rest.as_mut().and_then(|rest| rest.back_mut()) {
            None if self.front.len() + data.len() <= TOGETHER || self.front.is_empty() => {
                if self.front.capacity() == 0 {
                    self.front = buffers.take_buffer();
                } else if self.start >= COMPACT && self.start >= self.front.len() / 2 {
                    self.front.drain(..self.start);
                    self.start = 0;
                }
                let len = self.front.len() + data.len();
                if len > self.front.capacity() && len > PIECE {
                    // Doubling would take up to twice what it holds.
                    self.front.reserve_exact(len.next_multiple_of(SLACK) - self.front.len());
                }
                self.front.extend_from_slice(data);
            }
            Some(Piece::Copied(last)) if last.len() + data.len() <= PIECE => last.extend_from_slice(data),
            Some(Piece::Shared(_)) => self.push_piece(Piece::Copied(data.to_vec())),
            Some(Piece::Copied(_)) | None => {
                let mut piece = Vec::with_capacity(data.len().max(PIECE));
                piece.extend_from_slice(data);
                self.push_piece(Piece::Copied(piece));
            }
        }
    }

    pub(crate) fn push_shared(&mut self, data: Bytes, buffers: &Buffers) {
        if data.len() < WORTH_SHARING {
            self.push(&data, buffers);
        } else {
            self.len += data.len();
            self.push_piece(Piece::Shared(data));
        }
    }

    fn push_piece(&mut self, piece: Piece) {
        self.rest.get_or_insert_default().push_back(piece);
    }

    /// The first contiguous bytes; empty only if the queue is.
    pub(crate) fn chunk(&self) -> &[u8] {
        if self.start < self.front.len() {
            return &self.front[self.start..];
        }
        match self.rest.as_ref().and_then(|rest| rest.front()) {
            Some(Piece::Copied(piece)) => piece,
            Some(Piece::Shared(piece)) => piece,
            None => &[],
        }
    }

    /// A copy of all bytes.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        let mut all = self.front[self.start..].to_vec();
        for piece in self.rest.iter().flat_map(|rest| rest.iter()) {
            match piece {
                Piece::Copied(piece) => all.extend(piece),
                Piece::Shared(piece) => all.extend(piece),
            }
        }
        all
    }

    /// Removes the first `n` bytes, which lie within the [`chunk`](Self::chunk). Returns shared bytes that are done
    /// with, to be dropped with nothing borrowed: their owner may be user code and panic.
    #[must_use]
    pub(crate) fn advance(&mut self, n: usize, buffers: &Buffers) -> Option<Bytes> {
        debug_assert!(n <= self.chunk().len());
        let mut gone = None;
        self.len -= n;
        if self.start < self.front.len() {
            self.start += n;
            if self.start == self.front.len() {
                buffers.return_buffer(mem::take(&mut self.front));
                self.start = 0;
            }
        } else if let Some(rest) = &mut self.rest
            && let Some(piece) = rest.pop_front()
        {
            match piece {
                Piece::Copied(piece) => {
                    self.front = piece;
                    self.start = 0;
                    self.len += n;
                    return self.advance(n, buffers);
                }
                Piece::Shared(mut piece) => {
                    if n < piece.len() {
                        piece.advance(n);
                        rest.push_front(Piece::Shared(piece));
                    } else {
                        gone = Some(piece);
                    }
                }
            }
        }
        if self.len == 0 {
            self.rest = None;
        }
        gone
    }

    /// Gives back memory that a few left-over bytes do not need, when the destination takes no more.
    pub(crate) fn shrink(&mut self, buffers: &Buffers) {
        let left = self.front.len() - self.start;
        if left > 0 && self.front.capacity() / 4 > left {
            let small = self.front[self.start..].to_vec();
            buffers.return_buffer(mem::replace(&mut self.front, small));
            self.start = 0;
        } else if self.start >= SLACK {
            // For what is written next.
            self.front.drain(..self.start);
            self.start = 0;
        }
    }

    /// Takes everything out until [`take_back`](Self::take_back). It still counts as being here.
    pub(crate) fn lend(&mut self) -> Self {
        let len = self.len;
        let lent = mem::take(self);
        self.len = len;
        lent
    }

    /// Puts lent bytes back before what was written meanwhile.
    pub(crate) fn take_back(&mut self, mut lent: Self, buffers: &Buffers) {
        let mut later = mem::take(self);
        later.len -= lent.len;
        lent.append(later, buffers);
        *self = lent;
    }

    fn append(&mut self, later: Self, buffers: &Buffers) {
        if later.len == 0 {
            buffers.return_buffer(later.front);
            return;
        }
        if self.len == 0 {
            *self = later;
            return;
        }
        self.push(&later.front[later.start..], buffers);
        for piece in later.rest.into_iter().flat_map(|rest| *rest) {
            match piece {
                Piece::Copied(piece) => self.push(&piece, buffers),
                Piece::Shared(piece) => self.push_shared(piece, buffers),
            }
        }
        buffers.return_buffer(later.front);
    }

    /// Removes everything and returns it, to be dropped with nothing borrowed, as [`advance`](Self::advance) does.
    #[must_use]
    pub(crate) fn clear(&mut self, buffers: &Buffers) -> Self {
        buffers.return_buffer(mem::take(&mut self.front));
        mem::take(self)
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
