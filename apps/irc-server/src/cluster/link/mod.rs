//! Reliable order on an unreliable bus.

mod delivery;
mod options;
mod peer;
mod sent;
mod snapshot_parts;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use std::{fmt, io};

use bytes::Bytes;

use crate::cluster::NodeName;
use crate::cluster::bus::{BusEvent, Topic};
use crate::cluster::envelope::{Body, Envelope, EnvelopeError};

pub use delivery::{Delivery, Output, Owner, Stats};
pub use options::Options;
use peer::{Peer, Progress, Want};
use sent::Sent;

/// Makes of a [`Bus`](crate::cluster::Bus) what a server needs: each other node's events in its order, none twice, and a snapshot
/// where some were lost.
///
/// It has no socket, no clock and no thread. Its owner gives it what comes from the bus ([`heard`](Self::heard)), calls
/// [`tick`](Self::tick) at least once in each [heartbeat](Options::heartbeat), and carries out what it wants
/// ([`outputs`](Self::outputs)) after each call, in order.
///
/// Each message carries the name of its node, its epoch (when it was started) and, if it is an event, a sequence number. Events
/// that come twice are dropped; those that are missing are asked of their node, which keeps the latest. If it has them no more,
/// it answers with a snapshot, which says which event is the next. Heartbeats say so, too, and so a loss at the end is noticed; they
/// have digests of the registers, and where those differ for some seconds they are exchanged.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use bytes::Bytes;
/// use irc_server::cluster::bus::{BusEvent, Topic};
/// use irc_server::cluster::{Delivery, Link, NodeName, Options, Output, Owner};
///
/// /// A node without a state.
/// struct Nothing;
///
/// impl Owner for Nothing {
///     fn snapshot(&self) -> Bytes { Bytes::new() }
///     fn digests(&self) -> Vec<u32> { Vec::new() }
///     fn registers(&self, _part: usize) -> Vec<Bytes> { Vec::new() }
/// }
///
/// # #[expect(clippy::disallowed_methods)]
/// let now = Instant::now();
/// let mut links = ["a", "b"].map(|name| Link::new(Options::new(NodeName::new(name).unwrap(), 1), now));
/// let mut told = Vec::new();
/// for round in 0..5 {
///     links[0].publish(format!("event {round}").into())?;
///     for link in &mut links {
///         link.tick(now + round * Duration::from_secs(1), &Nothing);
///     }
///     // Everything that one of the two sends reaches the other, until nothing is sent.
///     for turn in 0..6 {
///         for output in links[turn % 2].outputs().collect::<Vec<_>>() {
///             match output {
///                 Output::Send(_, message) => links[1 - turn % 2].heard(now, BusEvent::Message(message), &Nothing),
///                 Output::Deliver(Delivery::Event { payload, .. }) => told.push(payload),
///                 Output::Deliver(_) => {}
///             }
///         }
///     }
/// }
/// assert_eq!(told, ["event 1", "event 2", "event 3", "event 4"]); // the first is part of the snapshot
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Link {
    options: Options,
    sent: Sent,
    /// By name, so that equal seeds give equal simulations.
    peers: BTreeMap<NodeName, Peer>,
    outputs: VecDeque<Output>,
    /// The digests of the registers at the last heartbeat.
    digests: Vec<u32>,
    ticked: Instant,
    heartbeat_due: Instant,
    /// Snapshots that were made.
    snapshots: u64,
    has_left: bool,
    namesake: Option<Namesake>,
    has_warned: bool,
    stats: Stats,
}

/// The process that others take for this node, in place of this one.
#[derive(Debug)]
struct Namesake {
    epoch: u64,
    /// When it was heard first.
    since: Instant,
    /// When it was heard last; none if it has said that it ends.
    heard: Option<Instant>,
}

impl Link {
    /// Makes the link of a node that has sent nothing yet.
    pub fn new(options: Options, now: Instant) -> Self {
        Self {
            sent: Sent::new(options.kept_events, options.kept_bytes),
            options,
            peers: BTreeMap::new(),
            outputs: VecDeque::new(),
            digests: Vec::new(),
            ticked: now,
            heartbeat_due: now,
            snapshots: 0,
            has_left: false,
            namesake: None,
            has_warned: false,
            stats: Stats::default(),
        }
    }

