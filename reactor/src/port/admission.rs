//! Whether a port admits its next client.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::address::Address;
use crate::hub::Hub;
use crate::hub::connection_budget::{ConnectionBudget, Sources};
use crate::port::Port;
use crate::port::accept_limits::{AcceptLimits, AcceptRate};
use crate::port::refusals::Refusal;
use crate::time::timers::Timers;
use crate::util::log_limit::LogLimit;

/// A port's limits, the counts they apply to, and the log of refusals.
pub(crate) struct Admission {
    port: Port,
    timers: Rc<Timers>,
    budget: Arc<ConnectionBudget>,
    limits: AcceptLimits,
    /// The number of connections of each peer, while the port limits that.
    sources: RefCell<Sources>,
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
            sources: RefCell::default(),
            rate: limits.rate.map(Pacer::new),
            refusals: Default::default(),
            waits: LogLimit::default(),
        }
    }

    /// How long the client that was just accepted has to wait to keep to the accept rate.
    pub(crate) fn delay(&self) -> Option<Duration> {
        let now = self.timers.now();
        let delay = self.rate.as_ref()?.next(now);
        if delay.is_zero() {
            return None;
        }
        self.port.add_accept_wait();
        if let Some(left_out) = self.waits.allows(now) {
            tracing::warn!(
                port = %self.port.host(),
                waits = self.port.accept_wait_count(),
                left_out,
                "clients arrive faster than the accept rate: they wait"
            );
        }
        Some(delay)
    }

    /// Admits a client, or returns why it is to be turned away. If a limit is reached and the port has unestablished
    /// connections, the oldest of the peer that has most of them gives way, so that a client that opens many
    /// connections and sends nothing only keeps itself out. If it is the reactor's limit, and the port has none, one of
    /// the port of the reactor that has most gives way. Returns whether one gave way.
    pub(crate) fn admit(&self, peer: &Address, ports: impl FnOnce() -> Vec<Port>) -> Result<bool, Refusal> {
        let source = peer.source();
        let exhausted = source.and_then(|source| self.exhausted_share(source));
        let Some(why) = self.exhausted_limit().or(exhausted) else { return Ok(false) };
        // A peer that has already used up its share gains nothing at the cost of others.
        let among = if exhausted.is_some() { source } else { None };
        if self.port.displace_pending(among) {
            self.refuse(Refusal::Displaced, 1);
            return Ok(true);
        }
        if why == Refusal::Budget
            && exhausted.is_none()
            && let Some(fullest) = ports().into_iter().max_by_key(Port::pending_count)
            && fullest.displace_pending(None)
        {
            self.report(&fullest, Refusal::Displaced, 1);
            return Ok(true);
        }
        Err(why)
    }

    /// The limit of the port or the reactor that is reached.
    fn exhausted_limit(&self) -> Option<Refusal> {
        if self.budget.is_spent() {
            return Some(Refusal::Budget);
        }
        if self.port.connection_count() >= self.limits.connections {
            return Some(Refusal::Connections);
        }
        (self.port.pending_count() >= self.limits.pending).then_some(Refusal::Pending)
    }

    /// The limit of one peer that is reached.
    fn exhausted_share(&self, source: IpAddr) -> Option<Refusal> {
        let spent = match self.limits.per_peer {
            // If set for this port, it replaces the share of the budget, too.
            Some(connections) => self.sources.borrow().of(source) >= connections,
            None => {
                self.sources.borrow().of(source) >= self.limits.share_of_a_peer() || self.budget.is_spent_by(source)
            }
        };
        if spent {
            return Some(Refusal::PerPeer);
        }
        (self.port.pending_of(source) >= self.limits.pending_share_of_a_peer()).then_some(Refusal::PendingPerPeer)
    }

    /// Counts and logs clients that were turned away.
    pub(crate) fn refuse(&self, why: Refusal, clients: usize) {
        self.report(&self.port, why, clients);
    }

    fn report(&self, port: &Port, why: Refusal, clients: usize) {
        port.add_refused(why, clients);
        if let Some(left_out) = self.refusals[why as usize].allows(self.timers.now()) {
            tracing::warn!(port = %port.host(), refused = port.refusals().total(), left_out, "{}", why.text());
        }
    }

    /// Counts a connection for its peer, if peers are limited.
    pub(crate) fn add(&self, peer: &Address) {
        if let Some(source) = self.counted(peer) {
            self.sources.borrow_mut().add(source);
        }
    }

    pub(crate) fn remove(&self, peer: &Address) {
        if let Some(source) = self.counted(peer) {
            self.sources.borrow_mut().remove(source);
        }
    }

    fn counted(&self, peer: &Address) -> Option<IpAddr> {
        if self.limits.share_of_a_peer() < usize::MAX { peer.source() } else { None }
    }
}

/// A token bucket, stored as the time at which it is full.
struct Pacer {
    rate: AcceptRate,
    full_at: Cell<Option<Instant>>,
}

impl Pacer {
    fn new(rate: AcceptRate) -> Self {
        Self { rate, full_at: Cell::new(None) }
    }

    /// Takes the next token, and returns how long to wait for it.
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
