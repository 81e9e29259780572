use std::time::Duration;

use crate::hub::connection_budget::share_of;

/// The limits on what a port accepts. The options of ports take it by a method `limits`.
///
/// Clients of a UNIX socket have no addresses: the limits per peer do not apply to them.
///
/// ```
/// use reactor::net::ListenOptions;
/// use reactor::port::AcceptLimits;
///
/// let limits = AcceptLimits::new().connections(10_000).per_peer(100);
/// let options = ListenOptions::new("127.0.0.1:8007").limits(limits);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct AcceptLimits {
    pub(crate) connections: usize,
    /// `None` if it was not set.
    pub(crate) per_peer: Option<usize>,
    pub(crate) pending: usize,
    /// `None` if it was not set.
    pub(crate) pending_per_peer: Option<usize>,
    pub(crate) rate: Option<AcceptRate>,
}

impl AcceptLimits {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The maximum number of live connections of this port; further ones are closed as soon as they are accepted (no
    /// limit).
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// The maximum number of connections that one peer may have with this port at a time (half of
    /// [`connections`](Self::connections), and half of the reactor's
    /// [budget](crate::Reactor::connection_budget) over all ports). A peer is an IPv4 address, or an IPv6 network of 64
    /// bits, because one host may have all of its addresses: see [`Address::network`](crate::Address::network). Further
    /// connections are closed as soon as they are accepted. Behind a proxy all clients are one peer: set `usize::MAX`
    /// there.
    pub fn per_peer(mut self, connections: usize) -> Self {
        self.per_peer = Some(connections);
        self
    }

    /// The maximum number of accepted connections that are not yet established, because a layer around the protocol
    /// waits for a header or a handshake (512). When one more comes, the oldest of the peer that has most of them gives
    /// way; the same happens when the port or the reactor has no room for another connection. So clients that open many
    /// connections and send nothing only keep themselves out. Without such a layer, a connection is established when it
    /// is accepted. See [`Transport::mark_pending`](crate::Transport::mark_pending).
    pub fn pending(mut self, connections: usize) -> Self {
        self.pending = connections;
        self
    }

    /// How many of these one peer may have (half of [`pending`](Self::pending)). When one more comes, the
    /// peer's own oldest gives way.
    pub fn pending_per_peer(mut self, connections: usize) -> Self {
        self.pending_per_peer = Some(connections);
        self
    }

    /// How many connections are accepted per second, and how many at once after a quiet time (no limit). Further
    /// clients are not refused: they wait in the system's backlog until they are accepted.
    /// [`Port::accept_wait_count`](crate::Port::accept_wait_count) counts the waits.
    ///
    /// # Panics
    ///
    /// If either number is zero.
    #[track_caller]
    pub fn rate(mut self, connections_per_second: u32, burst: u32) -> Self {
        self.rate = Some(AcceptRate::new(connections_per_second, burst));
        self
    }

    /// The maximum number of the port's connections that one peer may have.
    pub(crate) fn share_of_a_peer(&self) -> usize {
        let share = if self.connections < usize::MAX { share_of(self.connections) } else { usize::MAX };
        self.per_peer.unwrap_or(share)
    }

    /// The maximum number of unestablished connections that one peer may have.
    pub(crate) fn pending_share_of_a_peer(&self) -> usize {
        self.pending_per_peer.unwrap_or_else(|| share_of(self.pending))
    }
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self { connections: usize::MAX, per_peer: None, pending: 512, pending_per_peer: None, rate: None }
    }
}

/// One connection in each interval, and up to `burst` at once after a quiet time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcceptRate {
    pub(crate) interval: Duration,
    pub(crate) burst: u32,
}

impl AcceptRate {
    #[track_caller]
    pub(crate) fn new(connections_per_second: u32, burst: u32) -> Self {
        assert!(
            connections_per_second > 0 && burst > 0,
            "an accept rate of {connections_per_second} and a burst of {burst}: both must be at least 1"
        );
        Self { interval: Duration::from_secs(1) / connections_per_second, burst }
    }
}
