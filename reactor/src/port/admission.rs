//! Whether a port admits its next client.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::address::Address;
use crate::hub::Hub;
use crate::hub::connection_budget::ConnectionBudget;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
use crate::port::refusals::Refusal;
use crate::port::tally::PortTally;
use crate::time::timers::Timers;
use crate::util::log_limit::LogLimit;

/// A port's limits, the counts they apply to, and the log of refusals.
pub(crate) struct Admission {
    port: Port,
    timers: Rc<Timers>,
    budget: Arc<ConnectionBudget>,
    limits: AcceptLimits,
    /// Counted over all reactors of the port; the connections that are not established, for each reactor by itself.
    tally: Arc<PortTally>,
    refusals: [LogLimit; Refusal::ALL.len()],
    waits: LogLimit,
}

impl Admission {
    pub(crate) fn new(port: &Port, hub: &Hub, limits: AcceptLimits, tally: Arc<PortTally>) -> Self {
        Self {
            port: port.clone(),
            timers: Rc::clone(&hub.timers),
            budget: Arc::clone(&hub.connection_budget),
            limits,
            tally,
            refusals: Default::default(),
            waits: LogLimit::default(),
        }
    }

    /// How long the client that was just accepted has to wait to keep to the accept rate.
    pub(crate) fn delay(&self) -> Option<Duration> {
        let now = self.timers.now();
        let delay = self.tally.next_token(self.limits.rate.as_ref()?, now);
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

    /// Admits a client and counts it, or returns why it is to be turned away. If a limit is reached and the port has
    /// unestablished connections, the oldest of the peer that has most of them gives way, so that a client that opens many
    /// connections and sends nothing only keeps itself out. If it is the reactor's limit, and the port has none, one of
    /// the port of the reactor that has most gives way. Returns whether one gave way.
    pub(crate) fn admit(&self, peer: &Address, ports: impl FnOnce() -> Vec<Port>) -> Result<bool, Refusal> {
        let source = peer.source();
        let exhausted = source.and_then(|source| self.exhausted_share(source));
        let Some(why) = self.exhausted_limit().or(exhausted).or_else(|| self.try_count(peer).err()) else {
            return Ok(false);
        };
        // A peer that has already used up its share gains nothing at the cost of others.
        let is_spent_by_peer = exhausted.is_some() || why == Refusal::PerPeer;
        let among = if is_spent_by_peer { source } else { None };
        if self.port.displace_pending(among) {
            self.refuse(Refusal::Displaced, 1);
            self.count(peer);
            return Ok(true);
        }
        if why == Refusal::Budget
            && !is_spent_by_peer
            && let Some(fullest) = ports().into_iter().max_by_key(Port::pending_count)
            && fullest.displace_pending(None)
        {
            self.report(&fullest, Refusal::Displaced, 1);
            self.count(peer);
            return Ok(true);
        }
        Err(why)
    }
    /// The limit of the port or the reactor that is reached.
    fn exhausted_limit(&self) -> Option<Refusal> {
        if self.budget.is_spent() {
            return Some(Refusal::Budget);
        }
        if self.tally.connections() >= self.limits.connections {
            return Some(Refusal::Connections);
        }
        (self.port.pending_count() >= self.tally.share_of(self.limits.pending)).then_some(Refusal::Pending)
    }

    /// The limit of one peer that is reached.
    fn exhausted_share(&self, source: IpAddr) -> Option<Refusal> {
        // If set for this port, it replaces the share of the budget, too.
        let of_the_budget = self.limits.per_peer.is_none() && self.budget.is_spent_by(source);
        if of_the_budget || self.tally.of(source) >= self.limits.share_of_a_peer() {
            return Some(Refusal::PerPeer);
        }
        let pending = self.tally.share_of(self.limits.pending_share_of_a_peer());
        (self.port.pending_of(source) >= pending).then_some(Refusal::PendingPerPeer)
    }

    /// Counts a connection unless that passes a limit: another reactor may have accepted one meanwhile.
    fn try_count(&self, peer: &Address) -> Result<(), Refusal> {
        if !self.tally.add_connection(self.limits.connections) {
            return Err(Refusal::Connections);
        }
        if let Some(source) = self.counted(peer)
            && !self.tally.add_source(source, self.limits.share_of_a_peer())
        {
            self.tally.remove_connection();
            return Err(Refusal::PerPeer);
        }
        Ok(())
    }

    /// Counts a connection, whatever the limits are.
    pub(crate) fn count(&self, peer: &Address) {
        self.tally.add_connection(usize::MAX);
        if let Some(source) = self.counted(peer) {
            self.tally.add_source(source, usize::MAX);
        }
    }

    /// Counts a connection no more.
    pub(crate) fn remove(&self, peer: &Address) {
        self.tally.remove_connection();
        if let Some(source) = self.counted(peer) {
            self.tally.remove_source(source);
        }
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

    /// The peer, if peers are limited.
    fn counted(&self, peer: &Address) -> Option<IpAddr> {
        if self.limits.share_of_a_peer() < usize::MAX { peer.source() } else { None }
    }
}
