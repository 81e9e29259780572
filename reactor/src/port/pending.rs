use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::rc::{Rc, Weak};

use crate::port::Port;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::state::State;

/// A connection that is accepted but not established: whoever holds this, from [`Transport::mark_pending`], has still
/// to hear from the peer before there is a protocol to build. Dropping it says that the connection is established, or
/// over.
#[must_use = "dropped, it says that the connection is established"]
pub struct Pending(Option<(Port, Option<IpAddr>, u64)>);

impl Transport {
    /// For layers that build what is inside them only behind a header or a handshake: counts the connection as not yet
    /// established until the value is dropped, so that its port has only
    /// [so many](crate::net::ListenOptions::max_pending) of them at a time: it may be ended to make room for others. A
    /// connection that no port has accepted is not counted.
    ///
    /// A layer asks for it when it is built, and keeps it where it keeps what has come of the header:
    ///
    /// ```
    /// use reactor::{Factory, Transport};
    /// use reactor::layer::Nested;
    /// use reactor::port::Pending;
    ///
    /// enum Stage {
    ///     Header(Vec<u8>, Pending),
    ///     Open(Nested),
    /// }
    ///
    /// # struct Layer { outer: Transport, stage: Stage, inside: Box<dyn Factory> }
    /// impl Layer {
    ///     fn new(outer: Transport, inside: Box<dyn Factory>) -> Self {
    ///         let stage = Stage::Header(Vec::new(), outer.mark_pending());
    ///         Self { outer, stage, inside }
    ///     }
    ///
    ///     fn header_is_complete(&mut self) {
    ///         match Nested::build(&self.outer, &mut *self.inside) {
    ///             Some(nested) => self.stage = Stage::Open(nested),
    ///             None => self.outer.lose_connection(),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn mark_pending(&self) -> Pending {
        let mut root = self;
        while let Some(outer) = root.0.outer() {
            root = outer;
        }
        let Some(port) = root.0.accepted_by.get().cloned() else { return Pending(None) };
        let source = root.0.peer().source();
        port.change_pending(|all| all.add(source, &root.0));
        Pending(Some((port, source, root.0.id)))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some((port, source, id)) = self.0.take() {
            port.change_pending(|all| all.remove(source, id));
        }
    }
}

/// The connections of a port that are not established, by peers; those that have no address are one.
#[derive(Default)]
pub(crate) struct PendingConnections {
    count: usize,
    /// Of each peer by their numbers, oldest first. None of them is empty.
    peers: HashMap<Option<IpAddr>, BTreeMap<u64, Unestablished>>,
}

struct Unestablished {
    state: Weak<State>,
    /// How many layers wait: one inside another may have begun.
    layers: u32,
}

impl PendingConnections {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn of(&self, source: IpAddr) -> usize {
        self.peers.get(&Some(source)).map_or(0, BTreeMap::len)
    }

    fn add(&mut self, source: Option<IpAddr>, state: &Rc<State>) {
        let all = self.peers.entry(source).or_default();
        let entry = all.entry(state.id).or_insert_with(|| {
            self.count += 1;
            Unestablished { state: Rc::downgrade(state), layers: 0 }
        });
        entry.layers += 1;
    }

    fn remove(&mut self, source: Option<IpAddr>, id: u64) {
        let Some(all) = self.peers.get_mut(&source) else { return };
        // It is no longer there where it has given way.
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

    /// Takes out the oldest of this peer, or else of the one that has most; of several that have, the oldest.
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

impl Port {
    /// Ends the oldest connection that is not established, of this peer or else of the one that has most of them, if there
    /// is one.
    pub(crate) fn displace_pending(&self, of: Option<IpAddr>) -> bool {
        let Some(oldest) = self.change_pending(|all| all.take_oldest(of)) else { return false };
        if let Some(state) = oldest.state.upgrade() {
            Transport(state)
                .fail_connection(CloseReason::failed("gave way to a newer client before it was established"));
        }
        true
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("port", &self.0.as_ref().map(|(port, ..)| port)).finish()
    }
}
