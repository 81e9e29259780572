use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::simnet::addresses::HostId;

/// Everything that happened in a network, in order. Equal seeds give equal logs.
#[derive(Clone, Default)]
pub(crate) struct Log {
    entries: Vec<(Duration, LogEntry)>,
    /// The addresses of packets; entries store their indices, so that an entry stays small.
    ways: Vec<(SocketAddr, SocketAddr)>,
    /// The indices of those used by datagrams.
    datagram_ways: HashMap<(SocketAddr, SocketAddr), u32>,
}

#[derive(Clone, Copy)]
enum LogEntry {
    Host(u16, &'static &'static str),
    Pair(u16, u16, &'static &'static str),
    Packet { way: u32, back: bool, what: What, len: u32 },
}

/// The kind of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Open,
    OpenLost,
    Opened,
    NotOpened,
    Data,
    DataAndEnd,
    Reset,
    GivenUp,
    Datagram,
    /// Lost by the network.
    DatagramLost,
    /// There was no receiver.
    DatagramRefused,
}

impl Log {
    pub(super) fn host(&mut self, at: Duration, host: HostId, what: &'static &'static str) {
        self.entries.push((at, LogEntry::Host(host as u16, what)));
    }

    pub(super) fn pair(&mut self, at: Duration, one: HostId, other: HostId, what: &'static &'static str) {
        self.entries.push((at, LogEntry::Pair(one as u16, other as u16, what)));
    }

    /// An index for this pair of addresses.
    pub(super) fn add_way(&mut self, from: SocketAddr, to: SocketAddr) -> u32 {
        self.ways.push((from, to));
        self.ways.len() as u32 - 1
    }

    /// The index for datagrams between two addresses.
    pub(super) fn way_of(&mut self, from: SocketAddr, to: SocketAddr) -> u32 {
        if let Some(way) = self.datagram_ways.get(&(from, to)) {
            return *way;
        }
        let way = self.add_way(from, to);
        self.datagram_ways.insert((from, to), way);
        way
    }

    pub(super) fn packet(&mut self, at: Duration, way: u32, back: bool, what: What, len: usize) {
        self.entries.push((at, LogEntry::Packet { way, back, what, len: len as u32 }));
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, entry) in &self.entries {
            write!(f, "{:>4}.{:09} ", at.as_secs(), at.subsec_nanos())?;
            match entry {
                LogEntry::Host(host, what) => writeln!(f, "host {host} {what}")?,
                LogEntry::Pair(one, other, what) => writeln!(f, "hosts {one} and {other} {what}")?,
                LogEntry::Packet { way, back, what, len } => {
                    let (mut from, mut to) = self.ways[*way as usize];
                    if *back {
                        (from, to) = (to, from);
                    }
                    writeln!(f, "{from} > {to} {what} {len}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open, attempt",
            Self::OpenLost => "open (lost), attempt",
            Self::Opened => "opened",
            Self::NotOpened => "not opened",
            Self::Data => "data",
            Self::DataAndEnd => "data and end",
            Self::Reset => "reset",
            Self::GivenUp => "given up",
            Self::Datagram => "datagram",
            Self::DatagramLost => "datagram (lost)",
            Self::DatagramRefused => "datagram (refused)",
        })
    }
}
