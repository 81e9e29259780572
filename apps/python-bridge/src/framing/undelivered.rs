//! What a receiver in Python has received, and its handlers have not.

use std::cell::{Cell, RefCell, RefMut};

use pyo3::PyResult;

/// The bytes that wait, and whether they may be delivered.
#[derive(Default)]
pub(crate) struct Undelivered {
    buffer: RefCell<Buffer>,
    pub(crate) paused: Cell<bool>,
    is_busy: Cell<bool>,
}

impl Undelivered {
    pub(crate) fn buffer(&self) -> RefMut<'_, Buffer> {
        self.buffer.borrow_mut()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.borrow().rest().is_empty()
    }

    /// Adds what came, and has it delivered; by the call that is at it already, if a handler of that has caused this one.
    pub(crate) fn receive<T: Default>(&self, data: &[u8], deliver: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
        self.buffer().bytes.extend_from_slice(data);
        if self.is_busy.replace(true) {
            return Ok(T::default());
        }
        let delivered = deliver();
        self.is_busy.set(false);
        delivered
    }
}

#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    /// Where what was not delivered begins.
    start: usize,
    /// How much of that does not hold the delimiter of lines.
    searched: usize,
    delimiter: Vec<u8>,
}

impl Buffer {
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.compact();
        std::mem::take(self).bytes
    }

    pub(crate) fn replace(&mut self, bytes: Vec<u8>) {
        *self = Self { bytes, ..Self::default() };
    }

    /// How much was searched for this delimiter before.
    pub(crate) fn searched(&self, delimiter: &[u8]) -> usize {
        if self.delimiter == delimiter { self.searched } else { 0 }
    }

    /// Everything was searched for this delimiter.
    pub(crate) fn set_searched(&mut self, delimiter: &[u8]) {
        self.searched = self.rest().len();
        if self.delimiter != delimiter {
            self.delimiter = delimiter.to_vec();
        }
    }

    pub(crate) fn skip(&mut self, len: usize) {
        self.start += len;
        self.searched = 0;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Moves what waits for its end to the front.
    pub(crate) fn compact(&mut self) {
        self.bytes.drain(..self.start);
        self.start = 0;
    }
}
