//! What the limits of a port count, over all reactors that accept for it.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::hub::connection_budget::Sources;
use crate::port::accept_limits::AcceptRate;
use crate::util::lock::lock;

/// The connections of a port, in all reactors.
#[derive(Default)]
pub(crate) struct PortTally {
    connections: AtomicUsize,
    /// The number of connections of each peer, while the port limits that.
    sources: Mutex<Sources>,
    /// The number of reactors.
    shares: AtomicUsize,
    /// The time at which the bucket of the accept rate is full.
    full_at: Mutex<Option<Instant>>,
}

impl PortTally {
    /// Counts a connection, unless there are `limit` of them already.
    pub(crate) fn add_connection(&self, limit: usize) -> bool {
        let next = |connections| (connections < limit).then_some(connections + 1);
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn remove_connection(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts a connection of this peer, unless there are `limit` of them already.
    pub(crate) fn add_source(&self, source: IpAddr, limit: usize) -> bool {
        let mut sources = lock(&self.sources);
        let has_room = sources.of(source) < limit;
        if has_room {
            sources.add(source);
        }
        has_room
    }

    pub(crate) fn of(&self, source: IpAddr) -> usize {
        lock(&self.sources).of(source)
    }

    pub(crate) fn remove_source(&self, source: IpAddr) {
        lock(&self.sources).remove(source);
    }

    pub(crate) fn set_shares(&self, shares: usize) {
        self.shares.store(shares, Ordering::Relaxed);
    }

    /// One reactor's part of a limit that each of them keeps for itself, rounded up.
    pub(crate) fn share_of(&self, limit: usize) -> usize {
        limit.div_ceil(self.shares.load(Ordering::Relaxed).max(1))
    }

    /// Takes the next token of the accept rate, and returns how long to wait for it.
    pub(crate) fn next_token(&self, rate: &AcceptRate, now: Instant) -> Duration {
        let mut full_at = lock(&self.full_at);
        let next = full_at.map_or(now, |full_at| full_at.max(now)) + rate.interval;
        *full_at = Some(next);
        next.saturating_duration_since(now).saturating_sub(rate.interval * rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::clock::Clock;

    #[test]
    fn a_burst_passes_at_once_and_what_follows_at_its_rate() {
        let (tally, rate, mut now) = (PortTally::default(), AcceptRate::new(10, 3), Clock::manual(0).now());
        let [interval, none] = [Duration::from_millis(100), Duration::ZERO];
        let three = |now| [(); 3].map(|()| tally.next_token(&rate, now));
        assert_eq!(three(now), [none; 3]);
        for _ in 0..5 {
            let delay = tally.next_token(&rate, now);
            assert_eq!(delay, interval);
            now += delay;
        }
        now += 2 * interval;
        assert_eq!(three(now), [none, none, interval]);
        now += Duration::from_secs(3600);
        assert_eq!((three(now), tally.next_token(&rate, now)), ([none; 3], interval));
    }

    #[test]
    fn a_share_is_rounded_up_and_the_whole_without_several_reactors() {
        let tally = PortTally::default();
        let shares = [0, 1, 3].map(|shares| {
            tally.set_shares(shares);
            (tally.share_of(512), tally.share_of(1), tally.share_of(usize::MAX))
        });
        assert_eq!(shares, [(512, 1, usize::MAX), (512, 1, usize::MAX), (171, 1, usize::MAX / 3)]);
    }
}
