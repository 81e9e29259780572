//! What a driver reports to the owner of its connection.

use crate::connection::Protocol;
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
    /// Has the protocol hand on no more input, or go on with that. An error is the message of a panic.
    fn set_held(&self, _protocol: &mut dyn Protocol, _held: bool) -> Result<(), String> {
        Ok(())
    }
    /// The state of the protocol for another process; `None` if it cannot go on there. An error is the message of a panic.
    fn save(&self, _protocol: &mut dyn Protocol) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
    fn linger_limits(&self) -> LingerLimits;
}
