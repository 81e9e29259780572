use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reactor::task::LogLimit;
use reactor::{CloseReason, Transport};

use crate::tls::error::TlsError;
use crate::tls::session::Session;

/// What the connections of a factory have in common: which end of TLS they are, and with which settings.
pub(super) struct End {
    /// Begins a session with the settings as they are now.
    pub(super) session: Box<dyn Fn() -> Result<Session, TlsError>>,
    pub(super) handshake_timeout: Duration,
    pub(super) peer: Peer,
}

pub(super) enum Peer {
    /// The name of the server.
    Server(Rc<str>),
    Client(FailedHandshakes),
}

/// The failed handshakes of a server, which are counted, and logged now and then. Clients hear of theirs otherwise.
pub(super) struct FailedHandshakes {
    count: Arc<AtomicU64>,
    limit: LogLimit,
}

impl End {
    /// The name of the peer, if it is a server.
    pub(super) fn server_name(&self) -> Option<&str> {
        match &self.peer {
            Peer::Server(name) => Some(name),
            Peer::Client(_) => None,
        }
    }

    /// Records that a handshake has failed. Monitors that only look whether a port is open are `silent`: that is not worth
    /// a line of the log.
    pub(super) fn note_failed_handshake(&self, transport: &Transport, why: &CloseReason, silent: bool) {
        let Peer::Client(handshakes) = &self.peer else { return };
        let failed = handshakes.count.fetch_add(1, Ordering::Relaxed) + 1;
        if !silent && let Some(left_out) = handshakes.limit.allows(transport.reactor().now()) {
            tracing::warn!(left_out, peer = %transport.peer(), failed, "a TLS handshake failed: {why}");
        }
    }
}

impl FailedHandshakes {
    pub(super) fn counted_in(count: &Arc<AtomicU64>) -> Self {
        Self { count: Arc::clone(count), limit: LogLimit::default() }
    }
}
