use std::rc::Rc;
use std::time::Duration;

use ipnet::IpNet;
use reactor::{Address, SharedFactory};

use crate::proxy_header::refused::Refusals;

/// Shared by all connections of a factory.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) inside: SharedFactory,
    /// `None` for the addresses of this machine's loopback.
    pub(super) trusted: Option<Vec<IpNet>>,
    pub(super) deadline: Duration,
    pub(super) refusals: Rc<Refusals>,
}

impl Options {
    /// Whether a header from this source is read.
    pub(super) fn trusts(&self, source: &Address) -> bool {
        source.socket_addr().map(|source| source.ip().to_canonical()).is_none_or(|source| match &self.trusted {
            Some(networks) => networks.iter().any(|network| network.contains(&source)),
            None => source.is_loopback(),
        })
    }
}
