use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use crate::port::Port;

use crate::transport::Transport;

/// Marks a connection as not yet established, from [`Transport::mark_pending`]: its layer still waits for input before
/// it can build a protocol. Drop it when the connection is established, with the protocol inside built, or has ended.
/// If the connection is closing or has failed when this is dropped, it was never established.
#[must_use = "dropping it marks the connection as established"]
pub struct Pending(Transport);

impl Transport {
    /// For layers that build what is inside them only after a header or a handshake: the connection counts as not yet
    /// established until the returned value is dropped.
    ///
    /// The port that has accepted it [limits](crate::port::AcceptLimits::pending) the number of such connections,
    /// and may end this one to make room for others. A client's attempt to connect goes on: its deadline applies, and if
    /// the connection ends, the attempt has failed, for the reason that it ended with. A
    /// [`Connector`](crate::Connector), a [`ClientService`](crate::service::ClientService) and the
    /// [endpoints](crate::endpoint) have their connection when it is established.
    ///
    /// A layer calls it when it is built, and keeps the value until the header is complete:
    ///
    /// ```
    /// use reactor::{Factory, Transport};
    /// use reactor::layer::Nested;
    /// use reactor::port::Pending;
    ///
    /// enum Stage {
    ///     Header(Vec<u8>, Pending),
    ///     Open(Nested),
    /// }
    ///
    /// # struct Layer { outer: Transport, stage: Stage, inside: Box<dyn Factory> }
    /// impl Layer {
    ///     fn new(outer: Transport, inside: Box<dyn Factory>) -> Self {
    ///         let stage = Stage::Header(Vec::new(), outer.mark_pending());
    ///         Self { outer, stage, inside }
    ///     }
    ///
    ///     fn header_is_complete(&mut self) {
    ///         match Nested::build(&self.outer, &mut *self.inside) {
    ///             Some(nested) => self.stage = Stage::Open(nested),
    ///             None => self.outer.lose_connection(),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn mark_pending(&self) -> Pending {
        let root = self.0.outermost();
        self.0.begin_pending();
        if let Some(intake) = root.accepted_by() {
            intake.add_pending(root.peer().source(), root.id, Rc::downgrade(root) as _);
        }
        Pending(self.clone())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let state = &self.0.0;
        let root = state.root();
        if let Some(intake) = root.accepted_by() {
            intake.remove_pending(root.peer().source(), root.id);
        }
        state.end_pending();
    }
}

impl Port {
    /// Ends the oldest unestablished connection of this peer, or else of the peer that has most of them, if there is
    /// one.
    pub(crate) fn displace_pending(&self, of: Option<IpAddr>) -> bool {
        self.intake().displace_pending(of)
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.0).finish()
    }
}
