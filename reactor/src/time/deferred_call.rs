use std::fmt;
use std::rc::Weak;

use futures_util::future::AbortHandle;

/// A handle of a future given to [`Transport::defer`](crate::Transport::defer) and of the call that follows it.
///
/// Dropping it changes nothing.
#[derive(Clone)]
pub struct DeferredCall {
    abort: AbortHandle,
    /// Lives as long as the future does.
    pending: Weak<()>,
}

impl DeferredCall {
    /// `pending` lives as long as the future does, which `abort` ends.
    pub(crate) fn new(abort: AbortHandle, pending: Weak<()>) -> Self {
        Self { abort, pending }
    }

    /// Cancels the call, and drops the future in the connection's next turn. Returns false if it was already cancelled,
    /// if the future has finished, or if the connection has ended.
    pub fn cancel(&self) -> bool {
        let active = self.is_active();
        self.abort.abort();
        active
    }

    /// Whether the future is still running.
    pub fn is_active(&self) -> bool {
        self.pending.strong_count() > 0 && !self.abort.is_aborted()
    }
}

impl fmt::Debug for DeferredCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredCall").field("active", &self.is_active()).finish()
    }
}
