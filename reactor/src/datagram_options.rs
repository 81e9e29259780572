use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;

use crate::options::ListenOptions;

/// Where and how to listen for datagrams. A bare port, an address or a text, as [`ListenOptions`] takes them, does
/// where the defaults do.
///
/// ```
/// use reactor::{DatagramOptions, Reactor};
/// # use std::net::SocketAddr;
/// # use reactor::{DatagramProtocol, DatagramTransport};
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
    pub(crate) receive_buffer: Option<usize>,
    pub(crate) send_buffer: Option<usize>,
}

impl DatagramOptions {
    /// The defaults, for this address.
    pub fn new(address: impl Into<Self>) -> Self {
        address.into()
    }

    /// `SO_RCVBUF`: how many bytes the system may hold of what arrives in a burst (the system's default; it has a
    /// maximum of its own, and counts its own overhead in). What finds no room is lost.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// `SO_SNDBUF`: how many bytes the system may hold of what leaves (the system's default and maximum). What finds
    /// no room is [refused](crate::DatagramTransport::write).
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// What counts as an address is the same for all ports.
    fn at(options: ListenOptions) -> Self {
        Self { address: options.address, receive_buffer: None, send_buffer: None }
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
