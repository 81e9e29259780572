//! UDP: sockets that carry datagrams.

use std::cell::{Cell, RefCell};
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{array, io};

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use nix::cmsg_space;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, UdpGsoSegment};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, getsockopt, recvmmsg, setsockopt};
use socket2::{Domain, InterfaceIndexOrAddress, MsgHdr, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::address::unmapped;
use crate::datagram::control::{Control, sent_to};
use crate::datagram::interface::{Interface, invalid};
use crate::datagram::options::DatagramOptions;
use crate::datagram::socket::{DatagramSocket, Deliver, Ends, Route, WrongFamily, unsent};
use crate::hub::Hub;
use crate::hub::buffers::{BATCH, READ_BUFFER};

/// A bound socket.
pub(crate) struct UdpPort {
    socket: Arc<UdpSocket>,
    host: SocketAddr,
    /// An IPv6 socket that also reaches IPv4 addresses.
    dual: bool,
    receiving: RefCell<MultiHeaders<SockaddrStorage>>,
    /// Whether it is bound to all addresses, and reports with each datagram which of them it was sent to.
    tells_asked: bool,
    /// Whether several datagrams may be handed to the system as one.
    segments: Cell<bool>,
    /// Waits for the poller to report an error; `None` before the socket is connected.
    error: RefCell<Option<LocalBoxFuture<'static, io::Result<()>>>>,
}

impl UdpPort {
    /// Binds a socket; `share_port` sets `SO_REUSEPORT`. Needs the runtime's context.
    pub(crate) fn bind(address: SocketAddr, options: &DatagramOptions, share_port: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if share_port || options.listen_multiple {
            socket.set_reuse_port(true)?;
        }
        if options.listen_multiple {
            socket.set_reuse_address(true)?;
        }
        options.buffers.set_on(&socket)?;
        if options.only_v6 && address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if address.is_ipv6() {
            set_ipv6_options(&socket, options)?;
        }
        // A socket for both families has the options of both.
        if address.is_ipv4() || (address.ip().is_unspecified() && !socket.only_v6()?) {
            set_ipv4_options(&socket, options)?;
        }
        socket.bind(&address.into())?;
        Self::adopt(socket)
    }

    /// Takes over a non-blocking socket that is bound already. Needs the runtime's context.
    pub(crate) fn adopt(socket: Socket) -> io::Result<Self> {
        let only_v6 = socket.only_v6();
        let socket = UdpSocket::from_std(socket.into())?;
        let host = socket.local_addr()?;
        // Otherwise it would receive for groups that any socket of the machine has joined. Old systems only support
        // this for IPv4.
        let groups = SockRef::from(&socket);
        let _ = groups.set_multicast_all_v4(false);
        if host.is_ipv6() {
            let _ = groups.set_multicast_all_v6(false);
        }
        // A socket bound to one address has no IPv4 address to send from.
        let dual = host.is_ipv6() && host.ip().is_unspecified() && !only_v6?;
        let tells_asked = host.ip().is_unspecified() && tell_asked(&socket, host).is_ok();
        let room = tells_asked.then(|| cmsg_space!(libc::in6_pktinfo));
        Ok(Self {
            receiving: RefCell::new(MultiHeaders::preallocate(BATCH, room)),
            tells_asked,
            // Systems that do not support it would send one long datagram.
            segments: Cell::new(getsockopt(&socket, UdpGsoSegment).is_ok()),
            socket: Arc::new(socket),
            host,
            dual,
            error: RefCell::new(None),
        })
    }

    pub(crate) fn socket_addr(&self) -> SocketAddr {
        self.host
    }

    pub(crate) fn socket(&self) -> &Arc<UdpSocket> {
        &self.socket
    }

    /// The pending error, as soon as there is one. The poller does not count an error as readable.
    fn poll_error(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let mut error = self.error.borrow_mut();
        let Some(reported) = &mut *error else { return Poll::Pending };
        // Until it is pending, because only then is it woken.
        while let Poll::Ready(result) = reported.poll_unpin(cx) {
            *reported = error_reported(&self.socket);
            // `None` if a write has already reported it.
            if let Some(error) = result.and_then(|()| self.socket.take_error()).transpose() {
                return Poll::Ready(error.unwrap_or_else(|error| error));
            }
        }
        Poll::Pending
    }

    fn ipv4_interface(&self, interface: Interface) -> io::Result<InterfaceIndexOrAddress> {
        if self.host.is_ipv6() && !self.dual {
            return Err(invalid("the port is for IPv6, and the group for IPv4"));
        }
        Ok(match interface {
            Interface::Any => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
            Interface::Address(address) => InterfaceIndexOrAddress::Address(address),
            Interface::Index(index) => InterfaceIndexOrAddress::Index(index),
        })
    }

    fn ipv6_interface(&self, interface: Interface) -> io::Result<u32> {
        if self.host.is_ipv4() {
            return Err(invalid("the port is for IPv4, and the group for IPv6"));
        }
        ipv6_index(interface)
    }

    fn receive_batch(&self, slots: &mut [u8], most: usize, deliver: &mut Deliver<'_>) -> io::Result<()> {
        let mut received = [(0, None, None); BATCH];
        let mut count = 0;
        let result = self.socket.try_io(Interest::READABLE, || {
            let mut rest = slots.chunks_exact_mut(READ_BUFFER);
            let mut slots: [_; BATCH] = array::from_fn(|_| [IoSliceMut::new(rest.next().unwrap_or_default())]);
            let mut headers = self.receiving.borrow_mut();
            let socket = self.socket.as_raw_fd();
            for datagram in recvmmsg(socket, &mut headers, &mut slots[..most], MsgFlags::empty(), None)? {
                let asked = if self.tells_asked { sent_to(&datagram, self.host.port()) } else { None };
                received[count] = (datagram.bytes, datagram.address.as_ref().and_then(address_of), asked);
                count += 1;
            }
            // Fewer: the socket is now empty, so there is no need to ask. New datagrams wake the poller.
            if count == most { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        });
        for (slot, (len, peer, asked)) in slots.chunks_exact(READ_BUFFER).zip(&received[..count]) {
            if let Some(peer) = *peer {
                deliver(&slot[..*len], unmapped(peer), asked.map(unmapped));
            }
        }
        if count > 0 { Ok(()) } else { result }
    }

    /// Hands bytes to the system with their control messages.
    fn send_with(&self, control: Control, data: &[u8], peer: Option<SocketAddr>) -> io::Result<usize> {
        let peer = peer.map(|peer| self.reached_as(peer)).transpose()?.map(SockAddr::from);
        let data = [IoSlice::new(data)];
        let message = MsgHdr::new().with_buffers(&data).with_control(control.as_bytes());
        let message = match &peer {
            Some(peer) => message.with_addr(peer),
            None => message,
        };
        SockRef::from(&*self.socket).sendmsg(&message, 0)
    }

    /// A local address in the form of this socket's family.
    fn sent_as(&self, host: SocketAddr) -> io::Result<SocketAddr> {
        self.reached_as(host).map_err(|_| invalid("the port has no address of that family to send from"))
    }

    /// A peer's address in the form of this socket's family.
    fn reached_as(&self, peer: SocketAddr) -> io::Result<SocketAddr> {
        match (self.host.ip(), peer.ip()) {
            (IpAddr::V6(_), IpAddr::V4(ip)) if self.dual => Ok((ip.to_ipv6_mapped(), peer.port()).into()),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => Ok(peer),
            _ => Err(WrongFamily { host: self.host, peer }.into()),
        }
    }
}

impl DatagramSocket for UdpPort {
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        hub: &Hub,
        most: usize,
        deliver: &mut Deliver<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_error(cx) {
            return Poll::Ready(Err(error));
        }
        loop {
            ready!(self.socket.poll_recv_ready(cx))?;
            match hub.buffers.with_batch_buffer(|slots| self.receive_batch(slots, most, deliver)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
        }
    }

    fn send(&self, data: &[u8], route: Route) -> io::Result<()> {
        // Not by way of the runtime: it treats a socket as full until the poller has reported otherwise, which before
        // the reactor runs is always.
        let socket = SockRef::from(&*self.socket);
        let sent = match (route.to, route.from) {
            (_, Some(from)) => self.send_with(Control::new().from(self.sent_as(from)?), data, route.to),
            (Some(peer), None) => socket.send_to(data, &self.reached_as(peer)?.into()),
            (None, None) => socket.send(data),
        };
        sent.map(drop).map_err(|error| unsent(error, data.len()))
    }

    fn longest_run(&self, len: usize) -> usize {
        if self.segments.get() && (1..=LARGEST_SEGMENT).contains(&len) { RUN_DATAGRAMS.min(RUN_BYTES / len) } else { 0 }
    }

    fn send_run(&self, data: &[u8], len: usize, route: Route) -> io::Result<()> {
        let control = Control::new().segments(u16::try_from(len).map_err(io::Error::other)?);
        let control = match route.from {
            Some(from) => control.from(self.sent_as(from)?),
            None => control,
        };
        let sent = self.socket.try_io(Interest::WRITABLE, || self.send_with(control, data, route.to)).map(drop);
        if let Err(error) = &sent
            && matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIO | libc::EMSGSIZE))
        {
            // The route to a peer does not support it; remembering which is not worth it.
            self.segments.set(false);
        }
        sent
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_send_ready(cx)
    }

    fn connect(&self, peer: SocketAddr) -> io::Result<Ends> {
        SockRef::from(&*self.socket).connect(&self.reached_as(peer)?.into())?;
        self.error.replace(Some(error_reported(&self.socket)));
        Ok(Ends { host: unmapped(self.socket.local_addr()?), peer: unmapped(self.socket.peer_addr()?) })
    }

    fn join_group(&self, group: IpAddr, interface: Interface) -> io::Result<()> {
        let socket = SockRef::from(&*self.socket);
        match group {
            IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &self.ipv4_interface(interface)?),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, self.ipv6_interface(interface)?),
        }
    }

    fn leave_group(&self, group: IpAddr, interface: Interface) -> io::Result<()> {
        let socket = SockRef::from(&*self.socket);
        match group {
            IpAddr::V4(group) => socket.leave_multicast_v4_n(&group, &self.ipv4_interface(interface)?),
            IpAddr::V6(group) => socket.leave_multicast_v6(&group, self.ipv6_interface(interface)?),
        }
    }

    fn host(&self) -> SocketAddr {
        self.host
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }
}

