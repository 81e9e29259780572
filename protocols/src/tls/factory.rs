use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use reactor::task::LogLimit;
use reactor::{CloseReason, Factory, Protocol, SharedFactory, Transport};

use crate::tls::client::Client;
use crate::tls::error::TlsError;
use crate::tls::secured::Secured;
use crate::tls::server::Server;
use crate::tls::session::Session;

/// Builds connections that TLS secures: made by [`Server::around`], [`Client::around`], and their methods `upgradable`.
pub struct TlsFactory {
    role: Rc<Role>,
    inside: SharedFactory,
    /// Whether connections begin as plain text.
    is_upgradable: bool,
}

/// Which end of TLS this is.
pub(super) enum Role {
    Server(Server, LogLimit),
    /// With the server's name.
    Client(Client, Box<str>),
}

impl TlsFactory {
    pub(super) fn new(role: Role, inside: SharedFactory, is_upgradable: bool) -> Self {
        Self { role: Rc::new(role), inside, is_upgradable }
    }
}

impl Factory for TlsFactory {
    fn start_factory(&mut self) {
        self.inside.start_factory();
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let (role, inside) = (Rc::clone(&self.role), self.inside.clone());
        Some(Box::new(match self.is_upgradable {
            false => Secured::new(transport, role, inside),
            true => Secured::upgradable(transport, role, inside)?,
        }))
    }

    fn stop_factory(&mut self) {
        self.inside.stop_factory();
    }
}

impl Role {
    pub(super) fn session(&self) -> Result<Session, TlsError> {
        match self {
            Self::Server(server, _) => server.session(),
            Self::Client(client, name) => client.session(name),
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        match self {
            Self::Server(server, _) => server.timeout(),
            Self::Client(client, _) => client.timeout(),
        }
    }

    /// The server's name, for a client.
    pub(super) fn server_name(&self) -> Option<&str> {
        match self {
            Self::Server(..) => None,
            Self::Client(_, name) => Some(name),
        }
    }

    /// Counts a handshake that has failed, and logs it now and then. Clients hear of theirs otherwise. Monitors that only
    /// look whether a port is open send nothing, which is not worth a line.
    pub(super) fn note_failed_handshake(&self, transport: &Transport, why: &CloseReason, is_silent: bool) {
        let Self::Server(server, limit) = self else { return };
        let failed = server.note_failed_handshake();
        if !is_silent && let Some(left_out) = limit.allows(transport.reactor().now()) {
            tracing::warn!(left_out, peer = %transport.peer(), failed, "a TLS handshake failed: {why}");
        }
    }
}

impl fmt::Debug for TlsFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TlsFactory");
        match &*self.role {
            Role::Server(server, _) => debug.field("server", server),
            Role::Client(client, name) => debug.field("client", client).field("name", name),
        };
        debug.field("is_upgradable", &self.is_upgradable).finish_non_exhaustive()
    }
}
