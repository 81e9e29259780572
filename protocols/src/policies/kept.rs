//! A writer for tests.

use std::cell::{Cell, RefCell};
use std::io;
use std::io::Write;
use std::rc::Rc;

/// Keeps the written bytes; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Kept(Rc<Inner>);

#[derive(Default)]
struct Inner {
    bytes: RefCell<Vec<u8>>,
    calls: Cell<usize>,
    /// If set, every other call fails after this many.
    good_calls: Option<usize>,
}

impl Kept {
    pub(crate) fn failing_after(calls: usize) -> Self {
        Self(Rc::new(Inner { good_calls: Some(calls), ..Inner::default() }))
    }

    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.bytes.take()
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.calls.get()
    }
}

impl Write for Kept {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.calls.set(self.calls() + 1);
        if self.0.good_calls.is_some_and(|calls| self.calls() > calls) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.bytes.borrow_mut().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
