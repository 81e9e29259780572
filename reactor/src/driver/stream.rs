//! What a kind of stream must offer to carry connections.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::Socket;

use crate::address::Address;
use crate::address::peer_credentials::PeerCredentials;
use crate::port::seats::Place;
use crate::port::tally::PortTally;
use crate::transport::descriptors::DESCRIPTOR_WEIGHT;
use crate::transport::state::{SocketOptions, State};

/// A byte stream in both directions, as [`Driver`](crate::driver::Driver) uses it.
pub(crate) trait Stream: 'static {
    /// Reads into `buffer`; 0 is the end of the peer's stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Waits, while nothing is to be read, for the stream to break (`Err`), or for the peer to end it with nothing
    /// unread before that (`Ok`).
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Hands bytes, at least one, to the system.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    /// Hands bytes, at least one, to the system, and a descriptor with the first of them.
    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        _descriptor: BorrowedFd<'_>,
    ) -> Poll<io::Result<usize>> {
        self.poll_write(cx, data)
    }

    /// The descriptors that came with the bytes read last, in order.
    fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        Vec::new()
    }

    /// Ends this side's stream behind what was written.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Waits, before a closed or, `at_once`, a failed connection ends, until nothing of it is still in progress: bytes
    /// that a thread writes, a child to be reaped.
    fn poll_close(&mut self, cx: &mut Context<'_>, at_once: bool) -> Poll<io::Result<()>> {
        let _ = (cx, at_once);
        Poll::Ready(Ok(()))
    }

    /// Whether it carries descriptors beside bytes.
    fn passes_descriptors(&self) -> bool {
        false
    }

    /// Makes the peer see a reset when the stream is dropped, which follows at once.
    fn reset(&mut self);

    fn set_options(&mut self, options: SocketOptions) -> io::Result<()>;

    /// Another descriptor of the socket, if it is one that another process can go on with.
    fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        None
    }

    /// The peer's identity, if the system reports it.
    fn peer_credentials(&self) -> Option<PeerCredentials> {
        None
    }

    /// The process id of the peer, if it is a child.
    fn pid(&self) -> Option<u32> {
        None
    }
}

/// Any stream but TCP's. A kind of its own would have the whole driver compiled once more, and spares an indirect call for
/// each system call.
pub(crate) type AnyStream = Box<dyn Stream>;

impl Stream for AnyStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_read(cx, buffer)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_end(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        (**self).poll_write(cx, data)
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        descriptor: BorrowedFd<'_>,
    ) -> Poll<io::Result<usize>> {
        (**self).poll_write_with(cx, data, descriptor)
    }

    fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        (**self).take_descriptors()
    }

    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_shut(cx)
    }

    fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        (**self).descriptor()
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, at_once: bool) -> Poll<io::Result<()>> {
        (**self).poll_close(cx, at_once)
    }

    fn passes_descriptors(&self) -> bool {
        (**self).passes_descriptors()
    }

    fn reset(&mut self) {
        (**self).reset();
    }

    fn set_options(&mut self, options: SocketOptions) -> io::Result<()> {
        (**self).set_options(options)
    }

    fn peer_credentials(&self) -> Option<PeerCredentials> {
        (**self).peer_credentials()
    }

    fn pid(&self) -> Option<u32> {
        (**self).pid()
    }
}

/// Writes what can leave at once: if descriptors wait, the bytes up to the next of them, or that one with its bytes.
#[inline]
pub(crate) fn poll_write<S: Stream>(
    stream: &mut S,
    state: &State,
    cx: &mut Context<'_>,
    data: &[u8],
) -> Poll<io::Result<usize>> {
    let waiting = if stream.passes_descriptors() { state.waiting_descriptors() } else { 0 };
    if waiting == 0 {
        return stream.poll_write(cx, data);
    }
    let written = state.with_descriptors(|descriptors| {
        let written = match descriptors.next(data.len()) {
            (len, None) => stream.poll_write(cx, &data[..len]),
            (len, Some(descriptor)) => stream.poll_write_with(cx, &data[..len], descriptor),
        };
        if let Poll::Ready(Ok(bytes)) = written {
            descriptors.advance(bytes);
        }
        written
    });
    state.repay((waiting - state.waiting_descriptors()) * DESCRIPTOR_WEIGHT);
    written
}

/// A place where streams arrive.
pub(crate) trait Listener: 'static {
    type Stream: Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Stream>>>;

    fn host(&self) -> Address;

    /// Takes no streams that other reactors have accepted for this one until the next poll.
    fn rest(&mut self) {}

    /// How to go on with a stream that another process has accepted; `None` if there can be none.
    fn adopt(&self) -> Option<Adopt<Self::Stream>> {
        None
    }

    /// What the limits of the port count, if several reactors accept for it.
    fn tally(&self) -> Arc<PortTally> {
        Arc::default()
    }

    /// Called after the system has reported that no descriptor is left: accepts the waiting clients, closes them at
    /// once, and returns their number. An error means that this failed.
    fn turn_away(&mut self, cx: &mut Context<'_>) -> io::Result<usize>;
}

/// Any listener but TCP's.
pub(crate) type AnyListener = Box<dyn Listener<Stream = AnyStream>>;

impl Listener for AnyListener {
    type Stream = AnyStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<AnyStream>>> {
        (**self).poll_accept(cx)
    }

    fn host(&self) -> Address {
        (**self).host()
    }

    fn rest(&mut self) {
        (**self).rest();
    }

    fn tally(&self) -> Arc<PortTally> {
        (**self).tally()
    }

    fn adopt(&self) -> Option<Adopt<AnyStream>> {
        (**self).adopt()
    }

    fn turn_away(&mut self, cx: &mut Context<'_>) -> io::Result<usize> {
        (**self).turn_away(cx)
    }
}

/// Makes a stream of a connected, non-blocking socket. Needs the runtime's context.
pub(crate) type Adopt<S> = fn(Socket, Place) -> io::Result<Accepted<S>>;

/// A stream that has arrived.
pub(crate) struct Accepted<S> {
    pub(crate) stream: S,
    pub(crate) host: Address,
    pub(crate) peer: Address,
}

impl Accepted<AnyStream> {
    pub(crate) fn any(stream: impl Stream, host: Address, peer: Address) -> Self {
        Self { stream: Box::new(stream), host, peer }
    }
}
