use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a program serves, from [`Runner::readiness`](crate::service::Runner::readiness). Cheap to clone, for a
/// health check on any thread.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// True from when all services have started until a stop begins: it turns false before any port closes.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }
}
