//! Stream connections as the network sees them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::simnet::addresses::HostId;
use crate::simnet::log::Log;
use crate::simnet::packet::Part;

/// A connection: end 0 requested it, end 1 accepts it.
pub(super) struct Conn {
    pub(super) ends: [End; 2],
    pub(super) phase: ConnPhase,
    /// The index of its addresses in the log.
    pub(super) way: u32,
    /// Since when its ends do not reach each other, while they do not.
    pub(super) cut_off: Option<Instant>,
    /// Whether a packet of this kind is in flight: see `Packet::GiveUp`.
    pub(super) gives_up: [bool; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnPhase {
    Opening,
    Open,
    Failed(io::ErrorKind),
}

pub(super) struct End {
    pub(super) host: HostId,
    pub(super) address: SocketAddr,
    /// Bytes that have arrived and were not read yet.
    pub(super) unread: VecDeque<u8>,
    /// Whether the peer's stream has ended after those.
    pub(super) ended: bool,
    /// Why the connection is broken, once this end knows.
    pub(super) broken: Option<io::ErrorKind>,
    /// Whether this end's stream was ended.
    pub(super) shut: bool,
    /// Whether this end was released: the socket was closed, or its host went down.
    pub(super) released: bool,
    /// How many bytes this end has sent that the other end has not read.
    pub(super) in_flight: usize,
    pub(super) parts_sent: u64,
    pub(super) parts_arrived: u64,
    /// Parts that have overtaken others.
    pub(super) early: BTreeMap<u64, Part>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// How long its peer may be out of reach, while nothing is sent.
    pub(super) keep_alive: Option<Duration>,
}

impl End {
    pub(super) fn new(host: HostId, address: SocketAddr) -> Self {
        Self {
            host,
            address,
            unread: VecDeque::new(),
            ended: false,
            broken: None,
            shut: false,
            released: false,
            in_flight: 0,
            parts_sent: 0,
            parts_arrived: 0,
            early: BTreeMap::new(),
            reader: None,
            writer: None,
            keep_alive: None,
        }
    }

    pub(super) fn break_off(&mut self, kind: io::ErrorKind, wakers: &mut Vec<Waker>) {
        self.broken.get_or_insert(kind);
        wakers.extend(self.reader.take());
        wakers.extend(self.writer.take());
    }
}

impl Conn {
    pub(super) fn new(client: End, server: End, log: &mut Log) -> Self {
        let way = log.add_way(client.address, server.address);
        Self { ends: [client, server], phase: ConnPhase::Opening, way, cut_off: None, gives_up: [false; 2] }
    }

    pub(super) fn forget_ends_on(&mut self, host: HostId) {
        for end in self.ends.iter_mut().filter(|end| end.host == host) {
            end.released = true;
            end.unread.clear();
            end.early.clear();
            end.reader = None;
            end.writer = None;
        }
    }

    pub(super) fn break_both(&mut self, kind: io::ErrorKind) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for end in &mut self.ends {
            end.break_off(kind, &mut wakers);
        }
        wakers
    }
}
