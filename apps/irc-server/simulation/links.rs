//! Links over a network that fails in every way it can, with the smallest owners that notice.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use irc_server::cluster::bus::{Bus, Faults, Simulated, SimulatedBus};
use irc_server::cluster::{Link, NodeName, Options, Output, Stats};

use crate::toy::Toy;

/// How long things go wrong, and how long they may take to become right.
const STORM: Duration = Duration::from_secs(60);
const CALM: Duration = Duration::from_secs(60);
/// How often a node looks at its clock.
const TICK: Duration = Duration::from_millis(500);
/// The largest snapshot that links take.
const SNAPSHOT_BYTES: usize = 2_500;

/// What has happened in one seed, or in all.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) crashes: u64,
    pub(crate) cuts: u64,
    pub(crate) stops: u64,
    pub(crate) delivered: u64,
    pub(crate) duplicates: u64,
    pub(crate) snapshots: u64,
    pub(crate) exchanges: u64,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.stops += other.stops;
        self.delivered += other.delivered;
        self.duplicates += other.duplicates;
        self.snapshots += other.snapshots;
        self.exchanges += other.exchanges;
    }

    fn count(&mut self, stats: &Stats) {
        self.delivered += stats.delivered;
        self.duplicates += stats.duplicates;
        self.snapshots += stats.snapshots;
        self.exchanges += stats.exchanges;
    }
}

struct Node {
    toy: Toy,
    link: Link,
    bus: SimulatedBus,
    tick_due: Duration,
    /// It is stopped, and reads and does nothing before.
    stopped_until: Duration,
    kept_bytes: usize,
}

struct World {
    random: fastrand::Rng,
    network: Simulated,
    began: Instant,
    names: Vec<NodeName>,
    nodes: BTreeMap<NodeName, Node>,
    /// Small ones lose more.
    kept_events: usize,
    epochs: u64,
    outcome: Outcome,
}

/// Plays one seed.
///
/// # Panics
///
/// If an event is delivered twice, out of order or not at all, if a link holds too much, or if not all nodes agree in the end.
pub(crate) fn play(seed: u64, began: Instant) -> Outcome {
    let mut random = fastrand::Rng::with_seed(seed);
    let names = (0..random.usize(2..=9)).map(|number| NodeName::new(&format!("node{number}")).expect("it is a name"));
    let mut world = World {
        network: Simulated::new(random.u64(..)),
        began,
        names: names.collect(),
        nodes: BTreeMap::new(),
        kept_events: random.usize(1..60),
        epochs: 0,
        outcome: Outcome::default(),
        random,
    };
    for name in world.names.clone() {
        world.start(name);
    }
    let mut next_change = Duration::ZERO;
    while next_change < STORM {
        world.run_to(next_change);
        world.change();
        next_change += Duration::from_millis(world.random.u64(..400));
    }
    world.network.set_faults(Faults::default());
    world.network.heal();
    for node in world.nodes.values_mut() {
        node.stopped_until = Duration::ZERO;
    }
    world.run_to(STORM + CALM);
    world.check_agreement();
    for node in world.nodes.values() {
        world.outcome.count(&node.link.stats());
    }
    world.outcome
}

impl World {
    fn start(&mut self, name: NodeName) {
        self.epochs += 1;
        let kept_bytes = self.kept_events * 100;
        let options = Options {
            kept_events: self.kept_events,
            kept_bytes,
            payload_bytes: 700, // so that snapshots come in parts
            snapshot_bytes: SNAPSHOT_BYTES,
            ..Options::new(name.clone(), self.epochs)
        };
        let now = self.network.now();
        let node = Node {
            toy: Toy::new(name.clone(), self.epochs),
            link: Link::new(options, self.began + now),
            bus: self.network.bus(name.clone()),
            tick_due: now + Duration::from_millis(self.random.u64(..500)),
            stopped_until: Duration::ZERO,
            kept_bytes,
        };
        self.nodes.insert(name, node);
    }

    /// Something goes wrong, or changes.
    fn change(&mut self) {
        let name = self.random.choice(&self.names).expect("there are nodes").clone();
        match self.random.u32(..100) {
            0..78 => self.publish(&name),
            78..81 => self.set_faults(),
            81..84 => self.cut(),
            84..89 => self.network.heal(),
            89..91 => self.stop(&name),
            91..93 => self.crash(&name),
            93 => self.leave(&name),
            _ if !self.nodes.contains_key(&name) => self.start(name),
            // A crash and a new start at once.
            94 => {
                self.crash(&name);
                self.start(name);
            }
            _ => {}
        }
    }

