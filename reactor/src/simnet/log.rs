use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::simnet::HostId;

/// What happened in a network, in order. Equal seeds give equal logs.
#[derive(Clone, Default)]
pub(crate) struct Log {
    now: Duration,
    entries: Vec<(Duration, Entry)>,
}

#[derive(Clone)]
enum Entry {
    Host(HostId, &'static str),
    Pair(HostId, HostId, &'static str),
    Packet { from: SocketAddr, to: SocketAddr, what: &'static str, len: usize },
}

impl Log {
    pub(super) fn set_time(&mut self, now: Duration) {
        self.now = now;
    }

    pub(super) fn host(&mut self, host: HostId, what: &'static str) {
        self.entries.push((self.now, Entry::Host(host, what)));
    }

    pub(super) fn pair(&mut self, one: HostId, other: HostId, what: &'static str) {
        self.entries.push((self.now, Entry::Pair(one, other, what)));
    }

    pub(super) fn packet(&mut self, from: SocketAddr, to: SocketAddr, what: &'static str, len: usize) {
        self.entries.push((self.now, Entry::Packet { from, to, what, len }));
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, entry) in &self.entries {
            write!(f, "{:>4}.{:06} ", at.as_secs(), at.subsec_micros())?;
            match entry {
                Entry::Host(host, what) => writeln!(f, "host {host} {what}")?,
                Entry::Pair(one, other, what) => writeln!(f, "hosts {one} and {other} {what}")?,
                Entry::Packet { from, to, what, len } => writeln!(f, "{from} > {to} {what} {len}")?,
            }
        }
        Ok(())
    }
}
