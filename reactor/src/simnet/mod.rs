//! A network inside this process, for simulations: hosts, links, and the packets on their way.
//!
//! It has no tasks of its own. Sockets put packets into a queue ordered by arrival time; the driver of the simulation
//! takes them out when that time has come.

mod conn;
mod datagram;
mod link;
mod log;
mod packet;
mod stream;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::simnet::conn::Conn;
use crate::simnet::datagram::Mailbox;
use crate::simnet::log::What;
use crate::simnet::packet::{Packet, Queue};
use crate::simnet::stream::Listening;
use async_trait::async_trait;
pub use link::Link;
pub(crate) use log::Log;

use crate::net::resolver::Resolver;
use crate::time::clock::Clock;

/// The network of one simulation.
pub(crate) struct Network {
    pub(crate) clock: Rc<Clock>,
    state: RefCell<State>,
}

struct State {
    queue: Queue,
    hosts: Vec<Host>,
    link: Link,
    links: BTreeMap<(HostId, HostId), Link>,
    /// Pairs of hosts between which nothing passes.
    cut: BTreeSet<(HostId, HostId)>,
    /// Addresses that nothing gets through to.
    black_holes: BTreeSet<IpAddr>,
    /// When the last byte in each direction leaves a link with limited bandwidth.
    busy_until: BTreeMap<(HostId, HostId), Instant>,
    /// Stream packets between hosts that cannot reach each other now, to be sent again when they can.
    held: Vec<Packet>,
    /// By number; `None` for one that has ended.
    conns: Vec<Option<Box<Conn>>>,
    random: fastrand::Rng,
    started: Instant,
    log: Log,
}

/// A host's place in the network.
pub(crate) type HostId = usize;

struct Host {
    name: String,
    up: bool,
    listening: BTreeMap<SocketAddr, Rc<RefCell<Listening>>>,
    mailboxes: BTreeMap<SocketAddr, Rc<RefCell<Mailbox>>>,
    next_port: u16,
}

impl Network {
    pub(crate) fn new(clock: Rc<Clock>, seed: u64) -> Rc<Self> {
        let started = clock.now();
        Rc::new(Self {
            clock,
            state: RefCell::new(State {
                queue: Queue::default(),
                hosts: Vec::new(),
                link: Link::new(),
                links: BTreeMap::new(),
                cut: BTreeSet::new(),
                black_holes: BTreeSet::new(),
                busy_until: BTreeMap::new(),
                held: Vec::new(),
                conns: Vec::new(),
                random: fastrand::Rng::with_seed(seed),
                started,
                log: Log::default(),
            }),
        })
    }

    /// Adds a host, or brings one back that went down.
    pub(crate) fn add_host(&self, name: &str) -> HostId {
        let mut state = self.state.borrow_mut();
        let known = state.hosts.iter().position(|host| host.name == name);
        let id = known.unwrap_or_else(|| {
            state.hosts.push(Host {
                name: name.to_owned(),
                up: false,
                listening: BTreeMap::new(),
                mailboxes: BTreeMap::new(),
                next_port: FIRST_EPHEMERAL_PORT,
            });
            state.hosts.len() - 1
        });
        state.hosts[id].up = true;
        state.log_host(self.clock.now(), id, &"up");
        // Peers that have sent something meanwhile learn that their connections are gone.
        state.send_held(self.clock.now());
        id
    }

    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        self.state.borrow().hosts.iter().position(|host| host.name == name)
    }

    /// Takes the power off: connections and ports are gone, and no peer is notified.
    pub(crate) fn crash(&self, host: HostId) {
        let mut state = self.state.borrow_mut();
        state.hosts[host].up = false;
        let listening = std::mem::take(&mut state.hosts[host].listening);
        state.hosts[host].mailboxes.clear();
        for conn in state.conns.iter_mut().flatten() {
            conn.forget_ends_on(host);
        }
        state.drop_held_of(host);
        state.log_host(self.clock.now(), host, &"down");
        drop(state);
        drop(listening);
    }

    pub(crate) fn set_link(&self, link: Link) {
        self.state.borrow_mut().link = link;
    }

    pub(crate) fn set_link_between(&self, one: HostId, other: HostId, link: Link) {
        self.state.borrow_mut().links.insert(pair(one, other), link);
    }

    /// Lets nothing pass between the two hosts. Streams keep what they send and send it again later.
    pub(crate) fn cut(&self, one: HostId, other: HostId) {
        let mut state = self.state.borrow_mut();
        state.cut.insert(pair(one, other));
        state.log_pair(self.clock.now(), one, other, &"cut");
    }

    pub(crate) fn heal(&self, one: HostId, other: HostId) {
        let mut state = self.state.borrow_mut();
        state.cut.remove(&pair(one, other));
        state.log_pair(self.clock.now(), one, other, &"healed");
        state.send_held(self.clock.now());
    }

    /// Blocks an address, or unblocks it.
    pub(crate) fn set_black_hole(&self, address: IpAddr, on: bool) {
        let mut state = self.state.borrow_mut();
        if on {
            state.black_holes.insert(address);
        } else {
            state.black_holes.remove(&address);
            state.send_held(self.clock.now());
        }
    }

    /// Resets every connection between the two hosts, at both ends, now.
    pub(crate) fn reset_between(&self, one: HostId, other: HostId) {
        let mut state = self.state.borrow_mut();
        let wakers: Vec<_> = state
            .conns
            .iter_mut()
            .flatten()
            .filter(|conn| pair(conn.ends[0].host, conn.ends[1].host) == pair(one, other))
            .flat_map(|conn| conn.break_both(io::ErrorKind::ConnectionReset))
            .collect();
        state.log_pair(self.clock.now(), one, other, &"reset");
        drop(state);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// When the next packet arrives.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.state.borrow().queue.next_arrival()
    }

    /// Delivers the next packet, whose time has come.
    pub(crate) fn deliver(&self) {
        let mut state = self.state.borrow_mut();
        let Some(packet) = state.queue.pop() else { return };
        let wakers = state.arrive(packet, self.clock.now());
        drop(state);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }

    /// The addresses of a host with this name.
    pub(crate) fn addresses_of(&self, name: &str) -> Vec<IpAddr> {
        if name == "localhost" {
            return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        let state = self.state.borrow();
        let host = state.hosts.iter().position(|host| host.name == name);
        host.map_or_else(Vec::new, |host| vec![ipv6_of(host).into(), ipv4_of(host).into()])
    }

    pub(crate) fn log(&self) -> Log {
        self.state.borrow().log.clone()
    }
}

