//! A network inside this process, for simulations: hosts, links, and the packets on their way.
//!
//! It has no tasks of its own. Sockets put packets into a queue ordered by arrival time; the driver of the simulation
//! takes them out when that time has come.

mod addresses;
mod conn;
mod datagram;
mod delivery;
mod host;
mod keep_alive;
mod link;
mod log;
mod packet;
mod state;
mod stream;

pub(crate) use addresses::HostId;
pub use link::Link;

use std::cell::RefCell;
use std::future::ready;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use crate::net::resolver::{Resolver, Resolving};
use crate::simnet::addresses::{ipv4_of, ipv6_of};
use crate::simnet::log::Log;
use crate::simnet::state::{NetworkState, pair};
use crate::time::clock::Clock;

/// The network of one simulation.
pub(crate) struct Network {
    pub(crate) clock: Rc<Clock>,
    state: RefCell<NetworkState>,
}

impl Network {
    pub(crate) fn new(clock: Rc<Clock>, seed: u64) -> Rc<Self> {
        let started = clock.now();
        Rc::new(Self { clock, state: RefCell::new(NetworkState::new(started, seed)) })
    }

    /// Adds a host, or brings one back that went down.
    pub(crate) fn add_host(&self, name: &str) -> HostId {
        let mut state = self.state.borrow_mut();
        let id = state.host_named(name).unwrap_or_else(|| state.add_host(name));
        state.hosts[id].up = true;
        state.log_host(self.clock.now(), id, &"up");
        // Peers that have sent something meanwhile learn that their connections are gone.
        state.send_held(self.clock.now());
        id
    }

    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        self.state.borrow().host_named(name)
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
        state.note_cut(self.clock.now());
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
        state.note_cut(self.clock.now());
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
            state.note_cut(self.clock.now());
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
        wakers.into_iter().for_each(Waker::wake);
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
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The addresses of a host with this name.
    pub(crate) fn addresses_of(&self, name: &str) -> Vec<IpAddr> {
        if name == "localhost" {
            return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        self.host_named(name).map_or_else(Vec::new, |host| vec![ipv6_of(host).into(), ipv4_of(host).into()])
    }

    pub(crate) fn log(&self) -> Log {
        self.state.borrow().log.clone()
    }
}

impl Resolver for Network {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(ready(Ok(self.addresses_of(host).into_iter().map(|ip| SocketAddr::new(ip, port)).collect())))
    }
}
