use std::net::SocketAddr;
use std::time::Duration;

use crate::address::target::{Target, ToTarget};
use crate::net::connection_options::ConnectionOptions;

/// Where and how to connect. With the defaults, a text such as `"host:port"`, a `("host", port)` or a [`SocketAddr`] is
/// enough: see [`ToTarget`].
///
/// ```
/// use std::time::Duration;
/// use reactor::net::ConnectOptions;
///
/// let options = ConnectOptions::new("localhost:21567").deadline(Some(Duration::from_secs(5)));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ConnectOptions {
    pub(crate) target: Target,
    pub(crate) deadline: Option<Duration>,
    pub(crate) local_address: Option<SocketAddr>,
    pub(crate) connection: ConnectionOptions,
}

impl ConnectOptions {
    /// The defaults for this target.
    pub fn new(target: impl ToTarget) -> Self {
        Self {
            target: target.to_target(),
            deadline: Some(Duration::from_secs(30)),
            local_address: None,
            connection: ConnectionOptions::default(),
        }
    }

    /// The time limit of an attempt (30 s), for resolving the name, connecting, and the handshakes of
    /// [layers](crate::Transport::mark_pending) together; `None`: as long as the system and the layers allow.
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The local address to connect from (the system's choice by default). Addresses of the other family are not tried.
    pub fn local_address(mut self, address: SocketAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// What holds for the connection.
    pub fn connection(mut self, options: ConnectionOptions) -> Self {
        self.connection = options;
        self
    }
}

impl<T: ToTarget> From<T> for ConnectOptions {
    fn from(target: T) -> Self {
        Self::new(target)
    }
}
