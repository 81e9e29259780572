use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use reactor::Reactor;

/// The times at which something happened, in milliseconds since the beginning.
#[derive(Clone, Default)]
pub(crate) struct Times(Rc<RefCell<Vec<u64>>>);

impl Times {
    pub(crate) fn note(&self, since: Instant, reactor: &Reactor) {
        self.0.borrow_mut().push((reactor.now() - since).as_millis() as u64);
    }

    pub(crate) fn take(&self) -> Vec<u64> {
        self.0.take()
    }
}
