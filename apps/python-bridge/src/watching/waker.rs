use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use reactor::threads::RemoteReactor;

use crate::running::call_python;

/// Has the loop's thread call a function, from any thread and from the handlers of signals. Calls that come before it is
/// made are one.
#[pyclass(module = "reactor_bridge._native", frozen)]
pub(crate) struct Waker {
    remote: RemoteReactor,
    function: Py<PyAny>,
    is_awake: Arc<AtomicBool>,
}

impl Waker {
    pub(crate) fn new(remote: RemoteReactor, function: Py<PyAny>) -> Self {
        Self { remote, function, is_awake: Arc::default() }
    }
}

#[pymethods]
impl Waker {
    fn wake(&self, py: Python<'_>) {
        if self.is_awake.swap(true, Ordering::SeqCst) {
            return;
        }
        let (function, is_awake) = (self.function.clone_ref(py), Arc::clone(&self.is_awake));
        // A reactor that has ended wakes no more.
        let _ = self.remote.call_from_thread(move |_| {
            is_awake.store(false, Ordering::SeqCst);
            call_python(|py| function.call0(py).map(drop));
        });
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)
    }
}