    /// Sends an event to all other nodes.
    ///
    /// # Errors
    ///
    /// If it has more bytes than [`Options::payload_bytes`].
    pub fn publish(&mut self, payload: Bytes) -> io::Result<()> {
        let (length, max) = (payload.len(), self.options.payload_bytes);
        if length > max {
            let text = format!("an event of {length} bytes cannot be sent to other nodes: {max} is the most");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let sequence = self.sent.push(payload.clone());
        self.send(Topic::Everyone, Body::Event { sequence, payload });
        Ok(())
    }

    /// Takes an event of the bus.
    pub fn heard(&mut self, now: Instant, event: BusEvent, owner: &impl Owner) {
        match event {
            BusEvent::Message(message) => self.received(now, &message, owner),
            // Who answers is there, and says what was missed.
            BusEvent::Up | BusEvent::Gap => self.send_heartbeat(Topic::Everyone, true),
            BusEvent::Down => {}
        }
    }

    /// Does what is due: says that this node is alive, notices who is not, and asks again for what is missing.
    pub fn tick(&mut self, now: Instant, owner: &impl Owner) {
        // The time in which this process was stopped, or its machine asleep, says nothing about others: what they have sent
        // waits to be read.
        let since_last = now.saturating_duration_since(self.ticked);
        let stopped = since_last.saturating_sub(2 * self.options.heartbeat);
        self.ticked = now;
        for peer in self.peers.values_mut() {
            peer.heard = (peer.heard + stopped).min(now);
        }
        if now >= self.heartbeat_due {
            self.heartbeat_due = now + self.options.heartbeat;
            self.digests = owner.digests();
            self.send_heartbeat(Topic::Everyone, false);
        }
        let silence = self.options.silence;
        let is_silent = |peer: &Peer| now.saturating_duration_since(peer.heard) >= silence;
        for (node, peer) in &mut self.peers {
            if peer.is_up() && is_silent(peer) {
                peer.go_down();
                self.outputs.push_back(Output::Deliver(Delivery::Down { node: node.clone() }));
            }
        }
        let heard_of: Vec<_> =
            self.peers.iter().filter(|(_, peer)| !is_silent(peer)).map(|(node, _)| node.clone()).collect();
        for node in heard_of {
            self.ask(now, &node);
        }
    }

    /// Tells the others that this node ends, so that they need not wait for its silence. Nothing is sent after this.
    pub fn leave(&mut self) {
        self.send(Topic::Everyone, Body::Leave);
        self.has_left = true;
    }

    /// For how long another process has been this node in place of this one, if so.
    pub fn replaced_for(&self, now: Instant) -> Option<Duration> {
        self.namesake.as_ref().map(|namesake| now.saturating_duration_since(namesake.since))
    }

    /// The epoch of that process, if it is gone: it has said so, or is silent. This one may [come back](Self::come_back) with a
    /// larger one.
    pub fn vacant(&self, now: Instant) -> Option<u64> {
        let silent = |heard| now.saturating_duration_since(heard) >= self.options.silence;
        self.namesake.as_ref().filter(|namesake| namesake.heard.is_none_or(silent)).map(|namesake| namesake.epoch)
    }

    /// This node is there again, in a new life: after another process that had its name.
    pub fn come_back(&mut self, epoch: u64, now: Instant) {
        self.options.epoch = epoch;
        self.sent = Sent::new(self.options.kept_events, self.options.kept_bytes);
        self.namesake = None;
        self.has_left = false;
        self.heartbeat_due = now;
    }

    /// What is to be done, in this order. What is not taken stays.
    pub fn outputs(&mut self) -> impl Iterator<Item = Output> {
        std::iter::from_fn(|| self.outputs.pop_front())
    }

    /// The other nodes that were heard of, and whether they are up.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeName, bool)> {
        self.peers.iter().map(|(node, peer)| (node, peer.is_up()))
    }

