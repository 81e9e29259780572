//! What a kind of socket must offer to carry datagrams.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll};
use std::{fmt, io};

use crate::datagram::interface::Interface;
use crate::hub::Hub;

/// The destination and the source of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route<A = SocketAddr> {
    /// `None` for the peer that the socket is connected to.
    pub(crate) to: Option<A>,
    /// `None` for the address that the socket is bound to or, if it is bound to all, that the system chooses.
    pub(crate) from: Option<A>,
}

/// Receives a datagram, its sender, and the address that it was sent to, unless that is the socket's own anyway.
pub(crate) type Deliver<'a, A = SocketAddr> = dyn FnMut(&[u8], A, Option<A>) + 'a;

/// A bound socket, as [`DatagramDriver`](crate::datagram::driver::DatagramDriver) and
/// [`DatagramTransport`](crate::datagram::DatagramTransport) use it.
pub(crate) trait DatagramSocket<A = SocketAddr> {
    /// Receives up to `most` datagrams (1 to [`BATCH`](crate::hub::buffers::BATCH)) that are there, and calls `deliver`
    /// with each; or returns the socket's pending error, such as a refusal, even if nothing else is to be read or
    /// written. If it returns an error, none was delivered.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        hub: &Hub,
        most: usize,
        deliver: &mut Deliver<'_, A>,
    ) -> Poll<io::Result<()>>;

    /// Hands one datagram to the system, now.
    fn send(&self, data: &[u8], route: Route<A>) -> io::Result<()>;

    /// How many datagrams of `len` bytes [`send_run`](Self::send_run) takes; 0 where there is none.
    fn longest_run(&self, _len: usize) -> usize {
        0
    }

    /// Hands datagrams of `len` bytes each, which lie one behind the other in `data`, to the system: all of them, or
    /// with an error none. `WouldBlock` is an error until [`poll_writable`](Self::poll_writable) reports otherwise.
    fn send_run(&self, _data: &[u8], _len: usize, _route: Route<A>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn poll_writable(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sets the only peer, and returns the addresses of the socket and of the peer from here on.
    fn connect(&self, peer: A) -> io::Result<Ends<A>>;

    /// Also receives what is sent to a multicast group.
    fn join_group(&self, _group: IpAddr, _interface: Interface) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn leave_group(&self, _group: IpAddr, _interface: Interface) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn host(&self) -> A;

    /// `None` if the system knows no such socket.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The two ends of a connected socket.
#[derive(Clone, Copy)]
pub(crate) struct Ends<A = SocketAddr> {
    pub(crate) host: A,
    pub(crate) peer: A,
}

/// The failure to reach an address of the other family.
#[derive(Debug)]
pub(crate) struct WrongFamily {
    pub(crate) host: SocketAddr,
    pub(crate) peer: SocketAddr,
}

impl fmt::Display for WrongFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = |address: SocketAddr| if address.is_ipv4() { "IPv4" } else { "IPv6" };
        let (host, peer) = (self.host, self.peer);
        write!(
            f,
            "cannot send to {peer}: it is an {} address, and the port's is {} ({host})",
            family(peer),
            family(host)
        )
    }
}

impl Error for WrongFamily {}

impl From<WrongFamily> for io::Error {
    fn from(error: WrongFamily) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

/// The failure to send more than fits into a datagram.
#[derive(Debug)]
pub(crate) struct TooLong {
    pub(crate) len: usize,
    /// The operating system's error, if there is one.
    pub(crate) source: Option<io::Error>,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are too many for one datagram", self.len)
    }
}

impl Error for TooLong {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

impl From<TooLong> for io::Error {
    fn from(error: TooLong) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

/// The error for a datagram of `len` bytes that the system does not take.
pub(crate) fn unsent(error: io::Error, len: usize) -> io::Error {
    match error.raw_os_error() {
        Some(libc::EMSGSIZE) => TooLong { len, source: Some(error) }.into(),
        _ => error,
    }
}
