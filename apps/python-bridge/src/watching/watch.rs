use std::cell::RefCell;
use std::os::fd::OwnedFd;

use pyo3::prelude::*;
use reactor::io::{Interest, Ready, Watch};

use crate::running::on_behalf_of;

/// A descriptor that is watched for one of Twisted's selectables.
#[pyclass(module = "reactor_bridge._native", unsendable, frozen)]
pub(crate) struct NativeWatch(RefCell<Option<Watch>>);

impl NativeWatch {
    pub(crate) fn new(watch: Watch) -> Self {
        Self(RefCell::new(Some(watch)))
    }
}

#[pymethods]
impl NativeWatch {
    fn set_interest(&self, readable: bool, writable: bool) {
        if let Some(watch) = &*self.0.borrow() {
            watch.set_interest(Interest { readable, writable });
        }
    }

    fn stop(&self) {
        let watch = self.0.take();
        drop(watch);
    }
}

/// What is called with the selectable, and poll's events.
pub(crate) fn callback(function: Py<PyAny>, selectable: Py<PyAny>) -> impl FnMut(&mut OwnedFd, Ready) + 'static {
    move |_, ready| {
        on_behalf_of(&selectable, |py| function.call1(py, (&selectable, events(&ready))).map(drop));
    }
}

fn events(ready: &Ready) -> u32 {
    // As with poll, what is hung up can be read: the end.
    [(ready.is_readable(), IN), (ready.is_writable(), OUT), (ready.is_hung_up(), HUP), (ready.is_error(), ERR)]
        .into_iter()
        .filter_map(|(is, event)| is.then_some(event))
        .sum()
}

/// The events of poll(2), which are epoll's, too.
const IN: u32 = 1;
const OUT: u32 = 4;
const ERR: u32 = 8;
const HUP: u32 = 16;
