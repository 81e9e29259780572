//! What the executor runs.

use std::cell::RefMut;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::connection::Connection;

/// A connection, or a port for datagrams, as the executor sees it.
pub(crate) trait Runnable {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()>;
    /// Tells the protocol that the connection is made.
    fn made(&self) {}
    /// For a test to look at; `None` once it has ended, and for datagrams.
    fn connection(&self) -> Option<RefMut<'_, Connection>> {
        None
    }
}

/// A task for the executor. It need not box what it is made of a second time.
pub(crate) struct DriverTask(pub(crate) Rc<dyn Runnable>);

impl Future for DriverTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}
