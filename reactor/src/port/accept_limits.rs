//! What a port lets in.

use std::time::Duration;

/// The limits of one port; what they mean the methods of [`ListenOptions`](crate::net::ListenOptions) say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcceptLimits {
    pub(crate) connections: usize,
    pub(crate) per_peer: usize,
    pub(crate) pending: usize,
    pub(crate) rate: Option<AcceptRate>,
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
        Self { connections: usize::MAX, per_peer: usize::MAX, pending: 512, rate: None }
    }
}
