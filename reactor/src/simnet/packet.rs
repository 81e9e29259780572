use std::cmp::Ordering;
use std::time::Instant;

/// Something on its way through a network.
pub(super) enum Packet {
    /// A client asks for a connection; `attempt` counts from 0.
    Open { conn: u64, attempt: u32 },
    /// The server's answer.
    Opened { conn: u64 },
    /// Nobody listens there.
    Refused { conn: u64 },
    /// Part of a stream, on its way to one of the ends. `number` counts the parts of that direction.
    Part { conn: u64, to: usize, number: u64, part: Part },
    /// An end is told that the connection is broken.
    Reset { conn: u64, to: usize },
    /// The time for what an end has sent to get through is over.
    GiveUp { conn: u64, end: usize },
}

pub(super) enum Part {
    Data(Vec<u8>),
    End,
}

/// A packet and its time of arrival; those of one instant arrive in the order in which they were sent.
pub(super) struct Scheduled {
    pub(super) at: Instant,
    pub(super) number: u64,
    pub(super) packet: Packet,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}
