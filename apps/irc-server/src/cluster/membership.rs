use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::cluster::NodeName;
use crate::cluster::bus::{BusEvent, Topic};
use crate::cluster::link::{Delivery, Link, Options, Output, Owner, Stats};
use crate::cluster::payload::{decode, encode};
use crate::server::{Event, NodeId, Registers, Server, Snapshot, Timestamp};

/// Joins a [`Server`] to a cluster: what happens on it is told to other nodes, and what happens on those takes place on it.
///
/// Each of its methods goes together with one of a bus or a server, under the same lock. In this order: what comes from the bus,
/// or a call of [`tick`](Self::tick); then the server's [effects](Server::effects), of which those that are to be
/// [published](Self::publish) come back here; then the [messages](Self::messages) go to the bus.
#[derive(Debug)]
pub struct Membership {
    link: Link,
    /// Two names with one number are refused: users are known by the number.
    names: BTreeMap<NodeId, NodeName>,
    messages: Vec<(Topic, Bytes)>,
    has_warned: bool,
}

impl Membership {
    /// A node that nobody has heard of yet.
    pub fn new(options: Options, now: Instant) -> Self {
        let names = [(id_of(&options.node), options.node.clone())].into();
        Self { link: Link::new(options, now), names, messages: Vec::new(), has_warned: false }
    }

    /// Tells other nodes what has happened on this one.
    ///
    /// # Errors
    ///
    /// If it is too long to be told.
    pub fn publish(&mut self, event: &Event) -> io::Result<()> {
        self.link.publish(encode(event))?;
        self.collect(|_| {});
        Ok(())
    }

    /// Something has come from the bus. Another node's changes take place on the server.
    pub fn heard(&mut self, now: Instant, time: Timestamp, event: BusEvent, server: &mut Server) {
        self.link.heard(now, event, &Local(server));
        self.deliver(time, server);
    }

    /// A second or less has passed. Nodes that are silent are down.
    pub fn tick(&mut self, now: Instant, time: Timestamp, server: &mut Server) {
        self.link.tick(now, &Local(server));
        self.deliver(time, server);
    }

    /// Tells other nodes that this one ends.
    pub fn leave(&mut self) {
        self.link.leave();
        self.collect(|_| {});
    }

    /// What is to be published on the bus, in this order.
    pub fn messages(&mut self) -> impl Iterator<Item = (Topic, Bytes)> {
        self.messages.drain(..)
    }

    /// For how long another process, started later, has had this node's name, if so. Nobody listens to this one meanwhile.
    pub fn replaced_for(&self, now: Instant) -> Option<Duration> {
        self.link.replaced_for(now)
    }

    /// The epoch of that process, if it is gone.
    pub fn vacant(&self, now: Instant) -> Option<u64> {
        self.link.vacant(now)
    }

    /// This node is there again, in a new life, with a larger epoch than that process.
    pub fn come_back(&mut self, epoch: u64, now: Instant) {
        self.link.come_back(epoch, now);
    }

    /// The other nodes that were heard of, and whether they are up.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeName, bool)> {
        self.link.nodes()
    }

    /// What its link has seen.
    pub fn stats(&self) -> Stats {
        self.link.stats()
    }

    fn deliver(&mut self, time: Timestamp, server: &mut Server) {
        let mut deliveries = Vec::new();
        self.collect(|delivery| deliveries.push(delivery));
        for delivery in deliveries {
            match delivery {
                Delivery::Up { node, .. } | Delivery::Event { node, .. } if self.is_ambiguous(&node) => {}
                Delivery::Down { node } if self.is_ambiguous(&node) => {}
                Delivery::Up { node, snapshot } => {
                    if let Some(snapshot) = self.read::<Snapshot>(&node, &snapshot) {
                        server.node_up(time, node.as_str(), &snapshot);
                    }
                }
                Delivery::Event { node, payload } => {
                    if let Some(event) = self.read::<Event>(&node, &payload) {
                        server.heard(time, &event);
                    }
                }
                Delivery::Down { node } => server.node_down(time, node.as_str()),
                Delivery::Registers { node, registers } => {
                    if let Some(registers) = self.read::<Registers>(&node, &registers) {
                        server.merge(time, &registers);
                    }
                }
                Delivery::Replaced => tracing::warn!(
                    "another process is this node of the cluster now: what happens here is told to no other node"
                ),
            }
        }
    }

    /// Whether another node has the same number as this one.
    fn is_ambiguous(&mut self, node: &NodeName) -> bool {
        let first = self.names.entry(id_of(node)).or_insert_with(|| node.clone());
        if first == node {
            return false;
        }
        if !self.has_warned {
            self.has_warned = true;
            tracing::warn!("node {node} needs another name: it is taken for {first}");
        }
        true
    }

    fn collect(&mut self, mut deliver: impl FnMut(Delivery)) {
        for output in self.link.outputs() {
            match output {
                Output::Send(topic, message) => self.messages.push((topic, message)),
                Output::Deliver(delivery) => deliver(delivery),
            }
        }
    }

    /// Reads what another node has told. What cannot be read is passed over: the first time it is said.
    fn read<T: DeserializeOwned>(&mut self, node: &NodeName, payload: &[u8]) -> Option<T> {
        let read = decode(payload);
        if read.is_none() && !self.has_warned {
            self.has_warned = true;
            tracing::warn!("node {node} is not understood: run the same release on all nodes");
        }
        read
    }
}

/// What a link asks a server.
struct Local<'a>(&'a Server);

impl Owner for Local<'_> {
    fn snapshot(&self) -> Bytes {
        encode(&self.0.snapshot())
    }

    fn digests(&self) -> Vec<u32> {
        self.0.digests()
    }

    fn registers(&self, part: usize) -> Vec<Bytes> {
        self.0.registers(part).map(|registers| encode(&registers)).collect()
    }
}

fn id_of(node: &NodeName) -> NodeId {
    NodeId::of(node.as_str().as_bytes())
}
