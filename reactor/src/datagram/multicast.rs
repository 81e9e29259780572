//! The groups that a port for datagrams joins.

use std::error::Error;
use std::net::IpAddr;
use std::{fmt, io};

use crate::datagram::interface::{Interface, invalid};
use crate::datagram::transport::DatagramTransport;

impl DatagramTransport {
    /// Also receives what is sent to a multicast group and the port's own port number, if it arrives at `interface`.
    /// [`DatagramOptions`](crate::datagram::DatagramOptions) control how far the port's own multicasts travel; sending
    /// does not require joining. A port receives only for the groups that it has joined, not for those that other ports
    /// have. It leaves all groups when it closes. Twisted's `joinGroup`.
    ///
    /// The port must listen on all addresses, or on the group's. To have several ports for one group and number on a
    /// machine, see [`listen_multiple`](crate::datagram::DatagramOptions::listen_multiple).
    ///
    /// ```
    /// use std::net::{Ipv4Addr, SocketAddr};
    /// use reactor::datagram::{DatagramProtocol, DatagramTransport, Interface};
    ///
    /// /// Receives the announcements of multicast DNS.
    /// struct Listener { transport: DatagramTransport }
    ///
    /// impl DatagramProtocol for Listener {
    ///     fn start_protocol(&mut self) {
    ///         let group = Ipv4Addr::new(224, 0, 0, 251);
    ///         if let Err(error) = self.transport.join_group(group, Interface::Any) {
    ///             eprintln!("{error}");
    ///         }
    ///     }
    ///     fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
    ///         println!("{} bytes from {peer}", data.len());
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// If `group` is not a multicast address, is of the other family, or is already joined on this interface; if there
    /// is no such interface; if the system allows no more groups; or if the port was stopped. The error names group and
    /// interface.
    pub fn join_group(&self, group: impl Into<IpAddr>, interface: Interface) -> io::Result<()> {
        let (socket, group) = (self.0.socket()?, group.into());
        Membership { verb: "join", group, interface }.change(|| socket.join_group(group, interface))
    }

    /// Stops receiving what is sent to the group. Twisted's `leaveGroup`.
    ///
    /// # Errors
    ///
    /// If the group was not joined on this `interface`; otherwise as [`join_group`](Self::join_group).
    pub fn leave_group(&self, group: impl Into<IpAddr>, interface: Interface) -> io::Result<()> {
        let (socket, group) = (self.0.socket()?, group.into());
        Membership { verb: "leave", group, interface }.change(|| socket.leave_group(group, interface))
    }
}

struct Membership {
    verb: &'static str,
    group: IpAddr,
    interface: Interface,
}

impl Membership {
    fn change(&self, change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let checked = if self.group.is_multicast() { change() } else { Err(invalid("it is not a multicast address")) };
        checked.map_err(|source| {
            let Self { verb, group, interface } = self;
            let message = format!("cannot {verb} group {group} on {interface}");
            io::Error::new(source.kind(), GroupError { message, source })
        })
    }
}

/// The failure to join or leave a group.
#[derive(Debug)]
struct GroupError {
    message: String,
    source: io::Error,
}

impl fmt::Display for GroupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.source)
    }
}

impl Error for GroupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