    fn crash(&mut self, name: &NodeName) {
        if let Some(node) = self.nodes.remove(name) {
            self.outcome.crashes += 1;
            self.outcome.count(&node.link.stats());
        }
    }

    fn publish(&mut self, name: &NodeName) {
        let count = if self.random.u8(..10) == 0 { self.random.u32(..100) } else { self.random.u32(..4) };
        let time = self.network.now().as_millis() as u64;
        let Some(node) = self.nodes.get_mut(name).filter(|node| node.stopped_until <= self.network.now()) else {
            return;
        };
        for _ in 0..count {
            let event = node.toy.change(&mut self.random, time);
            node.link.publish(event).expect("it is short");
        }
        node.carry_out();
    }

    fn set_faults(&mut self) {
        let random = &mut self.random;
        let slowest = *random.choice([1, 20, 300, 5_000, 20_000]).as_ref().expect("there are some");
        let mut part = || if random.bool() { 0.0 } else { random.f64() * 0.4 };
        self.network.set_faults(Faults {
            delay: Duration::ZERO..Duration::from_millis(slowest),
            loss: part(),
            duplicates: part(),
            reordered: part(),
        });
    }

    /// Cuts some ways: one direction between two nodes, one node off, or the network in two.
    fn cut(&mut self) {
        self.outcome.cuts += 1;
        let side: Vec<_> = self.names.iter().map(|_| self.random.bool()).collect();
        let one = self.random.usize(..self.names.len());
        let other = self.random.usize(..self.names.len());
        let kind = self.random.u8(..3);
        for (from, name) in self.names.iter().enumerate() {
            for (to, other_name) in self.names.iter().enumerate() {
                let is_cut = match kind {
                    0 => from == one && to == other,
                    1 => from == one || to == one,
                    _ => side[from] != side[to],
                };
                if is_cut {
                    self.network.cut(name, other_name);
                }
            }
        }
    }

    fn stop(&mut self, name: &NodeName) {
        let until = self.network.now() + Duration::from_millis(self.random.u64(..25_000));
        if let Some(node) = self.nodes.get_mut(name) {
            node.stopped_until = until;
            self.outcome.stops += 1;
        }
    }

    fn leave(&mut self, name: &NodeName) {
        if let Some(mut node) = self.nodes.remove(name) {
            node.link.leave();
            node.carry_out();
            self.outcome.count(&node.link.stats());
        }
    }

    fn run_to(&mut self, moment: Duration) {
        loop {
            let tick = self.nodes.values().map(|node| node.tick_due.max(node.stopped_until)).min();
            let next = tick.into_iter().chain(self.network.next_arrival()).min().filter(|next| *next <= moment);
            let now = next.unwrap_or(moment);
            self.network.run_to(now);
            for node in self.nodes.values_mut().filter(|node| node.stopped_until <= now) {
                node.run(self.began + now);
                if node.tick_due <= now {
                    node.tick_due = now + TICK;
                    node.link.tick(self.began + now, &node.toy);
                    node.carry_out();
                }
            }
            if next.is_none() {
                return;
            }
        }
    }

    fn check_agreement(&self) {
        let mut views = self.nodes.iter().map(|(name, node)| (name, node.toy.view()));
        let Some((first, agreed)) = views.next() else { return };
        assert!(agreed.lives.keys().eq(self.nodes.keys()), "{first} knows others than those that run: {agreed:?}");
        for (name, view) in views {
            assert_eq!(view, agreed, "{name} differs from {first}");
        }
    }
}

impl Node {
    /// Takes what the bus has.
    fn run(&mut self, now: Instant) {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.bus.poll_event(&mut context) {
            self.link.heard(now, event, &self.toy);
            self.carry_out();
        }
    }

    /// Does what the link wants, and checks that it holds no more than it may: what it keeps, and for each other node the same and
    /// a snapshot.
    fn carry_out(&mut self) {
        let others = self.link.nodes().count();
        let most = self.kept_bytes * (others + 1) + SNAPSHOT_BYTES * others;
        let held = self.link.stats().held_bytes;
        assert!(held <= most, "{held} bytes are held for {others} nodes");
        for output in self.link.outputs() {
            match output {
                Output::Send(topic, message) => self.bus.publish(&topic, message),
                Output::Deliver(delivery) => self.toy.delivered(delivery),
            }
        }
    }
}