#[async_trait(?Send)]
impl Resolver for Network {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.addresses_of(host).into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

impl State {
    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.random.f64() < probability
    }

    fn schedule(&mut self, at: Instant, packet: Packet) {
        self.queue.push(at, packet);
    }

    fn conn(&mut self, conn: u64) -> Option<&mut Conn> {
        self.conns.get_mut(conn as usize)?.as_deref_mut()
    }

    fn forget(&mut self, conn: u64) {
        self.conns[conn as usize] = None;
    }

    fn log_host(&mut self, now: Instant, host: HostId, what: &'static &'static str) {
        self.log.host(now - self.started, host, what);
    }

    fn log_pair(&mut self, now: Instant, one: HostId, other: HostId, what: &'static &'static str) {
        self.log.pair(now - self.started, one, other, what);
    }

    fn log_packet(&mut self, now: Instant, way: u32, back: bool, what: What, len: usize) {
        self.log.packet(now - self.started, way, back, what, len);
    }

    fn link_between(&self, one: HostId, other: HostId) -> &Link {
        self.links.get(&pair(one, other)).unwrap_or(&self.link)
    }

    fn can_reach(&self, from: HostId, to: HostId, address: IpAddr) -> bool {
        self.hosts[to].up && !self.cut.contains(&pair(from, to)) && !self.black_holes.contains(&address)
    }

    /// When a packet of `len` bytes that leaves now will arrive.
    fn arrival(&mut self, from: HostId, to: HostId, len: usize, now: Instant) -> Instant {
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
    fn host_at(&self, from: HostId, ip: IpAddr) -> Option<HostId> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(from);
        }
        (0..self.hosts.len()).find(|host| ip == ipv4_of(*host) || ip == ipv6_of(*host))
    }
}

pub(crate) fn ipv4_of(host: HostId) -> Ipv4Addr {
    let [high, low] = (host as u16 + 1).to_be_bytes();
    Ipv4Addr::new(10, 0, high, low)
}

pub(crate) fn ipv6_of(host: HostId) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host as u16 + 1)
}

/// The address that a host sends from to `to`.
fn source_address(host: HostId, to: SocketAddr) -> IpAddr {
    match to {
        _ if to.ip().is_loopback() => to.ip(),
        SocketAddr::V4(_) => ipv4_of(host).into(),
        SocketAddr::V6(_) => ipv6_of(host).into(),
    }
}

/// Whether a socket bound to `bound` receives what is sent to `address`. On Linux `[::]` stands for both families.
fn covers(bound: SocketAddr, address: SocketAddr) -> bool {
    let everything = match bound.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() && address.is_ipv4(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    bound.port() == address.port() && (everything || bound.ip() == address.ip())
}

/// Whether two sockets cannot be bound side by side.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    covers(one, other) || covers(other, one)
}

fn pair(one: HostId, other: HostId) -> (HostId, HostId) {
    (one.min(other), one.max(other))
}

const FIRST_EPHEMERAL_PORT: u16 = 32_768;

const LOOPBACK_LATENCY: Duration = Duration::from_micros(20);
