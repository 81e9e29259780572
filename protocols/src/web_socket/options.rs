use std::time::Duration;

use reactor::SharedFactory;

/// What all connections of a factory share.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) inside: SharedFactory,
    /// What to ask a server for; none for a server.
    pub(super) url: Option<String>,
    pub(super) otherwise: Option<SharedFactory>,
    pub(super) path: Option<String>,
    pub(super) origins: Vec<String>,
    pub(super) any_origin: bool,
    pub(super) subprotocols: Vec<String>,
    pub(super) text: bool,
    pub(super) max_message: usize,
}

/// How long a request may take, and how long the peer may take to close when this side has.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