    /// What it has seen, and what it holds.
    pub fn stats(&self) -> Stats {
        let held_bytes = self.sent.bytes() + self.peers.values().map(Peer::held_bytes).sum::<usize>();
        Stats { nodes_up: self.peers.values().filter(|peer| peer.is_up()).count(), held_bytes, ..self.stats }
    }

    fn received(&mut self, now: Instant, message: &[u8], owner: &impl Owner) {
        let Envelope { node, epoch, body } = match Envelope::decode(message) {
            Ok(envelope) => envelope,
            Err(error) => return self.refuse(&error),
        };
        if node == self.options.node {
            return self.heard_namesake(now, epoch, &body);
        }
        if self.admit(now, &node, epoch) {
            self.take(now, &node, body, owner);
            self.ask(now, &node);
        }
    }

    /// A process with the name of this node has said something; this one perhaps.
    fn heard_namesake(&mut self, now: Instant, epoch: u64, body: &Body) {
        if epoch <= self.options.epoch {
            return;
        }
        if self.namesake.is_none() {
            self.has_left = true;
            self.outputs.push_back(Output::Deliver(Delivery::Replaced));
        }
        let heard = if matches!(body, Body::Leave) { None } else { Some(now) };
        let namesake = self.namesake.get_or_insert(Namesake { epoch, since: now, heard });
        namesake.heard = heard;
        namesake.epoch = namesake.epoch.max(epoch);
    }

    /// Whether a message of this life of a node counts. It is listed then.
    fn admit(&mut self, now: Instant, node: &NodeName, epoch: u64) -> bool {
        if !self.peers.contains_key(node) && !self.make_room() {
            let max = self.options.nodes;
            self.warn(&format_args!("there are more than {max} nodes: {node} is ignored"));
            return false;
        }
        let peer = self.peers.entry(node.clone()).or_insert_with(|| Peer::new(epoch, now));
        if epoch < peer.epoch {
            // It is late, of a life that has ended; or that node's clock was put back.
            self.stats.duplicates += 1;
            return false;
        }
        if epoch > peer.epoch {
            if peer.is_up() {
                self.outputs.push_back(Output::Deliver(Delivery::Down { node: node.clone() }));
            }
            *peer = Peer::new(epoch, now);
        }
        peer.heard = now;
        !peer.has_left()
    }

    /// Makes room for one more node; those that are down give way, the longest silent first.
    fn make_room(&mut self) -> bool {
        if self.peers.len() < self.options.nodes {
            return true;
        }
        let down = self.peers.iter().filter(|(_, peer)| !peer.is_up());
        let longest = down.min_by_key(|(_, peer)| peer.heard).map(|(node, _)| node.clone());
        longest.is_some_and(|node| self.peers.remove(&node).is_some())
    }