/// Has the socket report with each datagram which address it was sent to.
fn tell_asked(socket: &UdpSocket, host: SocketAddr) -> nix::Result<()> {
    match host {
        SocketAddr::V4(_) => setsockopt(socket, Ipv4PacketInfo, &true),
        // Also reports IPv4 addresses on a socket for both families.
        SocketAddr::V6(_) => setsockopt(socket, Ipv6RecvPacketInfo, &true),
    }
}

fn set_ipv4_options(socket: &Socket, options: &DatagramOptions) -> io::Result<()> {
    if options.broadcast {
        socket.set_broadcast(true)?;
    }
    if let Some(hops) = options.ttl {
        socket.set_ttl_v4(hops.into())?;
    }
    if let Some(hops) = options.multicast_ttl {
        socket.set_multicast_ttl_v4(hops.into())?;
    }
    if !options.multicast_loopback {
        socket.set_multicast_loop_v4(false)?;
    }
    match options.multicast_interface {
        Interface::Any => Ok(()),
        Interface::Address(address) => socket.set_multicast_if_v4(&address),
        Interface::Index(index) => {
            let any = Ipv4Addr::UNSPECIFIED;
            Ok(rustix::net::sockopt::set_ip_multicast_if_with_ifindex(socket, &any, &any, index)?)
        }
    }
}

