//! What a port lets in.

use std::time::Duration;

use crate::hub::connection_budget::share_of;

/// The limits of one port; what they mean the methods of [`ListenOptions`](crate::net::ListenOptions) say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcceptLimits {
    pub(crate) connections: usize,
    /// None where it was not set.
    pub(crate) per_peer: Option<usize>,
    pub(crate) pending: usize,
    /// None where it was not set.
    pub(crate) pending_per_peer: Option<usize>,
    pub(crate) rate: Option<AcceptRate>,
}

impl AcceptLimits {
    /// How many connections of the port one peer may have.
    pub(crate) fn per_peer(&self) -> usize {
        let share = if self.connections < usize::MAX { share_of(self.connections) } else { usize::MAX };
        self.per_peer.unwrap_or(share)
    }

    /// How many of those that are not established.
    pub(crate) fn pending_per_peer(&self) -> usize {
        self.pending_per_peer.unwrap_or_else(|| share_of(self.pending))
    }
}

/// One connection in each interval, and so many at once when none has come for a while.
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
            "nobody is accepted at a rate of {connections_per_second} and a burst of {burst}"
        );
        Self { interval: Duration::from_secs(1) / connections_per_second, burst }
    }
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self { connections: usize::MAX, per_peer: None, pending: 512, pending_per_peer: None, rate: None }
    }
}
