//! What a driver reports to the owner of its connection.

use crate::driver::linger::LingerLimits;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;

/// The owner of a connection, which hears of its end: a port or a connector.
pub(crate) trait Keeper {
    /// The protocol of this connection is about to be built.
    fn connection_begins(&self, _transport: &Transport) {}
    /// The connection has ended, and its protocol is gone.
    fn connection_ends(&self, _transport: &Transport) {}
    fn connection_lost(&self, reason: &CloseReason);
    fn linger_limits(&self) -> LingerLimits;
}