fn set_ipv6_options(socket: &Socket, options: &DatagramOptions) -> io::Result<()> {
    if let Some(hops) = options.ttl {
        socket.set_unicast_hops_v6(hops.into())?;
    }
    if let Some(hops) = options.multicast_ttl {
        socket.set_multicast_hops_v6(hops.into())?;
    }
    if !options.multicast_loopback {
        socket.set_multicast_loop_v6(false)?;
    }
    match options.multicast_interface {
        Interface::Any => Ok(()),
        interface => socket.set_multicast_if_v6(ipv6_index(interface)?),
    }
}

/// IPv6 identifies interfaces by number only.
fn ipv6_index(interface: Interface) -> io::Result<u32> {
    match interface {
        Interface::Any => Ok(0),
        Interface::Index(index) => Ok(index),
        Interface::Address(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("IPv6 needs an interface by its number, not {interface}"),
        )),
    }
}

fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    let ipv4 = address.as_sockaddr_in().map(|address| SocketAddr::V4((*address).into()));
    ipv4.or_else(|| address.as_sockaddr_in6().map(|address| SocketAddr::V6((*address).into())))
}

fn error_reported(socket: &Arc<UdpSocket>) -> LocalBoxFuture<'static, io::Result<()>> {
    let socket = Arc::clone(socket);
    async move {
        socket.ready(Interest::ERROR).await?;
        // The runtime must forget this report, and wait for the next.
        let _ = socket.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        Ok(())
    }
    .boxed_local()
}

/// What fits into an Ethernet frame over IPv6: longer datagrams may have to be fragmented, which a run does not allow.
const LARGEST_SEGMENT: usize = 1_452;

/// The maximum number that all systems split at once.
const RUN_DATAGRAMS: usize = 64;

/// What fits into one IP datagram of either version.
const RUN_BYTES: usize = 65_000;
