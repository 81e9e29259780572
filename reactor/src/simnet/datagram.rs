//! Datagram sockets of a simulated host.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::datagram::interface::Interface;
use crate::datagram::options::DatagramOptions;
use crate::datagram::socket::{DatagramSocket, Deliver, Ends, Route, TooLong, WrongFamily};
use crate::hub::Hub;
use crate::simnet::Network;
use crate::simnet::addresses::{HostId, is_for_many, overlap, source_address};
use crate::simnet::host::Mailbox;
use crate::simnet::packet::Datagram;

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
            groups: HashSet::new(),
            refused: false,
            waker: None,
        }));
        state.hosts[host].mailboxes.insert(address, Rc::clone(&mailbox));
        let (broadcast, loopback) = (options.broadcast, options.multicast_loopback);
        Ok(SimDatagramSocket { network: Rc::clone(self), host, address, mailbox, broadcast, loopback })
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

/// 65,535 bytes less the headers of IP and UDP.
const LARGEST_OVER_IPV4: usize = 65_507;

/// 65,535 bytes less the header of UDP.
const LARGEST_OVER_IPV6: usize = 65_527;
