//! The tasks of the executor.

use std::cell::RefMut;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::connection::Connection;

/// A connection or a datagram port, as the executor sees it.
pub(crate) trait Runnable {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// Calls the protocol's `connection_made`.
    fn made(&self) {}
    /// For inspection by a test; `None` once it has ended, and for datagrams.
    fn connection(&self) -> Option<RefMut<'_, Connection>> {
        None
    }
}

/// A task for the executor, which need not be boxed a second time.
pub(crate) struct DriverTask(pub(crate) Rc<dyn Runnable>);

impl Future for DriverTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

/// Has a driver polled again when all that are ready have had their turn, and the poller was asked for more of them: one that
/// always has something to do keeps none of them waiting.
pub(crate) fn yield_now(cx: &mut Context<'_>) -> Poll<()> {
    pin!(tokio::task::yield_now()).poll(cx)
}
