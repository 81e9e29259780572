//! Datagram sockets of a simulated host.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::datagram::interface::Interface;
use crate::datagram::options::DatagramOptions;
use crate::datagram::socket::{DatagramSocket, Deliver, Ends, Route, TooLong, WrongFamily};
use crate::hub::Hub;
use crate::simnet::packet::{Datagram, Packet};
use crate::simnet::{Host, HostId, Network, State, What, covers, overlap, source_address};

/// A bound socket of a simulated host.
pub(crate) struct SimDatagramSocket {
    network: Rc<Network>,
    host: HostId,
    address: SocketAddr,
    mailbox: Rc<RefCell<Mailbox>>,
    broadcast: bool,
    /// Whether what it sends to groups also reaches members on its own host.
    loopback: bool,
}

/// Datagrams that have arrived for a socket. It needs no limit: a simulated host reads at once.
pub(super) struct Mailbox {
    /// The connected peer, and this socket's own address on the way to it.
    ends: Option<Ends>,
    /// Their senders, destinations and bytes.
    unread: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    groups: BTreeSet<IpAddr>,
    refused: bool,
    waker: Option<Waker>,
}

impl Mailbox {
    pub(super) fn is_for(&self, from: SocketAddr, to: SocketAddr) -> bool {
        let is_member = !to.ip().is_multicast() || self.groups.contains(&to.ip());
        is_member && self.ends.as_ref().is_none_or(|ends| ends.peer == from)
    }
}

impl Network {
    pub(crate) fn bind_datagrams(
        self: &Rc<Self>,
        host: HostId,
        mut address: SocketAddr,
        options: &DatagramOptions,
    ) -> io::Result<SimDatagramSocket> {
        let mut state = self.state.borrow_mut();
        state.claim(host, &mut address, |host, address| host.mailboxes.keys().any(|other| overlap(*other, address)))?;
        let mailbox = Rc::new(RefCell::new(Mailbox {
            ends: None,
            unread: VecDeque::new(),
            groups: BTreeSet::new(),
            refused: false,
            waker: None,
        }));
        state.hosts[host].mailboxes.insert(address, Rc::clone(&mailbox));
        let (broadcast, loopback) = (options.broadcast, options.multicast_loopback);
        Ok(SimDatagramSocket { network: Rc::clone(self), host, address, mailbox, broadcast, loopback })
    }
}

impl Host {
    /// The receiver of datagrams to an address of this host.
    pub(super) fn datagrams_at(&self, address: SocketAddr) -> Option<&Rc<RefCell<Mailbox>>> {
        self.mailboxes.iter().find(|(bound, _)| covers(**bound, address)).map(|(_, mailbox)| mailbox)
    }
}

impl SimDatagramSocket {
    /// This socket's own address, as `peer` sees it.
    fn as_seen_by(&self, peer: SocketAddr) -> io::Result<SocketAddr> {
        let host = self.address;
        if host.is_ipv4() != peer.is_ipv4() && host.ip() != Ipv6Addr::UNSPECIFIED {
            return Err(WrongFamily { host, peer }.into());
        }
        let own = if host.ip().is_unspecified() { source_address(self.host, peer) } else { host.ip() };
        Ok(SocketAddr::new(own, host.port()))
    }
}

