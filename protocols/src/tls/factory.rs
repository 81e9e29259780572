use std::fmt;
use std::rc::Rc;

use reactor::{Factory, Protocol, SharedFactory, Transport};

use crate::tls::end::End;
use crate::tls::secured::Secured;

/// Builds connections that TLS secures. Made by [`Server::around`](crate::tls::Server::around),
/// [`Client::around`](crate::tls::Client::around), and their methods `upgradable`.
pub struct TlsFactory {
    end: Rc<End>,
    inside: SharedFactory,
    /// Whether connections begin as plain text.
    is_upgradable: bool,
}

impl TlsFactory {
    pub(super) fn new(end: End, inside: SharedFactory, is_upgradable: bool) -> Self {
        Self { end: Rc::new(end), inside, is_upgradable }
    }
}

impl Factory for TlsFactory {
    fn start_factory(&mut self) {
        self.inside.start_factory();
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let (end, inside) = (Rc::clone(&self.end), self.inside.clone());
        Some(Box::new(match self.is_upgradable {
            false => Secured::new(transport, end, inside),
            true => Secured::upgradable(transport, end, inside)?,
        }))
    }

    fn stop_factory(&mut self) {
        self.inside.stop_factory();
    }
}

impl fmt::Debug for TlsFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFactory")
            .field("server_name", &self.end.server_name())
            .field("is_upgradable", &self.is_upgradable)
            .finish_non_exhaustive()
    }
}
