use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Instant;

use slab::Slab;

use crate::simnet::addresses::HostId;

/// Something in flight in a network.
pub(super) enum Packet {
    /// A client requests a connection; `attempt` counts from 0.
    Open {
        conn: u64,
        attempt: u32,
    },
    /// The server's answer.
    Opened {
        conn: u64,
    },
    /// Nothing listens there.
    Refused {
        conn: u64,
    },
    /// Part of a stream, in flight to one of the ends. `number` counts the parts of that direction.
    Part {
        conn: u64,
        to: usize,
        number: u64,
        part: Part,
    },
    /// The time for an end's packets to get through is over.
    GiveUp {
        conn: u64,
        end: usize,
    },
    /// The time of keep-alive is over for an end of a connection that was cut off then.
    Silence {
        conn: u64,
        end: usize,
        since: Instant,
    },
    Datagram(Box<Datagram>),
    /// In flight back to the sender of this datagram, now without its bytes: there was no receiver.
    Unreachable(Box<Datagram>),
}

impl Packet {
    /// Whether it is a part of what this end has sent.
    pub(super) fn is_part_of(&self, conn: u64, sender: usize) -> bool {
        matches!(self, Self::Part { conn: sent, to, .. } if *sent == conn && *to == 1 - sender)
    }
}

#[derive(Clone)]
pub(super) struct Datagram {
    pub(super) from_host: HostId,
    pub(super) to_host: HostId,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) data: Vec<u8>,
}

pub(super) enum Part {
    Data(Vec<u8>),
    End,
    /// The connection is broken. It does not overtake what was sent before it.
    Reset,
}

/// Packets by arrival time; those of one instant arrive in the order in which they were sent.
#[derive(Default)]
pub(super) struct Queue {
    /// The number counts packets; the index is the packet's place.
    order: BinaryHeap<Reverse<(Instant, u32, u32)>>,
    packets: Slab<Packet>,
    next_number: u32,
}

impl Queue {
    pub(super) fn push(&mut self, at: Instant, packet: Packet) {
        if self.order.is_empty() {
            self.next_number = 0;
        }
        let index = self.packets.insert(packet) as u32;
        self.order.push(Reverse((at, self.next_number, index)));
        self.next_number = self.next_number.checked_add(1).expect("fewer than four billion packets between two lulls");
    }

    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.order.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        let Reverse((_, _, index)) = self.order.pop()?;
        Some(self.packets.remove(index as usize))
    }
}
