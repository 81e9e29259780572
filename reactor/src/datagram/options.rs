use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::datagram::buffer_sizes::BufferSizes;
use crate::datagram::interface::Interface;
use crate::net::listen_options::ListenOptions;

/// Where and how to listen for datagrams. With the defaults, a bare port, an address or a text, as [`ListenOptions`]
/// takes them, is enough.
///
/// ```
/// use reactor::Reactor;
/// use reactor::datagram::DatagramOptions;
/// # use std::net::SocketAddr;
/// # use reactor::datagram::{DatagramProtocol, DatagramTransport};
/// # struct Meter { transport: DatagramTransport }
/// # impl DatagramProtocol for Meter {
/// #     fn datagram_received(&mut self, _: &[u8], _: SocketAddr) {}
/// # }
///
/// let reactor = Reactor::new()?;
/// let options = DatagramOptions::new("127.0.0.1:0").receive_buffer(1 << 20);
/// reactor.listen_udp(options, |transport| Meter { transport })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DatagramOptions {
    address: Result<SocketAddr, String>,
    pub(crate) buffers: BufferSizes,
    pub(crate) listen_multiple: bool,
    pub(crate) only_v6: bool,
    pub(crate) broadcast: bool,
    pub(crate) ttl: Option<u8>,
    pub(crate) multicast_ttl: Option<u8>,
    pub(crate) multicast_loopback: bool,
    pub(crate) multicast_interface: Interface,
}

impl DatagramOptions {
    /// The defaults for this address.
    pub fn new(address: impl Into<Self>) -> Self {
        address.into()
    }

    /// `SO_RCVBUF`: how many received bytes the system may hold (the system's default; it has a maximum of its own, and
    /// includes its own overhead). Datagrams beyond that are lost.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.buffers.receive = Some(bytes);
        self
    }

    /// `SO_SNDBUF`: how many bytes to send the system may hold (the system's default and maximum). Datagrams beyond
    /// that are [refused](crate::datagram::DatagramTransport::write).
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.buffers.send = Some(bytes);
        self
    }

    /// `SO_REUSEADDR` and `SO_REUSEPORT`: whether other ports that request the same may have the same address and
    /// number (off). Each of them receives what is sent to a group that it has joined; only one of them receives what
    /// is sent to the address itself. Twisted's `listenMultiple`.
    pub fn listen_multiple(mut self, on: bool) -> Self {
        self.listen_multiple = on;
        self
    }

    /// `IPV6_V6ONLY`: whether a port on `[::]` leaves IPv4 to other ports (off, unless the system's default is on).
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = on;
        self
    }

    /// `SO_BROADCAST`: whether the port may send to a broadcast address, such as 255.255.255.255 (off: this fails with
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied)). Receiving broadcasts only takes a port on all addresses.
    /// Twisted's `setBroadcastAllowed`.
    pub fn broadcast(mut self, on: bool) -> Self {
        self.broadcast = on;
        self
    }

    /// The hop limit of what is sent to a single peer, one more than the number of routers it may cross: `IP_TTL`, or
    /// the hop limit of IPv6, from 1 to 255 (the system's default, usually 64).
    pub fn ttl(mut self, hops: u8) -> Self {
        self.ttl = Some(hops);
        self
    }

    /// The same for what is sent to multicast groups (1: it stays in the network; with 0, on the machine). Twisted's
    /// `setTTL`.
    pub fn multicast_ttl(mut self, hops: u8) -> Self {
        self.multicast_ttl = Some(hops);
        self
    }

    /// Whether what is sent to multicast groups also reaches members on this machine (on). Twisted's `setLoopbackMode`.
    pub fn multicast_loopback(mut self, on: bool) -> Self {
        self.multicast_loopback = on;
        self
    }

    /// The interface by which multicasts leave ([`Interface::Any`]). The scope of an IPv6 group's address takes
    /// precedence. Twisted's `setOutgoingInterface`.
    pub fn multicast_interface(mut self, interface: Interface) -> Self {
        self.multicast_interface = interface;
        self
    }

    /// All ports accept the same forms of addresses.
    fn at(options: ListenOptions) -> Self {
        Self {
            address: options.address,
            buffers: BufferSizes::default(),
            listen_multiple: false,
            only_v6: false,
            broadcast: false,
            ttl: None,
            multicast_ttl: None,
            multicast_loopback: true,
            multicast_interface: Interface::Any,
        }
    }

    pub(crate) fn socket_addr(&self) -> io::Result<SocketAddr> {
        self.address.clone().map_err(|message| io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

impl From<u16> for DatagramOptions {
    fn from(port: u16) -> Self {
        Self::at(port.into())
    }
}

impl From<SocketAddr> for DatagramOptions {
    fn from(address: SocketAddr) -> Self {
        Self::at(address.into())
    }
}

impl From<(IpAddr, u16)> for DatagramOptions {
    fn from(address: (IpAddr, u16)) -> Self {
        Self::at(address.into())
    }
}

impl From<&str> for DatagramOptions {
    fn from(text: &str) -> Self {
        Self::at(text.into())
    }
}

impl From<String> for DatagramOptions {
    fn from(text: String) -> Self {
        Self::at(text.into())
    }
}
