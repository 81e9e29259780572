use std::fmt;

use crate::port::Port;
use crate::transport::Transport;

/// A connection that is accepted but not established: whoever holds this, from [`Transport::mark_pending`], has still
/// to hear from the peer before there is a protocol to build. Dropping it says that the connection is established, or
/// over.
#[must_use = "dropped, it says that the connection is established"]
pub struct Pending(Option<Port>);

impl Transport {
    /// For layers that build what is inside them only behind a header or a handshake: counts the connection as not yet
    /// established until the value is dropped, so that its port takes only
    /// [so many](crate::net::ListenOptions::max_pending) of them at a time. A connection that no port has accepted is not
    /// counted.
    ///
    /// A layer asks for it when it is built, and keeps it where it keeps what has come of the header:
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
        let port = self.0.root().accepted_by.get().cloned();
        if let Some(port) = &port {
            port.add_pending();
        }
        Pending(port)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(port) = &self.0 {
            port.remove_pending();
        }
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("port", &self.0).finish()
    }
}
