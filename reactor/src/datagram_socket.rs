//! What a kind of socket must offer to carry datagrams.

use std::io;
use std::net::SocketAddr;
use std::task::Context;
use std::task::Poll;

/// A bound socket, as [`DatagramDriver`](crate::datagram_driver::DatagramDriver) and
/// [`DatagramTransport`](crate::DatagramTransport) use it.
pub(crate) trait DatagramSocket {
    /// Receives one datagram, which is never longer than `buffer`, and says who sent it; or the socket's pending
    /// error, such as a refusal, even if nothing else is to be read or written.
    fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>>;

    /// Hands one datagram to the system, now: to `peer`, or to the one that the socket is connected to.
    fn send(&self, data: &[u8], peer: Option<SocketAddr>) -> io::Result<()>;

    /// Sets the only peer, and says how the socket and that are addressed from here on.
    fn connect(&self, peer: SocketAddr) -> io::Result<Ends>;

    fn host(&self) -> SocketAddr;
}

/// The two ends of a connected socket.
pub(crate) struct Ends {
    pub(crate) host: SocketAddr,
    pub(crate) peer: SocketAddr,
}
