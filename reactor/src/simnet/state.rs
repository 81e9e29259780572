//! The state of a simulated network: hosts, links, connections, and what is in flight.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::simnet::addresses::{HostId, ipv4_of, ipv6_of};
use crate::simnet::conn::Conn;
use crate::simnet::host::{FIRST_EPHEMERAL_PORT, Host};
use crate::simnet::link::Link;
use crate::simnet::log::{Log, What};
use crate::simnet::packet::{Packet, Queue};

/// Its maps by hash are only asked for single keys: the order of their entries must not matter to what happens.
pub(super) struct NetworkState {
    pub(super) queue: Queue,
    pub(super) hosts: Vec<Host>,
    pub(super) link: Link,
    pub(super) links: HashMap<(HostId, HostId), Link>,
    /// Pairs of hosts between which nothing passes.
    pub(super) cut: HashSet<(HostId, HostId)>,
    /// Addresses that nothing gets through to.
    pub(super) black_holes: HashSet<IpAddr>,
    /// When the last byte in each direction leaves a link with limited bandwidth.
    pub(super) busy_until: HashMap<(HostId, HostId), Instant>,
    /// Stream packets between hosts that cannot reach each other now, to be sent again when they can.
    pub(super) held: Vec<Packet>,
    /// By number; `None` for one that has ended.
    pub(super) conns: Vec<Option<Box<Conn>>>,
    pub(super) random: fastrand::Rng,
    pub(super) started: Instant,
    pub(super) log: Log,
}

impl NetworkState {
    pub(super) fn new(started: Instant, seed: u64) -> Self {
        Self {
            queue: Queue::default(),
            hosts: Vec::new(),
            link: Link::new(),
            links: HashMap::new(),
            cut: HashSet::new(),
            black_holes: HashSet::new(),
            busy_until: HashMap::new(),
            held: Vec::new(),
            conns: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            started,
            log: Log::default(),
        }
    }

    pub(super) fn host_named(&self, name: &str) -> Option<HostId> {
        self.hosts.iter().position(|host| host.name == name)
    }

    /// Adds a host, which is down.
    pub(super) fn add_host(&mut self, name: &str) -> HostId {
        self.hosts.push(Host::new(name));
        self.hosts.len() - 1
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.random.f64() < probability
    }

    pub(super) fn schedule(&mut self, at: Instant, packet: Packet) {
        self.queue.push(at, packet);
    }

    pub(super) fn conn(&mut self, conn: u64) -> Option<&mut Conn> {
        self.conns.get_mut(conn as usize)?.as_deref_mut()
    }

    pub(super) fn forget(&mut self, conn: u64) {
        self.conns[conn as usize] = None;
    }

    pub(super) fn log_host(&mut self, now: Instant, host: HostId, what: &'static &'static str) {
        self.log.host(now - self.started, host, what);
    }

    pub(super) fn log_pair(&mut self, now: Instant, one: HostId, other: HostId, what: &'static &'static str) {
        self.log.pair(now - self.started, one, other, what);
    }

    pub(super) fn log_packet(&mut self, now: Instant, way: u32, back: bool, what: What, len: usize) {
        self.log.packet(now - self.started, way, back, what, len);
    }

    pub(super) fn link_between(&self, one: HostId, other: HostId) -> &Link {
        self.links.get(&pair(one, other)).unwrap_or(&self.link)
    }

    pub(super) fn can_reach(&self, from: HostId, to: HostId, address: IpAddr) -> bool {
        self.hosts[to].up && !self.cut.contains(&pair(from, to)) && !self.black_holes.contains(&address)
    }

    /// When a packet of `len` bytes that leaves now will arrive.
    pub(super) fn arrival(&mut self, from: HostId, to: HostId, len: usize, now: Instant) -> Instant {
        if from == to {
            return now + LOOPBACK_LATENCY;
        }
        let link = self.link_between(from, to).clone();
        let mut leaves = now;
        if let Some(rate) = link.bandwidth {
            let busy = self.busy_until.entry((from, to)).or_insert(now);
            leaves = now.max(*busy) + Duration::from_nanos(len as u64 * 1_000_000_000 / rate.max(1));
            *busy = leaves;
        }
        leaves + link.latency + link.jitter.mul_f64(self.random.f64())
    }

    /// The host that an address leads to, as seen from another.
    pub(super) fn host_at(&self, from: HostId, ip: IpAddr) -> Option<HostId> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(from);
        }
        (0..self.hosts.len()).find(|host| ip == ipv4_of(*host) || ip == ipv6_of(*host))
    }

    /// Finds a free port if port 0 is requested, and checks that the address belongs to the host and is not taken.
    pub(super) fn claim(
        &mut self,
        host: HostId,
        address: &mut SocketAddr,
        is_taken: impl Fn(&Host, SocketAddr) -> bool,
    ) -> io::Result<()> {
        let ip = address.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && ip != ipv4_of(host) && ip != ipv6_of(host) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let this = &mut self.hosts[host];
        if address.port() != 0 {
            return if is_taken(this, *address) { Err(io::ErrorKind::AddrInUse.into()) } else { Ok(()) };
        }
        for _ in FIRST_EPHEMERAL_PORT..u16::MAX {
            address.set_port(this.next_port);
            this.next_port = this.next_port.checked_add(1).unwrap_or(FIRST_EPHEMERAL_PORT);
            if !is_taken(this, *address) {
                return Ok(());
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

pub(super) fn pair(one: HostId, other: HostId) -> (HostId, HostId) {
    (one.min(other), one.max(other))
}

const LOOPBACK_LATENCY: Duration = Duration::from_micros(20);
