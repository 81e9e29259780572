use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use crate::port::Port;

use crate::transport::Transport;
use crate::transport::intake::Intake;

/// Marks a connection as accepted but not established, from [`Transport::mark_pending`]: its layer still waits for
/// input before it can build a protocol. Drop it when the connection is established or has ended.
#[must_use = "dropping it marks the connection as established"]
pub struct Pending(Option<(Rc<Intake>, Option<IpAddr>, u64)>);

impl Transport {
    /// For layers that build what is inside them only after a header or a handshake: the connection counts as not yet
    /// established until the returned value is dropped. Its port [limits](crate::net::ListenOptions::max_pending) the
    /// number of such connections, and may end this one to make room for others. A connection that no port has accepted
    /// is not counted.
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
        let Some(intake) = root.accepted_by.get().cloned() else { return Pending(None) };
        let source = root.peer().source();
        intake.add_pending(source, root.id, Rc::downgrade(root) as _);
        Pending(Some((intake, source, root.id)))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some((intake, source, id)) = self.0.take() {
            intake.remove_pending(source, id);
        }
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
        f.debug_struct("Pending").field("counted", &self.0.is_some()).finish()
    }
}
