use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::cluster::NodeName;
use crate::cluster::bus::inbox::Inbox;
use crate::cluster::bus::{Bus, BusEvent, Topic};

/// A network that does to messages what networks do, drawn from a seed: it delays, loses, doubles and reorders them, and may
/// be cut between any nodes, in one direction or both.
///
/// Time passes when [`run_to`](Self::run_to) says so, from zero on. Equal seeds, with the same calls, give the same. It is a
/// handle: a clone is another of the same network.
///
/// ```
/// use std::task::{Context, Poll, Waker};
/// use std::time::Duration;
///
/// use irc_server::cluster::bus::{Bus, BusEvent, Simulated, Topic};
/// use irc_server::cluster::NodeName;
///
/// let network = Simulated::new(42);
/// let [a, b] = ["a", "b"].map(|name| network.bus(NodeName::new(name).unwrap()));
/// a.publish(&Topic::Everyone, "hello".into());
/// network.run_to(Duration::from_secs(1));
/// let mut context = Context::from_waker(Waker::noop());
/// assert_eq!(b.poll_event(&mut context), Poll::Ready(BusEvent::Up));
/// assert_eq!(b.poll_event(&mut context), Poll::Ready(BusEvent::Message("hello".into())));
/// ```
#[derive(Debug, Clone)]
pub struct Simulated(Arc<Mutex<Network>>);

/// What happens to messages on a [`Simulated`] network.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// How long a message takes. Those that one node sends another keep their order, as a connection keeps it.
    pub delay: Range<Duration>,
    /// The part of the messages that is lost, from 0.0 to 1.0.
    pub loss: f64,
    /// The part that comes twice.
    pub duplicates: f64,
    /// The part that may overtake, or be overtaken, also between the same two nodes.
    pub reordered: f64,
}

impl Default for Faults {
    /// Some milliseconds of delay, and nothing worse.
    fn default() -> Self {
        let delay = Duration::from_millis(1)..Duration::from_millis(20);
        Self { delay, loss: 0.0, duplicates: 0.0, reordered: 0.0 }
    }
}

#[derive(Debug)]
struct Network {
    random: fastrand::Rng,
    faults: Faults,
    now: Duration,
    /// The number of the latest bus, and of the latest message in flight.
    counter: u64,
    buses: BTreeMap<NodeName, Seat>,
    /// By arrival, then in the order in which they were sent.
    in_flight: BTreeMap<(Duration, u64), InFlight>,
    /// When the latest message arrives that keeps the order, from one bus at another.
    latest: BTreeMap<(u64, NodeName), Duration>,
    /// The ways that are cut.
    cuts: Vec<(NodeName, NodeName)>,
}

#[derive(Debug)]
struct Seat {
    bus: u64,
    inbox: Arc<Inbox>,
}

#[derive(Debug)]
struct InFlight {
    from: NodeName,
    to: NodeName,
    message: Bytes,
}

impl Simulated {
    /// Makes a network without nodes.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Network {
            random: fastrand::Rng::with_seed(seed),
            faults: Faults::default(),
            now: Duration::ZERO,
            counter: 0,
            buses: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            latest: BTreeMap::new(),
            cuts: Vec::new(),
        })))
    }

    /// The bus of a node. One that had this name before is cut off for good, as if its process had ended.
    pub fn bus(&self, node: NodeName) -> SimulatedBus {
        let mut network = self.lock();
        network.counter += 1;
        let (bus, inbox) = (network.counter, Arc::new(Inbox::default()));
        inbox.push(BusEvent::Up);
        network.buses.insert(node.clone(), Seat { bus, inbox: Arc::clone(&inbox) });
        SimulatedBus { network: self.clone(), node, bus, inbox }
    }

    /// Sets what happens to what is published from here on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Cuts the way from one node to another; what is under way is lost, too.
    pub fn cut(&self, from: &NodeName, to: &NodeName) {
        self.lock().cuts.push((from.clone(), to.clone()));
    }

    /// Ends all cuts.
    pub fn heal(&self) {
        self.lock().cuts.clear();
    }

    /// The time that has passed.
    pub fn now(&self) -> Duration {
        self.lock().now
    }

    /// When the next message arrives, if one is under way.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.lock().in_flight.keys().next().map(|&(arrival, _)| arrival)
    }

    /// Lets time pass up to this moment, and puts what arrives before or at it into the queues of its nodes.
    pub fn run_to(&self, moment: Duration) {
        let mut network = self.lock();
        network.now = network.now.max(moment);
        while let Some(first) = network.in_flight.first_entry().filter(|first| first.key().0 <= moment) {
            let InFlight { from, to, message } = first.remove();
            if network.cuts.iter().any(|(cut_from, cut_to)| *cut_from == from && *cut_to == to) {
                continue;
            }
            if let Some(seat) = network.buses.get(&to) {
                seat.inbox.push(BusEvent::Message(message));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Network> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network {
    fn send(&mut self, bus: u64, from: &NodeName, to: &NodeName, message: &Bytes) {
        if self.random.f64() < self.faults.loss {
            return;
        }
        let copies = if self.random.f64() < self.faults.duplicates { 2 } else { 1 };
        for copy in 0..copies {
            let delay = self.faults.delay.clone();
            let drawn = self.random.u64(delay.start.as_micros() as u64..=delay.end.as_micros() as u64);
            let mut arrival = self.now + Duration::from_micros(drawn);
            let is_reordered = copy > 0 || self.random.f64() < self.faults.reordered;
            if !is_reordered {
                let latest = self.latest.entry((bus, to.clone())).or_default();
                arrival = arrival.max(*latest);
                *latest = arrival;
            }
            self.counter += 1;
            let in_flight = InFlight { from: from.clone(), to: to.clone(), message: message.clone() };
            self.in_flight.insert((arrival, self.counter), in_flight);
        }
    }
}

/// A node's bus on a simulated network, from [`Simulated::bus`]. The network forgets it when it is dropped.
#[derive(Debug)]
pub struct SimulatedBus {
    network: Simulated,
    node: NodeName,
    bus: u64,
    inbox: Arc<Inbox>,
}

impl SimulatedBus {
    fn is_current(&self, network: &Network) -> bool {
        network.buses.get(&self.node).is_some_and(|seat| seat.bus == self.bus)
    }
}

impl Bus for SimulatedBus {
    fn publish(&self, topic: &Topic, message: Bytes) {
        let mut network = self.network.lock();
        if !self.is_current(&network) {
            return;
        }
        let recipients: Vec<_> = match topic {
            Topic::Everyone => network.buses.keys().filter(|node| **node != self.node).cloned().collect(),
            Topic::Node(node) => vec![node.clone()],
        };
        for to in recipients {
            network.send(self.bus, &self.node, &to, &message);
        }
    }

    fn poll_event(&self, context: &mut Context<'_>) -> Poll<BusEvent> {
        self.inbox.poll(context)
    }
}

impl Drop for SimulatedBus {
    fn drop(&mut self) {
        let mut network = self.network.lock();
        if self.is_current(&network) {
            network.buses.remove(&self.node);
        }
        network.latest.retain(|(bus, _), _| *bus != self.bus);
    }
}
