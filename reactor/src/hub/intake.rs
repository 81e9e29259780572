//! What a port knows of the connections it has accepted.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::rc::Weak;

use crate::address::Address;

/// Shared by a port and its connections, and identifies them as that port's.
pub(crate) struct Intake {
    /// The port's address.
    pub(crate) host: Address,
    /// The number of live connections.
    alive: Cell<usize>,
    /// The connections that are not established yet.
    pending: RefCell<PendingConnections>,
}

/// A connection that may have to give way to a newer one.
pub(crate) trait Displace {
    fn displace(&self);
}

impl Intake {
    pub(crate) fn new(host: Address) -> Self {
        Self { host, alive: Cell::new(0), pending: RefCell::default() }
    }

    pub(crate) fn alive(&self) -> usize {
        self.alive.get()
    }

    pub(crate) fn add(&self) {
        self.alive.set(self.alive.get() + 1);
    }

    pub(crate) fn remove(&self) {
        self.alive.set(self.alive.get() - 1);
    }

    pub(crate) fn pending_count(&self) -> usize {
        self.pending.borrow().count
    }

    pub(crate) fn pending_of(&self, source: IpAddr) -> usize {
        self.pending.borrow().of(source)
    }

    pub(crate) fn add_pending(&self, source: Option<IpAddr>, id: u64, connection: Weak<dyn Displace>) {
        self.pending.borrow_mut().add(source, id, connection);
    }

    pub(crate) fn remove_pending(&self, source: Option<IpAddr>, id: u64) {
        self.pending.borrow_mut().remove(source, id);
    }

    /// Ends the oldest unestablished connection of this peer, or else of the peer that has most of them. Returns false
    /// if there is none.
    pub(crate) fn displace_pending(&self, of: Option<IpAddr>) -> bool {
        let Some(oldest) = self.pending.borrow_mut().take_oldest(of) else { return false };
        if let Some(connection) = oldest.connection.upgrade() {
            connection.displace();
        }
        true
    }
}

/// A port's unestablished connections by peer; those without an address count as one peer's.
#[derive(Default)]
struct PendingConnections {
    count: usize,
    /// Each peer's connections by number, oldest first. No peer's map is empty.
    peers: HashMap<Option<IpAddr>, BTreeMap<u64, Unestablished>>,
}

struct Unestablished {
    connection: Weak<dyn Displace>,
    /// How many layers wait: a layer inside another may have begun.
    layers: u32,
}

impl PendingConnections {
    fn of(&self, source: IpAddr) -> usize {
        self.peers.get(&Some(source)).map_or(0, BTreeMap::len)
    }

    fn add(&mut self, source: Option<IpAddr>, id: u64, connection: Weak<dyn Displace>) {
        let all = self.peers.entry(source).or_default();
        let entry = all.entry(id).or_insert_with(|| {
            self.count += 1;
            Unestablished { connection, layers: 0 }
        });
        entry.layers += 1;
    }

    fn remove(&mut self, source: Option<IpAddr>, id: u64) {
        let Some(all) = self.peers.get_mut(&source) else { return };
        // It is no longer there if it has given way.
        let Some(entry) = all.get_mut(&id) else { return };
        entry.layers -= 1;
        if entry.layers == 0 {
            self.take(source, id);
        }
    }

    fn take(&mut self, source: Option<IpAddr>, id: u64) -> Option<Unestablished> {
        let all = self.peers.get_mut(&source)?;
        let taken = all.remove(&id)?;
        if all.is_empty() {
            self.peers.remove(&source);
        }
        self.count -= 1;
        Some(taken)
    }

    /// Takes out this peer's oldest connection, or else that of the peer that has most; among equals, the oldest.
    fn take_oldest(&mut self, of: Option<IpAddr>) -> Option<Unestablished> {
        let oldest = |(source, all): (&Option<IpAddr>, &BTreeMap<u64, Unestablished>)| {
            all.first_key_value().map(|(id, _)| (all.len(), Reverse(*id), *source))
        };
        let (_, Reverse(id), source) = match of {
            Some(_) => self.peers.get_key_value(&of).and_then(oldest),
            None => self.peers.iter().filter_map(oldest).max(),
        }?;
        self.take(source, id)
    }
}
