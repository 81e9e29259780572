//! What a kind of stream must offer to carry connections.

use std::io;
use std::task::Context;
use std::task::Poll;

use crate::address::Address;
use crate::state::SocketOptions;

/// A byte stream in both directions, as [`Driver`](crate::driver::Driver) uses it.
pub(crate) trait Stream: 'static {
    /// Reads into `buffer`; 0 is the end of the peer's stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Waits, while nothing is to be read, for the stream to break (`Err`), or for the peer to end it with nothing
    /// unread before that (`Ok`).
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Hands bytes, at least one, to the system.
    fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>>;

    /// Ends this side's stream behind what was written.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Waits, before a connection ends that has closed or, `at_once`, that has failed, until nothing of it is still
    /// under way: bytes that a thread writes, a child that is to be reaped.
    fn poll_close(&mut self, cx: &mut Context<'_>, at_once: bool) -> Poll<io::Result<()>> {
        let _ = (cx, at_once);
        Poll::Ready(Ok(()))
    }

    /// Makes the peer see a reset when the stream is dropped, which follows at once.
    fn reset(&mut self);

    fn set_options(&mut self, options: SocketOptions) -> io::Result<()>;
}

/// A place where streams arrive.
pub(crate) trait Listener: 'static {
    type Stream: Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<Self::Stream>>>;

    fn host(&self) -> Address;

    /// After the system has said that no descriptor is left: accepts the clients that wait and closes them at once, and
    /// says how many. An error means that it could not.
    fn turn_away(&mut self, cx: &mut Context<'_>) -> io::Result<usize>;
}

/// A stream that has arrived.
pub(crate) struct Accepted<S> {
    pub(crate) stream: S,
    pub(crate) host: Address,
    pub(crate) peer: Address,
}
