//! What a transport knows of the loop that moves its bytes.

use std::io;
use std::os::fd::OwnedFd;

use crate::transport::traffic::sums::Traffic;

/// What moves a connection's bytes.
pub(crate) trait Pump {
    /// Has the connection checked again soon.
    fn wake(&self);
    /// Makes the calls that are due, now.
    fn turn(&self);
    /// What has passed, if it is bytes.
    fn traffic(&self) -> Option<&Traffic> {
        None
    }
    /// Another descriptor of the socket, if it is one.
    fn socket(&self) -> Option<io::Result<OwnedFd>> {
        None
    }
    /// Has the protocol hand on no more input, since another process is to go on with the connection, or go on with that.
    fn set_held(&self, _held: bool) {}
    /// Lets nothing happen to the connection until [`go`](Self::go) or [`release`](Self::release), and returns what another
    /// process needs to go on with it; `None` if none can at this moment.
    fn rest(&self) -> Option<AtRest> {
        None
    }
    /// The same for a connection that has come from another process, which may still keep it.
    fn begin_at_rest(&self) {}
    /// Goes on after a rest.
    fn go(&self) {}
    /// Ends a connection at rest without its peer noticing: it goes on in another process. Returns what was written since the
    /// rest began.
    fn release(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// What another process needs to go on with a connection.
pub(crate) struct AtRest {
    pub(crate) socket: OwnedFd,
    pub(crate) state: Vec<u8>,
    pub(crate) unsent: Vec<u8>,
}