impl DatagramSocket for SimDatagramSocket {
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        _hub: &Hub,
        _most: usize,
        deliver: &mut Deliver<'_>,
    ) -> Poll<io::Result<()>> {
        let mut mailbox = self.mailbox.borrow_mut();
        if std::mem::take(&mut mailbox.refused) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()));
        }
        let Some((from, to, data)) = mailbox.unread.pop_front() else {
            mailbox.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(mailbox);
        deliver(&data, from, self.address.ip().is_unspecified().then_some(to));
        Poll::Ready(Ok(()))
    }

    fn send(&self, data: &[u8], route: Route) -> io::Result<()> {
        let (mut from, to) = match route.to {
            Some(to) => (self.as_seen_by(to)?, to),
            None => {
                let mut mailbox = self.mailbox.borrow_mut();
                if std::mem::take(&mut mailbox.refused) {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let ends = mailbox.ends.as_ref().ok_or(io::ErrorKind::NotConnected)?;
                (ends.host, ends.peer)
            }
        };
        let most = if to.is_ipv4() { LARGEST_OVER_IPV4 } else { LARGEST_OVER_IPV6 };
        if data.len() > most {
            return Err(TooLong { len: data.len(), source: None }.into());
        }
        let now = self.network.clock.now();
        let mut state = self.network.state.borrow_mut();
        if let Some(chosen) = route.from {
            let is_own = state.host_at(self.host, chosen.ip()) == Some(self.host);
            from = Some(chosen).filter(|_| is_own).ok_or(io::ErrorKind::AddrNotAvailable)?;
            from.set_port(self.address.port());
        }
        if to.ip() == Ipv4Addr::BROADCAST && !self.broadcast {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let to_hosts = if is_for_many(to) {
            (0..state.hosts.len())
                .filter(|host| *host != self.host || self.loopback || !to.ip().is_multicast())
                .collect()
        } else {
            vec![state.host_at(self.host, to.ip()).ok_or(io::ErrorKind::NetworkUnreachable)?]
        };
        for to_host in to_hosts {
            let datagram = Datagram { from_host: self.host, to_host, from, to, data: data.to_vec() };
            state.send_datagram(datagram, now);
        }
        Ok(())
    }

    fn join_group(&self, group: IpAddr, _interface: Interface) -> io::Result<()> {
        let joined = self.mailbox.borrow_mut().groups.insert(group);
        if joined { Ok(()) } else { Err(io::ErrorKind::AddrInUse.into()) }
    }

    fn leave_group(&self, group: IpAddr, _interface: Interface) -> io::Result<()> {
        let left = self.mailbox.borrow_mut().groups.remove(&group);
        if left { Ok(()) } else { Err(io::ErrorKind::AddrNotAvailable.into()) }
    }

    fn connect(&self, peer: SocketAddr) -> io::Result<Ends> {
        let ends = Ends { host: self.as_seen_by(peer)?, peer };
        self.mailbox.borrow_mut().ends = Some(ends);
        Ok(ends)
    }

    fn host(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for SimDatagramSocket {
    fn drop(&mut self) {
        let mailboxes = &mut self.network.state.borrow_mut().hosts[self.host].mailboxes;
        // After a crash another socket may have bound it.
        if mailboxes.get(&self.address).is_some_and(|other| Rc::ptr_eq(other, &self.mailbox)) {
            mailboxes.remove(&self.address);
        }
    }
}

impl State {
    /// Sends a datagram, which may be lost or duplicated.
    fn send_datagram(&mut self, datagram: Datagram, now: Instant) {
        let (from, to, len) = (datagram.from_host, datagram.to_host, datagram.data.len());
        if from == to {
            let at = self.arrival(from, to, len, now);
            return self.schedule(at, Packet::Datagram(Box::new(datagram)));
        }
        let link = self.link_between(from, to).clone();
        let full = self.busy_until.get(&(from, to)).is_some_and(|busy| *busy > now + LONGEST_QUEUE);
        if full || self.happens(link.loss) {
            return self.log_datagram(&datagram, now, What::DatagramLost);
        }
        let copies = if self.happens(link.duplication) { 2 } else { 1 };
        for _ in 0..copies {
            let mut at = self.arrival(from, to, len, now);
            if self.happens(link.reordering) {
                at += link.latency + link.jitter + OVERTAKEN;
            }
            self.schedule(at, Packet::Datagram(Box::new(datagram.clone())));
        }
    }

    pub(super) fn datagram_arrived(&mut self, datagram: Datagram, now: Instant) -> Option<Waker> {
        let Datagram { from_host, to_host, from, to, .. } = datagram;
        if !self.can_reach(from_host, to_host, to.ip()) {
            self.log_datagram(&datagram, now, What::DatagramLost);
            return None;
        }
        let mailbox = self.hosts[to_host].datagrams_at(to).filter(|mailbox| mailbox.borrow().is_for(from, to)).cloned();
        let Some(mailbox) = mailbox else {
            if is_for_many(to) {
                return None;
            }
            self.log_datagram(&datagram, now, What::DatagramRefused);
            let at = self.arrival(to_host, from_host, 0, now);
            self.schedule(at, Packet::Unreachable(Box::new(Datagram { data: Vec::new(), ..datagram })));
            return None;
        };
        let mut mailbox = mailbox.borrow_mut();
        self.log_datagram(&datagram, now, What::Datagram);
        mailbox.unread.push_back((from, to, datagram.data));
        mailbox.waker.take()
    }

    /// The answer to a datagram that had no receiver is back at its sender, which only reports it on a connected
    /// socket.
    pub(super) fn unreachable_arrived(&mut self, refused: &Datagram) -> Option<Waker> {
        let Datagram { from_host, to_host, from, to, .. } = *refused;
        if !self.can_reach(to_host, from_host, from.ip()) {
            return None;
        }
        let mut mailbox = self.hosts[from_host].datagrams_at(from)?.borrow_mut();
        if mailbox.ends.is_none_or(|ends| ends.peer != to) {
            return None;
        }
        mailbox.refused = true;
        mailbox.waker.take()
    }

    fn log_datagram(&mut self, datagram: &Datagram, now: Instant, what: What) {
        let way = self.log.way_of(datagram.from, datagram.to);
        self.log_packet(now, way, false, what, datagram.data.len());
    }
}

/// Whether this is a multicast or broadcast address.
fn is_for_many(to: SocketAddr) -> bool {
    to.ip().is_multicast() || to.ip() == Ipv4Addr::BROADCAST
}

/// 65,535 bytes less the headers of IP and UDP.
const LARGEST_OVER_IPV4: usize = 65_507;

/// 65,535 bytes less the header of UDP.
const LARGEST_OVER_IPV6: usize = 65_527;

/// How long a datagram may wait for a link of limited bandwidth; beyond that there is no room for it.
const LONGEST_QUEUE: Duration = Duration::from_secs(1);

/// How much longer the slow way takes at least.
const OVERTAKEN: Duration = Duration::from_millis(10);
