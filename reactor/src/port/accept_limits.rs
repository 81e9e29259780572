//! The limits on what a port accepts.

use std::time::Duration;

use crate::hub::connection_budget::share_of;

/// The limits of one port, as described at the methods of [`ListenOptions`](crate::net::ListenOptions).
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcceptLimits {
    pub(crate) connections: usize,
    /// `None` if it was not set.
    pub(crate) per_peer: Option<usize>,
    pub(crate) pending: usize,
    /// `None` if it was not set.
    pub(crate) pending_per_peer: Option<usize>,
    pub(crate) rate: Option<AcceptRate>,
}

impl AcceptLimits {
    /// The maximum number of the port's connections that one peer may have.
    pub(crate) fn per_peer(&self) -> usize {
        let share = if self.connections < usize::MAX { share_of(self.connections) } else { usize::MAX };
        self.per_peer.unwrap_or(share)
    }

    /// The maximum number of unestablished connections that one peer may have.
    pub(crate) fn pending_per_peer(&self) -> usize {
        self.pending_per_peer.unwrap_or_else(|| share_of(self.pending))
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

impl Default for AcceptLimits {
    fn default() -> Self {
        Self { connections: usize::MAX, per_peer: None, pending: 512, pending_per_peer: None, rate: None }
    }
}
