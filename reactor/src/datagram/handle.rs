//! The socket under a datagram port, for what this crate has no method for.

use std::io;
use std::os::fd::OwnedFd;

use crate::address::datagram::DatagramAddress;
use crate::datagram::transport::DatagramTransport;

impl<A: DatagramAddress> DatagramTransport<A> {
    /// Another descriptor of the port's socket, to ask or set options by: how far its multicasts travel, for example,
    /// which [`DatagramOptions`](crate::datagram::DatagramOptions) set when the port is opened. What is received by it is
    /// missing from the protocol. **The address is free again only when this is closed, too.** Twisted's `getHandle`.
    ///
    /// ```
    /// # use std::net::{SocketAddr, UdpSocket};
    /// # use reactor::datagram::{DatagramProtocol, DatagramTransport};
    /// # struct Beacon { transport: DatagramTransport }
    /// # impl DatagramProtocol for Beacon {
    /// fn start_protocol(&mut self) {
    ///     if let Ok(socket) = self.transport.try_clone_socket() {
    ///         let set = UdpSocket::from(socket).set_multicast_ttl_v4(4);
    ///         println!("{set:?}");
    ///     }
    /// }
    /// # fn datagram_received(&mut self, _: &[u8], _: SocketAddr) {}
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) when the port was stopped;
    /// [`Unsupported`](io::ErrorKind::Unsupported) in a simulation; or if the system has no descriptor left.
    pub fn try_clone_socket(&self) -> io::Result<OwnedFd> {
        let socket = self.0.socket()?;
        match socket.descriptor() {
            Some(descriptor) => descriptor.try_clone_to_owned(),
            None => Err(io::Error::new(io::ErrorKind::Unsupported, format!("{} is simulated", self.host()))),
        }
    }
}
