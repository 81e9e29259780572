//! What a loop that runs shares with the callbacks that it makes on its thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;

thread_local! {
    /// The loop that runs on this thread.
    static RUNNING: RefCell<Option<Rc<Running>>> = const { RefCell::new(None) };
    /// The object whose callback runs.
    static CURRENT: RefCell<Option<Py<PyAny>>> = const { RefCell::new(None) };
}

/// Tells a loop to return.
#[derive(Default)]
pub(crate) struct Running {
    asked: Cell<bool>,
    /// Whether Python was called since the loop was entered.
    called: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    /// What Python's half has let through, such as `KeyboardInterrupt`.
    error: RefCell<Option<PyErr>>,
}

impl Running {
    /// Makes this the loop of the thread until the result is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Entered {
        self.called.set(false);
        Entered(RUNNING.replace(Some(Rc::clone(self))))
    }

    pub(crate) fn interrupt(&self) {
        self.asked.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn was_called(&self) -> bool {
        self.called.get()
    }

    /// Resolves when the loop is to return.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.waker.replace(Some(cx.waker().clone()));
        if self.asked.take() { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(crate) fn take_error(&self) -> Option<PyErr> {
        self.error.take()
    }
}

/// Restores the loop around this one, if there is one, when it is dropped.
pub(crate) struct Entered(Option<Rc<Running>>);

impl Drop for Entered {
    fn drop(&mut self) {
        RUNNING.set(self.0.take());
    }
}

/// Calls Python on behalf of `object`, which logs are then about. What the call lets through leaves the loop, and `None` is
/// the answer.
pub(crate) fn on_behalf_of<T>(object: &Py<PyAny>, call: impl FnOnce(Python<'_>) -> PyResult<T>) -> Option<T> {
    Python::attach(|py| {
        let before = CURRENT.replace(Some(object.clone_ref(py)));
        let called = call(py);
        let current = CURRENT.replace(before);
        drop(current);
        note(py, called)
    })
}

/// Calls Python on behalf of nobody.
pub(crate) fn call_python(call: impl FnOnce(Python<'_>) -> PyResult<()>) {
    Python::attach(|py| note(py, call(py)));
}

fn note<T>(py: Python<'_>, called: PyResult<T>) -> Option<T> {
    RUNNING.with_borrow(|running| {
        if let Some(running) = running {
            running.called.set(true);
        }
        match (running, called) {
            (_, Ok(answer)) => return Some(answer),
            (Some(running), Err(error)) => {
                running.error.replace(Some(error));
                running.interrupt();
            }
            (None, Err(error)) => error.write_unraisable(py, None),
        }
        None
    })
}

/// The object whose callback the reactor is making, for the context of logs.
#[pyfunction]
pub(crate) fn current(py: Python<'_>) -> Option<Py<PyAny>> {
    CURRENT.with_borrow(|current| current.as_ref().map(|current| current.clone_ref(py)))
}
