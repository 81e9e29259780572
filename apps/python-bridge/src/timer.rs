use std::time::Duration;

use pyo3::prelude::*;
use reactor::DelayedCall;

/// A call that is due later.
#[pyclass(module = "reactor_bridge._native", unsendable, frozen)]
pub(crate) struct Timer(pub(crate) DelayedCall);

#[pymethods]
impl Timer {
    fn cancel(&self) {
        self.0.cancel();
    }

    /// Makes it due `delay` seconds from now.
    fn reset(&self, delay: f64) {
        self.0.reset(seconds(delay));
    }
}

/// A duration of Python's. A negative one, or no number, counts as zero, and one that is too long as very long.
pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(VERY_LONG)
}

/// Ten years; what is added to the time must not overflow.
const VERY_LONG: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
