//! A simulated host, and what arrives at its sockets.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::Waker;

use crate::datagram::socket::Ends;
use crate::simnet::addresses::covers;

pub(super) struct Host {
    pub(super) name: String,
    pub(super) up: bool,
    pub(super) listening: BTreeMap<SocketAddr, Rc<RefCell<Listening>>>,
    pub(super) mailboxes: BTreeMap<SocketAddr, Rc<RefCell<Mailbox>>>,
    pub(super) next_port: u16,
}

impl Host {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            up: false,
            listening: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            next_port: FIRST_EPHEMERAL_PORT,
        }
    }

    /// The receiver of datagrams to an address of this host.
    pub(super) fn datagrams_at(&self, address: SocketAddr) -> Option<&Rc<RefCell<Mailbox>>> {
        self.mailboxes.iter().find(|(bound, _)| covers(**bound, address)).map(|(_, mailbox)| mailbox)
    }

    /// The listener at an address of this host.
    pub(super) fn listening_at(&self, address: SocketAddr) -> Option<Rc<RefCell<Listening>>> {
        self.listening.iter().find(|(bound, _)| covers(**bound, address)).map(|(_, listening)| Rc::clone(listening))
    }
}

/// The socket of a port.
pub(super) struct Listening {
    /// Connections that wait to be accepted.
    pub(super) queue: VecDeque<u64>,
    pub(super) backlog: usize,
    pub(super) waker: Option<Waker>,
}

impl Listening {
    pub(super) fn has_room(&self) -> bool {
        self.queue.len() <= self.backlog
    }
}

/// Datagrams that have arrived for a socket. It needs no limit: a simulated host reads at once.
pub(super) struct Mailbox {
    /// The connected peer, and this socket's own address on the way to it.
    pub(super) ends: Option<Ends>,
    /// Their senders, destinations and bytes.
    pub(super) unread: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    pub(super) groups: HashSet<IpAddr>,
    pub(super) refused: bool,
    pub(super) waker: Option<Waker>,
}

impl Mailbox {
    pub(super) fn is_for(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let is_member = !to.ip().is_multicast() || self.groups.contains(&to.ip());
        is_member && self.ends.as_ref().is_none_or(|ends| ends.peer == from)
    }
}

pub(super) const FIRST_EPHEMERAL_PORT: u16 = 32_768;
