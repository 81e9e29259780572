//! What later folders keep in a reactor.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

/// One value of each type, made when first requested.
#[derive(Default)]
pub(crate) struct Parts(RefCell<Vec<Rc<dyn Part>>>);

pub(crate) trait Part: Any {
    /// The reactor ends: drops user code.
    fn clear(&self);
}

impl Parts {
    pub(crate) fn get<P: Part + Default>(&self) -> Rc<P> {
        let mut parts = self.0.borrow_mut();
        let known = parts.iter().find_map(|part| (Rc::clone(part) as Rc<dyn Any>).downcast().ok());
        known.unwrap_or_else(|| {
            let part = Rc::new(P::default());
            parts.push(Rc::clone(&part) as _);
            part
        })
    }

    pub(crate) fn clear(&self) {
        let parts = self.0.take();
        parts.iter().for_each(|part| part.clear());
    }
}
