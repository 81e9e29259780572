use std::net::SocketAddr;
use std::time::Duration;

use crate::address::target::{Target, ToTarget};
use crate::driver::linger::LingerLimits;
use crate::net::connection_options::{ConnectionOptions, KeepAliveProbes};

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
    pub(crate) socket: ConnectionOptions,
}

impl ConnectOptions {
    /// The defaults for this target.
    pub fn new(target: impl ToTarget) -> Self {
        Self {
            target: target.to_target(),
            deadline: Some(Duration::from_secs(30)),
            local_address: None,
            socket: ConnectionOptions::default(),
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

    /// As [`ListenOptions::no_delay`](crate::net::ListenOptions::no_delay).
    pub fn no_delay(mut self, on: bool) -> Self {
        self.socket.no_delay = on;
        self
    }

    /// As [`ListenOptions::keep_alive`](crate::net::ListenOptions::keep_alive).
    pub fn keep_alive(mut self, idle: Option<Duration>) -> Self {
        self.socket.keep_alive = idle;
        self
    }

    /// As [`ListenOptions::keep_alive_probes`](crate::net::ListenOptions::keep_alive_probes).
    pub fn keep_alive_probes(mut self, interval: Duration, count: u32) -> Self {
        self.socket.probes = KeepAliveProbes { interval: Some(interval), count };
        self
    }

    /// As [`ListenOptions::user_timeout`](crate::net::ListenOptions::user_timeout).
    pub fn user_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.socket.user_timeout = timeout;
        self
    }

    /// As [`ListenOptions::output_limit`](crate::net::ListenOptions::output_limit).
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.socket.output_limit = bytes;
        self
    }

    /// As [`ListenOptions::linger`](crate::net::ListenOptions::linger).
    pub fn linger(mut self, idle: Duration, total: Duration) -> Self {
        self.socket.linger = LingerLimits { idle, total };
        self
    }
}

impl<T: ToTarget> From<T> for ConnectOptions {
    fn from(target: T) -> Self {
        Self::new(target)
    }
}