    fn take(&mut self, now: Instant, node: &NodeName, body: Body, owner: &impl Owner) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        match body {
            Body::Event { sequence, payload } => {
                if !peer.event(sequence, payload, &self.options) {
                    self.stats.duplicates += 1;
                }
            }
            Body::Heartbeat { next, digests, wants_answer } => {
                peer.announced(next);
                for part in peer.differing(now, &self.digests, &digests, self.options.repeat) {
                    self.stats.exchanges += 1;
                    self.send_registers(node, part, owner);
                    self.send(Topic::Node(node.clone()), Body::WantRegisters { part: part as u32 });
                }
                if wants_answer {
                    self.send_heartbeat(Topic::Node(node.clone()), false);
                }
            }
            Body::WantEvents { epoch, from, until } if epoch == self.options.epoch => {
                self.send_events(now, node, from, until, owner);
            }
            Body::WantSnapshot { epoch } if epoch == self.options.epoch => self.send_snapshot(now, node, owner),
            // Another life of this node was meant.
            Body::WantEvents { .. } | Body::WantSnapshot { .. } => {}
            Body::Snapshot { number, next, part, parts, payload } => {
                match peer.snapshot(now, (number, next, part, parts), payload, &self.options) {
                    Progress::Whole(snapshot) => {
                        let up = Delivery::Up { node: node.clone(), snapshot };
                        self.outputs.push_back(Output::Deliver(up));
                    }
                    Progress::TooLarge => {
                        let max = self.options.snapshot_bytes;
                        self.warn(&format_args!(
                            "the snapshot of node {node} has more than {max} bytes: it stays down"
                        ));
                    }
                    Progress::Ignored | Progress::Waiting => {}
                }
            }
            Body::Registers { payload } => {
                let registers = Delivery::Registers { node: node.clone(), registers: payload };
                self.outputs.push_back(Output::Deliver(registers));
            }
            Body::WantRegisters { part } if (part as usize) < self.digests.len() => {
                self.send_registers(node, part as usize, owner);
            }
            Body::WantRegisters { .. } => {}
            Body::Leave => {
                if peer.is_up() {
                    self.outputs.push_back(Output::Deliver(Delivery::Down { node: node.clone() }));
                }
                peer.leave();
            }
        }
        self.deliver(node);
    }

    /// Delivers the events of a node whose turn has come.
    fn deliver(&mut self, node: &NodeName) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        while let Some(payload) = peer.take_next() {
            self.stats.delivered += 1;
            self.outputs.push_back(Output::Deliver(Delivery::Event { node: node.clone(), payload }));
        }
    }

    /// Asks a node for what is missing, unless that was done just now.
    fn ask(&mut self, now: Instant, node: &NodeName) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        let epoch = peer.epoch;
        let body = match peer.want(now, self.options.repeat) {
            Some(Want::Snapshot) => Body::WantSnapshot { epoch },
            Some(Want::Events { from, until }) => Body::WantEvents { epoch, from, until },
            None => return,
        };
        self.stats.requests += 1;
        self.send(Topic::Node(node.clone()), body);
    }

    fn send_events(&mut self, now: Instant, node: &NodeName, from: u64, until: u64, owner: &impl Owner) {
        let Some(events) = self.sent.events(from..until) else { return self.send_snapshot(now, node, owner) };
        let events: Vec<_> = events.map(|(sequence, payload)| (sequence, payload.clone())).collect();
        for (sequence, payload) in events {
            self.send(Topic::Node(node.clone()), Body::Event { sequence, payload });
        }
    }

    fn send_snapshot(&mut self, now: Instant, node: &NodeName, owner: &impl Owner) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        if !peer.may_have_snapshot(now, self.options.repeat) {
            return;
        }
        self.snapshots += 1;
        self.stats.snapshots += 1;
        let snapshot = owner.snapshot();
        let (number, next) = (self.snapshots, self.sent.next());
        let size = self.options.payload_bytes;
        // A part even of nothing.
        let parts = u32::try_from(snapshot.len().div_ceil(size).max(1)).unwrap_or(u32::MAX);
        for part in 0..parts {
            let begin = part as usize * size;
            let payload = snapshot.slice(begin..snapshot.len().min(begin + size));
            self.send(Topic::Node(node.clone()), Body::Snapshot { number, next, part, parts, payload });
        }
    }

    fn send_registers(&mut self, node: &NodeName, part: usize, owner: &impl Owner) {
        for payload in owner.registers(part) {
            self.send(Topic::Node(node.clone()), Body::Registers { payload });
        }
    }

    fn send_heartbeat(&mut self, topic: Topic, wants_answer: bool) {
        let (next, digests) = (self.sent.next(), self.digests.clone());
        self.send(topic, Body::Heartbeat { next, digests, wants_answer });
    }

    fn send(&mut self, topic: Topic, body: Body) {
        if !self.has_left {
            let envelope = Envelope { node: self.options.node.clone(), epoch: self.options.epoch, body };
            self.outputs.push_back(Output::Send(topic, envelope.encode()));
        }
    }

    fn refuse(&mut self, error: &EnvelopeError) {
        self.stats.refused += 1;
        self.warn(&format_args!("a message of another node is ignored: {error}"));
    }

    /// Logs a warning, the first of this link: what is wrong is wrong with each message.
    fn warn(&mut self, what: &dyn fmt::Display) {
        if !self.has_warned {
            self.has_warned = true;
            tracing::warn!("{what}; further ones are only counted");
        }
    }
}

#[cfg(test)]
mod tests;
