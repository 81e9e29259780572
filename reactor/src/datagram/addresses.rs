//! The addresses of a port that has several: the one that a datagram was sent to, and the one that answers leave from.

use std::io;
use std::net::SocketAddr;

use crate::address::datagram::DatagramAddress;
use crate::datagram::socket::Route;
use crate::datagram::transport::{DatagramState, DatagramTransport};

impl DatagramTransport {
    /// The address of this port that the datagram being
    /// [delivered](crate::datagram::DatagramProtocol::datagram_received) was sent to, which may be that of a multicast
    /// group. `None` at any other time, or if the system does not report it. Twisted has no equivalent.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::time::Duration;
    /// use reactor::datagram::{DatagramProtocol, DatagramTransport};
    ///
    /// /// Waits for a second before it answers.
    /// struct Slow { transport: DatagramTransport }
    ///
    /// impl DatagramProtocol for Slow {
    ///     fn datagram_received(&mut self, _question: &[u8], peer: SocketAddr) {
    ///         let Some(host) = self.transport.received_at() else { return };
    ///         self.transport.call_later(Duration::from_secs(1), move |this: &mut Self| {
    ///             let _ = this.transport.write_from("42", peer, host);
    ///         });
    ///     }
    /// }
    /// ```
    pub fn received_at(&self) -> Option<SocketAddr> {
        let asked = self.0.asked.borrow().map(|(_, asked)| asked);
        let bound = || Some(self.host()).filter(|host| self.0.is_delivering.get() && !host.ip().is_unspecified());
        asked.or_else(bound)
    }

    /// As [`write`](Self::write), but the datagram leaves from `host`, an address of this machine; its port number is
    /// ignored.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput), [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) or
    /// [`NetworkUnreachable`](io::ErrorKind::NetworkUnreachable), depending on the system, if `host` is not one of its
    /// addresses or is of another family than `peer`; otherwise as [`write`](Self::write).
    pub fn write_from(&self, data: impl AsRef<[u8]>, peer: SocketAddr, host: SocketAddr) -> io::Result<()> {
        self.0.send(data.as_ref(), Route { to: self.reached(peer)?, from: Some(host) })
    }
}

impl<A: DatagramAddress> DatagramState<A> {
    /// From here to [`end_delivery`](Self::end_delivery) answers to `peer` leave from the address that it has asked, if the
    /// port has several.
    pub(crate) fn begin_delivery(&self, peer: &A, asked: Option<A>) {
        self.is_delivering.set(true);
        if let Some(asked) = asked {
            self.asked.replace(Some((peer.clone(), asked)));
        }
    }

    pub(crate) fn end_delivery(&self) {
        self.is_delivering.set(false);
        self.asked.take();
    }

    /// The address that `peer` has asked just now, if the port has several.
    pub(super) fn asked_by(&self, peer: &Option<A>) -> Option<A> {
        let asked = self.asked.borrow();
        asked.as_ref().filter(|(asking, _)| Some(asking) == peer.as_ref()).map(|(_, asked)| asked.clone())
    }
}
