//! What the sockets of all stream types have in common.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connected socket, registered with the runtime.
pub(crate) trait Connected: AsFd {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Makes the runtime forget that the socket is readable.
    fn forget_readable(&self);
}

impl Connected for TcpStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn forget_readable(&self) {
        let _ = self.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}

impl Connected for UnixStream {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx)
    }

    fn forget_readable(&self) {
        let _ = self.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    }
}

/// [`Stream::poll_end`](crate::driver::stream::Stream::poll_end) for a socket. `forgot_readable` is set when unread
/// bytes are left in a socket that the runtime was made to treat as not readable: the poller is edge triggered and will
/// not report it again, so the next read must not wait for it.
pub(crate) fn poll_end(
    socket: &impl Connected,
    forgot_readable: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    // Twice, because the readiness found first may be stale. An end of stream behind unread bytes makes the socket
    // ready for good, so an unbounded loop would spin; the next read finds that end instead.
    for _ in 0..2 {
        ready!(socket.poll_read_ready(cx))?;
        let system = SockRef::from(socket);
        if let Some(error) = system.take_error()? {
            return Poll::Ready(Err(error));
        }
        match system.peek(&mut [MaybeUninit::uninit()]) {
            Ok(0) => return Poll::Ready(Ok(())),
            Ok(_) => *forgot_readable = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
        socket.forget_readable();
    }
    Poll::Pending
}

/// A descriptor held in reserve: when no other is left, giving it up for a moment lets a client be accepted and closed.
pub(crate) struct Reserve(Option<File>);

impl Reserve {
    pub(crate) fn new() -> Self {
        Self(open().ok())
    }

    /// [`Listener::turn_away`](crate::driver::stream::Listener::turn_away); `close_next` accepts a client and closes
    /// it.
    pub(crate) fn turn_away(&mut self, mut close_next: impl FnMut() -> Poll<io::Result<()>>) -> io::Result<usize> {
        let Some(reserve) = self.0.take() else {
            self.0 = Some(open()?);
            return Ok(0);
        };
        drop(reserve);
        let mut turned_away = 0;
        let failure = loop {
            // By way of the runtime, until it has seen that no client waits any more: while no descriptor is left, the
            // system reports that instead, and the runtime would not wait for the next client.
            match close_next() {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => break Some(error),
                Poll::Pending => break None,
            }
            turned_away += 1;
            if turned_away == TURNED_AWAY_AT_ONCE {
                break None;
            }
        };
        self.0 = open().ok();
        match failure {
            Some(error) if turned_away == 0 => Err(error),
            _ => Ok(turned_away),
        }
    }
}

fn open() -> io::Result<File> {
    File::open("/dev/null")
}

/// The number of clients turned away before the connections have their turn.
const TURNED_AWAY_AT_ONCE: usize = 100;
