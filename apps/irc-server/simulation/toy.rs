use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use irc_server::cluster::{Delivery, NodeName, Owner};
use serde::{Deserialize, Serialize};

/// The smallest owner of a link that notices every mistake: its own state is how many events it has sent, and beside that it knows
/// some registers, of which the last writer's value counts.
pub(crate) struct Toy {
    node: NodeName,
    life: Life,
    registers: BTreeMap<u8, Value>,
    /// What is known of the others while they are up.
    others: BTreeMap<NodeName, Life>,
    /// The most that was ever known of them.
    seen: BTreeMap<NodeName, Life>,
}

/// How many parts the registers are compared in.
const PARTS: usize = 3;

/// How far a node has come in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Life {
    epoch: u64,
    events: u64,
}

/// When it was written, by whom, and what: the largest counts.
type Value = (u64, NodeName, u64);

#[derive(Serialize, Deserialize)]
struct Event {
    /// How many events there are with this one.
    number: u64,
    written: Option<(u8, Value)>,
    padding: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    life: Life,
    registers: BTreeMap<u8, Value>,
    padding: Vec<u8>,
}

/// What all nodes are to agree on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The nodes that are up.
    pub(crate) lives: BTreeMap<NodeName, Life>,
    registers: BTreeMap<u8, Value>,
}

impl Toy {
    pub(crate) fn new(node: NodeName, epoch: u64) -> Self {
        let life = Life { epoch, events: 0 };
        Self { node, life, registers: BTreeMap::new(), others: BTreeMap::new(), seen: BTreeMap::new() }
    }

    /// Makes an event, which may write a register.
    pub(crate) fn change(&mut self, random: &mut fastrand::Rng, time: u64) -> Bytes {
        self.life.events += 1;
        let written = (random.u8(..) < 100).then(|| (random.u8(..16), (time, self.node.clone(), random.u64(..1000))));
        if let Some((register, value)) = &written {
            self.merge(*register, value.clone());
        }
        let padding = vec![0; random.usize(..200)];
        encode(&Event { number: self.life.events, written, padding })
    }

    /// Takes what the link delivers.
    ///
    /// # Panics
    ///
    /// If it delivers an event twice, out of order or not at all, or of a node that is not up.
    pub(crate) fn delivered(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Up { node, snapshot } => {
                let Snapshot { life, registers, .. } = decode(&snapshot);
                let seen = self.seen.insert(node.clone(), life);
                assert!(
                    seen.is_none_or(|seen| seen <= life),
                    "{}: {node} goes back to {life:?} from {seen:?}",
                    self.node
                );
                self.others.insert(node, life);
                for (register, value) in registers {
                    self.merge(register, value);
                }
            }
            Delivery::Event { node, payload } => {
                let Event { number, written, .. } = decode(&payload);
                let life = self.others.get_mut(&node).expect("an event comes from a node that is up");
                assert_eq!(number, life.events + 1, "{}: the next event of {node}", self.node);
                life.events = number;
                self.seen.insert(node, *life);
                if let Some((register, value)) = written {
                    self.merge(register, value);
                }
            }
            Delivery::Down { node } => assert!(self.others.remove(&node).is_some(), "{node} was up"),
            Delivery::Registers { registers, .. } => {
                let (register, value) = decode(&registers);
                self.merge(register, value);
            }
            Delivery::Replaced => panic!("{} has no double", self.node),
        }
    }

    /// What it believes, with itself.
    pub(crate) fn view(&self) -> View {
        let mut lives = self.others.clone();
        lives.insert(self.node.clone(), self.life);
        View { lives, registers: self.registers.clone() }
    }

    fn registers_of(&self, part: usize) -> impl Iterator<Item = (&u8, &Value)> {
        self.registers.iter().filter(move |(register, _)| usize::from(**register) % PARTS == part)
    }

    fn merge(&mut self, register: u8, value: Value) {
        let known = self.registers.entry(register).or_insert_with(|| value.clone());
        if *known < value {
            *known = value;
        }
    }
}

impl Owner for Toy {
    fn snapshot(&self) -> Bytes {
        encode(&Snapshot { life: self.life, registers: self.registers.clone(), padding: vec![0; 1000] })
    }

    fn digests(&self) -> Vec<u32> {
        let digest = |part| {
            let mut hasher = DefaultHasher::new();
            self.registers_of(part).for_each(|register| register.hash(&mut hasher));
            hasher.finish() as u32
        };
        (0..PARTS).map(digest).collect()
    }

    fn registers(&self, part: usize) -> Vec<Bytes> {
        self.registers_of(part).map(|register| encode(&register)).collect()
    }
}

fn encode(value: &impl Serialize) -> Bytes {
    postcard::to_extend(value, Vec::new()).expect("a list of bytes takes whatever is added to it").into()
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> T {
    postcard::from_bytes(bytes).expect("another toy has sent it")
}
