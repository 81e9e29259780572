//! The values that layers attach to a connection.

use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

/// What was attached to one connection: nothing to most, one value to nearly all others. It takes little memory.
#[derive(Default)]
pub(crate) struct AttachedValues(Cell<Option<Box<AttachedValue>>>);

struct AttachedValue {
    value: Rc<dyn Any>,
    /// What was attached before.
    older: Option<Box<Self>>,
}

impl AttachedValues {
    pub(super) fn add(&self, value: Rc<dyn Any>) {
        self.0.set(Some(Box::new(AttachedValue { value, older: self.0.take() })));
    }

    pub(super) fn take_all(&self) -> impl Sized {
        self.0.take()
    }

    pub(super) fn newest<T: Any>(&self) -> Option<Rc<T>> {
        let newest = self.0.take();
        let mut next = newest.as_ref();
        let mut found = None;
        while let Some(attached) = next.filter(|_| found.is_none()) {
            found = Rc::clone(&attached.value).downcast().ok();
            next = attached.older.as_ref();
        }
        self.0.set(newest);
        found
    }
}
