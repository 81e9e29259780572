//! The buffers that a reactor lends to its connections.

use std::cell::Cell;
use std::rc::Rc;

/// Memory that outlives each use: it is lent to one connection in one turn, and to another in the next.
pub(crate) struct Buffers {
    read: ReadBuffer,
    /// Made with the first batch of datagrams. The system only provides the pages that are written to.
    batch: Cell<Option<Box<[u8]>>>,
    scratch: Cell<String>,
    run: Cell<Vec<u8>>,
}

impl Buffers {
    pub(crate) fn new(read: ReadBuffer) -> Self {
        Self { read, batch: Cell::default(), scratch: Cell::default(), run: Cell::default() }
    }

    /// The read buffer, until it is [put back](Self::put_back_read_buffer). It is not borrowed, because user code runs meanwhile.
    #[inline]
    pub(crate) fn take_read_buffer(&self) -> Box<[u8]> {
        take(&self.read, READ_BUFFER)
    }

    #[inline]
    pub(crate) fn put_back_read_buffer(&self, buffer: Box<[u8]>) {
        self.read.set(Some(buffer));
    }

    /// Lends the read buffer.
    pub(crate) fn with_read_buffer<R>(&self, read: impl FnOnce(&mut [u8]) -> R) -> R {
        lend(&self.read, READ_BUFFER, read)
    }

    /// Lends the buffer for a batch of datagrams in the same way: [`BATCH`] slots of [`READ_BUFFER`] bytes.
    pub(crate) fn with_batch_buffer<R>(&self, read: impl FnOnce(&mut [u8]) -> R) -> R {
        lend(&self.batch, BATCH * READ_BUFFER, read)
    }

    /// Lends an empty string to format into.
    pub(crate) fn with_scratch<R>(&self, write: impl FnOnce(&mut String) -> R) -> R {
        let mut scratch = self.scratch.take();
        let result = write(&mut scratch);
        if scratch.capacity() <= LARGEST_SPARE {
            scratch.clear();
            self.scratch.set(scratch);
        }
        result
    }

    /// An empty buffer for datagrams that are sent together.
    pub(crate) fn take_run(&self) -> Vec<u8> {
        self.run.take()
    }

    pub(crate) fn return_run(&self, mut run: Vec<u8>) {
        run.clear();
        self.run.set(run);
    }
}

#[inline]
fn take(place: &Cell<Option<Box<[u8]>>>, len: usize) -> Box<[u8]> {
    place.take().unwrap_or_else(|| vec![0; len].into())
}

fn lend<R>(place: &Cell<Option<Box<[u8]>>>, len: usize, read: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = take(place, len);
    let result = read(&mut buffer);
    place.set(Some(buffer));
    result
}

/// The buffer for reads, made with the first of them. The hosts of a simulation share one.
pub(crate) type ReadBuffer = Rc<Cell<Option<Box<[u8]>>>>;

/// The maximum size of one read, as in Twisted; every UDP datagram is shorter.
pub(crate) const READ_BUFFER: usize = 64 * 1024;

/// The maximum number of datagrams received at once.
pub(crate) const BATCH: usize = 16;

/// The largest string that is kept to format into.
const LARGEST_SPARE: usize = 128 * 1024;
