//! What happens to all nodes alike: a network that fails in every way it can, nodes that crash, start again, stop and go on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use irc_server::cluster::bus::{Faults, Simulated, SimulatedBus};
use irc_server::cluster::{NodeName, Options, Stats};

/// How long things go wrong, and how long they may take to become right.
const STORM: Duration = Duration::from_secs(60);
const CALM: Duration = Duration::from_secs(60);
/// How often a node looks at its clock.
const TICK: Duration = Duration::from_millis(500);

/// A node as the storm knows it.
pub(crate) trait Player: Sized {
    /// The most bytes that its snapshots have.
    const SNAPSHOT_BYTES: usize;

    /// It is started, and has this bus.
    fn start(options: Options, bus: SimulatedBus, random: &mut fastrand::Rng, now: Moment) -> Self;

    /// It does something by itself.
    fn act(&mut self, random: &mut fastrand::Rng, now: Moment);

    /// It takes what its bus has.
    fn run(&mut self, now: Moment);

    /// Time has passed.
    fn tick(&mut self, now: Moment);

    /// It ends in order.
    fn leave(&mut self, now: Moment);

    fn stats(&self) -> Stats;
}

/// A time of the simulation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Since the beginning.
    pub(crate) elapsed: Duration,
    /// The same for what wants a clock's.
    pub(crate) instant: Instant,
}

/// What has happened.
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

pub(crate) struct Storm<P> {
    random: fastrand::Rng,
    network: Simulated,
    began: Instant,
    names: Vec<NodeName>,
    seats: BTreeMap<NodeName, Seat<P>>,
    /// Links that keep little lose much.
    kept_events: usize,
    kept_bytes: usize,
    epochs: u64,
    outcome: Outcome,
}

struct Seat<P> {
    player: P,
    tick_due: Duration,
    /// It is stopped, and reads and does nothing before.
    stopped_until: Duration,
}

impl<P: Player> Storm<P> {
    /// Two to nine nodes, by a seed.
    pub(crate) fn new(seed: u64, began: Instant) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let number = random.usize(2..=9);
        let name = |number| NodeName::new(&format!("node{number}.example")).expect("it is a name");
        let kept_events = random.usize(1..60);
        let mut storm = Self {
            network: Simulated::new(random.u64(..)),
            began,
            names: (0..number).map(name).collect(),
            seats: BTreeMap::new(),
            kept_events,
            kept_bytes: kept_events * 100,
            epochs: 0,
            outcome: Outcome::default(),
            random,
        };
        for name in storm.names.clone() {
            storm.start(name);
        }
        storm
    }

    /// Lets it storm, and then lets all nodes find each other again.
    pub(crate) fn play(&mut self) {
        let mut next_change = Duration::ZERO;
        while next_change < STORM {
            self.run_to(next_change);
            self.change();
            next_change += Duration::from_millis(self.random.u64(..400));
        }
        self.network.set_faults(Faults::default());
        self.network.heal();
        for seat in self.seats.values_mut() {
            seat.stopped_until = Duration::ZERO;
        }
        self.run_for(CALM);
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        self.run_to(self.network.now() + time);
    }

    /// The nodes that run, by name.
    pub(crate) fn players(&mut self) -> impl Iterator<Item = (&NodeName, &mut P)> {
        self.seats.iter_mut().map(|(name, seat)| (name, &mut seat.player))
    }

    pub(crate) fn now(&self) -> Moment {
        let elapsed = self.network.now();
        Moment { elapsed, instant: self.began + elapsed }
    }

    pub(crate) fn outcome(mut self) -> Outcome {
        for seat in self.seats.values() {
            self.outcome.count(&seat.player.stats());
        }
        self.outcome
    }

    fn start(&mut self, name: NodeName) {
        self.epochs += 1;
        let options = Options {
            kept_events: self.kept_events,
            kept_bytes: self.kept_bytes,
            payload_bytes: 1_000, // so that snapshots come in parts
            snapshot_bytes: P::SNAPSHOT_BYTES,
            ..Options::new(name.clone(), self.epochs)
        };
        let (bus, now) = (self.network.bus(name.clone()), self.now());
        let tick_due = now.elapsed + Duration::from_millis(self.random.u64(..500));
        let player = P::start(options, bus, &mut self.random, now);
        self.seats.insert(name, Seat { player, tick_due, stopped_until: Duration::ZERO });
    }

    /// Something goes wrong, or somebody does something.
    fn change(&mut self) {
        let name = self.random.choice(&self.names).expect("there are nodes").clone();
        match self.random.u32(..100) {
            0..78 => self.act(&name),
            78..81 => self.set_faults(),
            81..84 => self.cut(),
            84..89 => self.network.heal(),
            89..91 => self.stop(&name),
            91..93 => self.crash(&name),
            93 => self.leave(&name),
            _ if !self.seats.contains_key(&name) => self.start(name),
            // A crash and a new start at once.
            94 => {
                self.crash(&name);
                self.start(name);
            }
            _ => {}
        }
    }

    fn act(&mut self, name: &NodeName) {
        let now = self.now();
        let awake = self.seats.get_mut(name).filter(|seat| seat.stopped_until <= now.elapsed);
        if let Some(seat) = awake {
            seat.player.act(&mut self.random, now);
        }
    }

    fn set_faults(&mut self) {
        let random = &mut self.random;
        let slowest = random.choice([1, 20, 300, 5_000, 20_000]).expect("there are some");
        let mut part = || if random.bool() { 0.0 } else { random.f64() * 0.4 };
        let (loss, duplicates, reordered) = (part(), part(), part());
        let delay = Duration::ZERO..Duration::from_millis(slowest);
        self.network.set_faults(Faults { delay, loss, duplicates, reordered });
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
        if let Some(seat) = self.seats.get_mut(name) {
            seat.stopped_until = until;
            self.outcome.stops += 1;
        }
    }

    fn crash(&mut self, name: &NodeName) {
        if let Some(seat) = self.seats.remove(name) {
            self.outcome.crashes += 1;
            self.outcome.count(&seat.player.stats());
        }
    }

    fn leave(&mut self, name: &NodeName) {
        let now = self.now();
        if let Some(mut seat) = self.seats.remove(name) {
            seat.player.leave(now);
            self.outcome.count(&seat.player.stats());
        }
    }

    fn run_to(&mut self, moment: Duration) {
        loop {
            let tick = self.seats.values().map(|seat| seat.tick_due.max(seat.stopped_until)).min();
            let next = tick.into_iter().chain(self.network.next_arrival()).min().filter(|next| *next <= moment);
            self.network.run_to(next.unwrap_or(moment));
            let now = self.now();
            for seat in self.seats.values_mut().filter(|seat| seat.stopped_until <= now.elapsed) {
                seat.player.run(now);
                if seat.tick_due <= now.elapsed {
                    seat.tick_due = now.elapsed + TICK;
                    seat.player.tick(now);
                }
            }
            self.check_memory();
            if next.is_none() {
                return;
            }
        }
    }

    /// A link holds no more than it may: what it keeps, and for each other node as much and a snapshot.
    fn check_memory(&self) {
        let others = self.names.len() - 1;
        let most = self.kept_bytes * (others + 1) + P::SNAPSHOT_BYTES * others;
        for (name, seat) in &self.seats {
            let held = seat.player.stats().held_bytes;
            assert!(held <= most, "{name} holds {held} bytes for {others} others");
        }
    }
}
