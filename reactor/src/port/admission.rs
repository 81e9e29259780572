//! Whether a port lets its next client in.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::hub::Hub;
use crate::hub::connection_budget::ConnectionBudget;
use crate::port::Port;
use crate::port::accept_limits::{AcceptLimits, AcceptRate};
use crate::port::refusals::Refusal;
use crate::time::timers::Timers;
use crate::util::log_limit::LogLimit;

/// The limits of a port, what counts for them, and the log of what they have led to.
pub(crate) struct Admission {
    port: Port,
    timers: Rc<Timers>,
    budget: Arc<ConnectionBudget>,
    limits: AcceptLimits,
    /// The connections of each peer, while that is limited. None of them is zero.
    peers: RefCell<HashMap<Address, usize>>,
    rate: Option<Pacer>,
    refusals: [LogLimit; Refusal::KINDS],
    waits: LogLimit,
}

impl Admission {
    pub(crate) fn new(port: &Port, hub: &Hub, limits: AcceptLimits) -> Self {
        Self {
            port: port.clone(),
            timers: Rc::clone(&hub.timers),
            budget: Arc::clone(&hub.connection_budget),
            limits,
            peers: RefCell::default(),
            rate: limits.rate.map(Pacer::new),
            refusals: Default::default(),
            waits: LogLimit::default(),
        }
    }

    /// How long the client that has just been accepted is to wait, not to come faster than is allowed.
    pub(crate) fn delay(&self) -> Option<Duration> {
        let now = self.timers.now();
        let delay = self.rate.as_ref()?.next(now);
        if delay.is_zero() {
            return None;
        }
        self.port.add_accept_wait();
        if self.waits.allows(now) {
            tracing::warn!(
                port = %self.port.host(),
                waits = self.port.accept_wait_count(),
                "clients come faster than they may be accepted: they wait"
            );
        }
        Some(delay)
    }

    /// Why this client is to be turned away, if it is.
    pub(crate) fn objection(&self, peer: &Address) -> Option<Refusal> {
        if self.budget.is_spent() {
            return Some(Refusal::Budget);
        }
        if self.port.connection_count() >= self.limits.connections {
            return Some(Refusal::Connections);
        }
        if self.port.pending_count() >= self.limits.pending {
            return Some(Refusal::Pending);
        }
        if self.counts_peers() && self.of_peer(peer) >= self.limits.per_peer {
            return Some(Refusal::PerPeer);
        }
        None
    }

    /// Takes note that clients were turned away.
    pub(crate) fn refuse(&self, why: Refusal, clients: usize) {
        self.port.add_refused(why, clients);
        if self.refusals[why as usize].allows(self.timers.now()) {
            tracing::warn!(port = %self.port.host(), refused = self.port.refusals().total(), "{}", why.text());
        }
    }

    /// Whether the end of a connection is to be told by [`remove`](Self::remove).
    pub(crate) fn counts_peers(&self) -> bool {
        self.limits.per_peer < usize::MAX
    }

    /// Counts a connection for its peer, where that is done.
    pub(crate) fn add(&self, peer: &Address) {
        if self.counts_peers() {
            *self.peers.borrow_mut().entry(peer.network()).or_default() += 1;
        }
    }

    pub(crate) fn remove(&self, peer: &Address) {
        let (mut peers, network) = (self.peers.borrow_mut(), peer.network());
        if let Some(count) = peers.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                peers.remove(&network);
            }
        }
    }

    fn of_peer(&self, peer: &Address) -> usize {
        self.peers.borrow().get(&peer.network()).copied().unwrap_or_default()
    }
}

/// A token bucket, kept as the time at which it is full.
struct Pacer {
    rate: AcceptRate,
    full_at: Cell<Option<Instant>>,
}

impl Pacer {
    fn new(rate: AcceptRate) -> Self {
        Self { rate, full_at: Cell::new(None) }
    }

    /// How long the next has to wait for its token, which it takes.
    fn next(&self, now: Instant) -> Duration {
        let full_at = self.full_at.get().map_or(now, |full_at| full_at.max(now)) + self.rate.interval;
        self.full_at.set(Some(full_at));
        (full_at - now).saturating_sub(self.rate.interval * self.rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::clock::Clock;

    #[test]
    fn a_burst_passes_at_once_and_what_follows_at_its_rate() {
        let (pacer, mut now) = (Pacer::new(AcceptRate::new(10, 3)), Clock::manual(0).now());
        let [interval, none] = [Duration::from_millis(100), Duration::ZERO];
        assert_eq!([pacer.next(now), pacer.next(now), pacer.next(now)], [none; 3]);
        for _ in 0..5 {
            let delay = pacer.next(now);
            assert_eq!(delay, interval);
            now += delay;
        }
        now += 2 * interval;
        assert_eq!([pacer.next(now), pacer.next(now), pacer.next(now)], [none, none, interval]);
        now += Duration::from_secs(3600);
        assert_eq!([pacer.next(now), pacer.next(now), pacer.next(now), pacer.next(now)], [none, none, none, interval]);
    }
}
