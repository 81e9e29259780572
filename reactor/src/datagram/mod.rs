//! Datagrams: a protocol that receives each one, and its transport.
//!
//! [`listen_udp`](crate::Reactor::listen_udp) opens a port and builds one [`DatagramProtocol`] for it, which sends by
//! its [`DatagramTransport`]. A client listens, too: on port 0, [connected](DatagramTransport::connect) to its only
//! peer. [`DatagramOptions`] set buffers, broadcast and multicast; an [`Interface`] is where a multicast group is
//! received. The same protocols serve UNIX sockets, by [`listen_unix_datagram`](crate::Reactor::listen_unix_datagram).
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
//!         // If the system has no room, the datagram is lost, as on the network.
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
pub(crate) mod buffer_sizes;
pub(crate) mod control;
pub(crate) mod driver;
pub(crate) mod handle;
pub(crate) mod interface;
pub(crate) mod multicast;
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

/// A user's protocol for datagrams: an object that lives as long as one port of
/// [`Reactor::listen_udp`](crate::Reactor::listen_udp) and receives its callbacks. For a UNIX socket of
/// [`listen_unix_datagram`](crate::Reactor::listen_unix_datagram), it is `DatagramProtocol<UnixAddress>`.
///
/// It is built with its [`DatagramTransport`], which it keeps in a plain field. Only
/// [`datagram_received`](Self::datagram_received) is required. Twisted's `DatagramProtocol`.
///
/// # The order of callbacks
///
/// [`start_protocol`](Self::start_protocol) comes once and first, in the reactor's next turn after `listen_udp` has
/// returned; then any number of `datagram_received` and [`connection_refused`](Self::connection_refused);
/// [`stop_protocol`](Self::stop_protocol) comes exactly once and last, when the port is stopped or the reactor ends.
/// (If the reactor is dropped without having run, none of them comes.)
///
/// Every callback runs to completion, and nothing else of the reactor runs meanwhile.
///
/// # Panics in callbacks
///
/// A panic is only logged: the port stays open and goes on reading, because a datagram from one peer must not take the
/// service from the others. The same holds for timed and deferred calls. The protocol itself must repair what the panic
/// left half done in its fields.
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
    /// The port is open; nothing has been received yet. Twisted's `startProtocol`.
    fn start_protocol(&mut self) {}

    /// A whole datagram came from `peer`; it may be empty. The slice is lent from the reactor's buffer; copy what must
    /// be kept. Twisted's `datagramReceived`.
    ///
    /// What is [written](crate::datagram::DatagramTransport::write) to `peer` here leaves from the address that it sent
    /// to, which [`received_at`](crate::datagram::DatagramTransport::received_at) returns.
    ///
    /// On a port that listens on both families, an IPv4 peer has its IPv4 address. A
    /// [connected](crate::datagram::DatagramTransport::connect) port receives from its peer only. No datagram is
    /// delivered after the port was asked to stop. A peer with an unnamed UNIX socket cannot be answered. A datagram of
    /// 65,536 bytes or more, which UDP does not have, is dropped and logged.
    fn datagram_received(&mut self, data: &[u8], peer: A);

    /// Nothing listens where this [connected](crate::datagram::DatagramTransport::connect) port sends to: an earlier
    /// datagram was answered by an ICMP "port unreachable". The port goes on, because the peer may come back. Refusals
    /// in quick succession may be reported as one. Twisted's `connectionRefused`; not called on a port that is not
    /// connected.
    fn connection_refused(&mut self) {}

    /// The port is closed; this is the last callback. All timed and deferred calls were dropped before it, and writing
    /// now fails. Twisted's `stopProtocol`.
    fn stop_protocol(&mut self) {}

    /// The object directly inside this one, for adapters. It is the second type, besides the protocol itself, that
    /// [`DatagramTransport::call_later`](crate::datagram::DatagramTransport::call_later) and
    /// [`defer`](crate::datagram::DatagramTransport::defer) can call back.
    fn handler(&mut self) -> Option<&mut dyn Any> {
        None
    }

    /// The name of its type, for messages.
    #[doc(hidden)]
    fn type_name(&self) -> &'static str {
        type_name::<Self>()
    }
}
