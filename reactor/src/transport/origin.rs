//! Where a connection comes from.

use std::cell::OnceCell;
use std::rc::Rc;

use crate::address::Address;
use crate::hub::intake::Intake;

/// The ends of a connection, and the port between them.
pub(super) struct Origin {
    pub(super) host: Address,
    pub(super) peer: Address,
    /// Unset for outgoing and for nested connections.
    pub(super) accepted_by: OnceCell<Rc<Intake>>,
}

impl Origin {
    pub(super) fn new(host: Address, peer: Address) -> Box<Self> {
        Box::new(Self { host, peer, accepted_by: OnceCell::new() })
    }
}
