//! Datagrams: a protocol that is given each one, and its transport.
//!
//! [`listen_udp`](crate::Reactor::listen_udp) opens a port and builds one [`DatagramProtocol`] for it, which
//! sends by its [`DatagramTransport`]. A client listens, too: on port 0, [connected](DatagramTransport::connect) to its
//! only peer. Buffers, broadcast and multicast are set by [`DatagramOptions`]; an [`Interface`] says where a group is heard. The same
//! protocols serve UNIX sockets, by [`listen_unix_datagram`](crate::Reactor::listen_unix_datagram).
//!
//! ```no_run
//! use std::net::SocketAddr;
//! use reactor::Reactor;
//! use reactor::datagram::{DatagramOptions, DatagramProtocol, DatagramTransport};
//!
//! struct Echo { transport: DatagramTransport }
//!
//! impl DatagramProtocol for Echo {
//!     fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
//!         // What the system has no room for is lost, as on the network.
//!         let _ = self.transport.write(data, peer);
//!     }
//! }
//!
//! let reactor = Reactor::new()?;
//! reactor.listen_udp(DatagramOptions::new(7).receive_buffer(1 << 20), |transport| Echo { transport })?;
//! reactor.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has `DatagramProtocol`, `IUDPTransport` and `IMulticastTransport`.

pub(crate) mod addresses;
pub(crate) mod control;
pub(crate) mod driver;
pub(crate) mod interface;
pub(crate) mod options;
pub(crate) mod socket;
pub(crate) mod transport;
pub(crate) mod udp;

pub use interface::Interface;
pub use options::DatagramOptions;
pub use transport::DatagramTransport;

use std::any::{Any, type_name};
use std::net::SocketAddr;

use crate::address::datagram::DatagramAddress;

/// What a user writes for datagrams: the object that lives as long as one port of
/// [`Reactor::listen_udp`](crate::Reactor::listen_udp) does, and is called back. For a UNIX socket, of
/// [`listen_unix_datagram`](crate::Reactor::listen_unix_datagram), it is `DatagramProtocol<UnixAddress>`.
///
/// It is built with its [`DatagramTransport`], which it keeps in a plain field. Only
/// [`datagram_received`](Self::datagram_received) must be written. Twisted's `DatagramProtocol`.
///
/// # The order of callbacks
///
/// [`start_protocol`](Self::start_protocol) comes once and first, in the reactor's next turn, when `listen_udp` has
/// returned; then any number of `datagram_received` and [`connection_refused`](Self::connection_refused);
/// [`stop_protocol`](Self::stop_protocol) comes exactly once and last, when the port was stopped or the reactor ends.
/// (A port that never gets so far, because the reactor is dropped without having run, gets none of them.)
///
/// Every callback runs to completion, and nothing else of the reactor runs meanwhile.
///
/// # Panics in callbacks
///
/// A panic is logged, and that is all: the port stays open and goes on reading, for a datagram that one peer sent must
/// not take the service from the others. The same holds for timed and deferred calls. What the panic left half done
/// in the protocol's own fields is the protocol's to mend.
///
/// ```
/// use std::net::SocketAddr;
/// use reactor::Reactor;
/// use reactor::datagram::{DatagramProtocol, DatagramTransport};
///
/// struct Echo { transport: DatagramTransport }
///
/// impl DatagramProtocol for Echo {
///     fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
///         if let Err(error) = self.transport.write(data, peer) {
///             eprintln!("no answer to {peer}: {error}");
///         }
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_udp("127.0.0.1:0", |transport| Echo { transport })?;
/// println!("listening on {}", port.host());
/// # reactor.stop();
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait DatagramProtocol<A: DatagramAddress = SocketAddr>: Any {
    /// The port is open; nothing was received yet. Twisted's `startProtocol`.
    fn start_protocol(&mut self) {}

    /// A datagram came from `peer`, whole; it may be empty. It is lent from the reactor's buffer; what is to be kept
    /// must be copied. Twisted's `datagramReceived`.
    ///
    /// What is [written](crate::datagram::DatagramTransport::write) to `peer` here leaves from the address that it has asked,
    /// which [`received_at`](crate::datagram::DatagramTransport::received_at) tells.
    ///
    /// On a port that listens on both families an IPv4 peer is shown as one. A
    /// [connected](crate::datagram::DatagramTransport::connect) port receives from its peer only. None comes after the port was
    /// asked to stop. A peer with an unnamed UNIX socket cannot be answered; of 65,536 bytes or more, which UDP does not
    /// have, a datagram is dropped, and that is logged.
    fn datagram_received(&mut self, data: &[u8], peer: A);

    /// Nobody listens where this [connected](crate::datagram::DatagramTransport::connect) port sends to: an earlier datagram
    /// was answered by an ICMP "port unreachable". The port goes on: the peer may come back. Refusals in short
    /// succession may be told as one. Twisted's `connectionRefused`; a port that is not connected hears of none.
    fn connection_refused(&mut self) {}

    /// The port is closed; this is the last callback. All timed and deferred calls were dropped before it, and what is
    /// written now fails. Twisted's `stopProtocol`.
    fn stop_protocol(&mut self) {}

    /// The object directly inside this one, for adapters: what
    /// [`DatagramTransport::call_later`](crate::datagram::DatagramTransport::call_later) and
    /// [`defer`](crate::datagram::DatagramTransport::defer) can mean besides the protocol itself.
    fn handler(&mut self) -> Option<&mut dyn Any> {
        None
    }

    /// The name of its type, for messages.
    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        type_name::<Self>()
    }
}
