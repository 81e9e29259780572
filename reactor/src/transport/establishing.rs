//! Connections that are not established yet, and what is inside layers.

use std::future::Future;
use std::iter::successors;
use std::mem;
use std::rc::Rc;

use futures_channel::oneshot;

use crate::transport::Transport;
use crate::transport::state::State;

impl Transport {
    /// Whether a layer still waits for a header or a handshake. If the connection ended meanwhile, it stays so.
    pub(crate) fn is_pending(&self) -> bool {
        self.0.root().pending.get() > 0
    }

    /// Resolves with true once no layer waits any more, or with false if the connection has ended before that.
    pub(crate) fn established(&self) -> impl Future<Output = bool> + 'static + use<> {
        let root = self.0.root();
        let (tell, told) = oneshot::channel();
        let is_pending = self.is_pending();
        if is_pending && !root.has_ended() {
            root.with_cold(|cold| cold.establishing.push(tell));
        }
        async move { !is_pending || told.await.is_ok() }
    }

    /// The transport of the protocol inside all layers: this one, if there are none. What it [writes](Self::write) is written
    /// inside them.
    pub fn innermost(&self) -> Self {
        self.layers().last().unwrap_or_else(|| self.clone())
    }

    /// This transport and those inside it, inwards.
    pub(crate) fn layers(&self) -> impl Iterator<Item = Self> + use<> {
        successors(Some(self.clone()), |transport| transport.0.inside().map(Self))
    }
}

impl State {
    /// A layer of this connection begins to wait for its header or handshake.
    pub(crate) fn begin_pending(&self) {
        let root = self.root();
        root.pending.set(root.pending.get() + 1);
    }

    /// The layer waits no more. If the connection is about to end, it was not established.
    pub(crate) fn end_pending(&self) {
        if !self.is_open_throughout() {
            return;
        }
        let root = self.root();
        root.pending.set(root.pending.get() - 1);
        if root.pending.get() == 0 {
            let waiting = root.cold_mut().map(|mut cold| mem::take(&mut cold.establishing));
            for tell in waiting.into_iter().flatten() {
                // The receiver may have been dropped.
                let _ = tell.send(());
            }
        }
    }

    /// Whether neither this connection nor one around it is closing, or has failed or ended.
    fn is_open_throughout(&self) -> bool {
        self.is_open() && self.outer().is_none_or(|outer| outer.is_open_throughout())
    }

    /// Records the connection inside this one, which is a layer.
    pub(crate) fn set_inside(self: &Rc<Self>) {
        if let Some(outer) = self.outer() {
            outer.inside.set(Some(Rc::downgrade(self)));
        }
    }

    fn inside(&self) -> Option<Rc<Self>> {
        let inside = self.inside.take()?;
        let upgraded = inside.upgrade();
        self.inside.set(Some(inside));
        upgraded
    }
}
