//! Replacing a server by its next version.

mod conversation;
mod live;
mod offer;
mod takeover;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf, absolute};
use std::{fmt, io};

use socket2::{Domain, Socket};

use crate::address::unix::UnixAddress;
use crate::listen::handover::takeover::{connect, receive_sockets};
use crate::reactor::Reactor;
use crate::reactor::core::{Backend, no_network};
use crate::unix::file::NamedSocket;
use crate::util::escaped::escaped_path;

/// Replaces a server by its next version without losing a client: the new process gets the old one's listening sockets
/// over a UNIX socket at a path that both know, and then those of its connections that can
/// [go on](crate::connection::Resumable).
///
/// Between [`begin`](Self::begin) and [`finish`](Self::finish) the program listens as usual: `listen_tcp`,
/// `listen_udp`, `listen_unix` and `listen_unix_datagram` take the old process's socket if that process asked to listen
/// on the same address in the same words, and otherwise open a new one. It accepts nobody before it has taken over:
/// clients are accepted by the old process until it is asked to hand over, and then wait in the backlog for some
/// milliseconds. None is refused.
///
/// ```no_run
/// use reactor::{Protocol, Reactor, Transport};
/// use reactor::listen::Handover;
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let handover = Handover::begin(&reactor, "/run/echo.handover")?;
/// reactor.listen_tcp(8007, |transport| Echo { transport })?;
/// let stopping = reactor.clone();
/// reactor.spawn(async move {
///     // From here on the next process may come, which makes this one stop in order.
///     if let Err(error) = handover.finish(move || stopping.stop()).await {
///         eprintln!("{error}");
///     }
/// });
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # What goes over
///
/// | what | how |
/// |---|---|
/// | listening sockets, and the datagrams and clients that wait in them | the sockets themselves; those that the process was started with (`fd:`, `systemd:`) and adopted ones stay |
/// | connections whose factory can [resume](crate::connection::Resumable) them, on TCP and UNIX sockets | with what was received and not processed, and what was written and not sent |
/// | other connections: of other protocols, inside layers that cannot go on (TLS, web sockets, PROXY headers), closing, half closed, with deferred calls that take longer than half a second | stay, and finish in the old process ([`Transport::on_drain`](crate::Transport::on_drain)) while it stops |
/// | connections that this process made, pipes, child processes | stay, likewise |
///
/// # When something fails
///
/// Only processes of the same user or of root get sockets, and only theirs are accepted. A new process that fails or is
/// killed **before** it has taken over changes nothing: the old one accepts again, and goes on with its connections. It keeps
/// each descriptor until the new process has said that it goes on with that connection; of a connection that it has got, the
/// new process reads and writes nothing before it has said so. A new process that listens on none of the offered sockets takes
/// over nothing: its path is probably wrong. Both processes log what was refused, and why.
///
/// Of [several reactors](crate::run_on_threads), the first does this for all of them.
pub struct Handover {
    reactor: Reactor,
    path: PathBuf,
    before: Option<UnixStream>,
    taken: usize,
}

impl Handover {
    /// Asks the process that offers its sockets at `path` for them. If no process does, this one is the first, and there is
    /// nothing to take over. Call it before the program listens. It blocks for up to 5 s while the other
    /// process answers.
    ///
    /// # Errors
    ///
    /// If the other process belongs to another user, sends a malformed reply, or does not answer in time; if the path is a
    /// symbolic link, or its directory does not exist; or if the reactor belongs to a simulation or is not the first of
    /// [several](crate::run_on_threads).
    pub fn begin(reactor: &Reactor, path: impl AsRef<Path>) -> io::Result<Self> {
        Self::begin_trusting(reactor, path.as_ref(), None)
    }

    /// Like [`begin`](Self::begin); the other process may also belong to this user.
    pub(crate) fn begin_trusting(reactor: &Reactor, path: &Path, user: Option<u32>) -> io::Result<Self> {
        if matches!(reactor.0.backend, Backend::Memory(_)) {
            return Err(no_network());
        }
        if reactor.thread_number() > 0 {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "of several reactors, only the first can take over from another process",
            ));
        }
        // The process may change its directory.
        let path = absolute(path)?;
        if path.is_symlink() {
            // It may lead to the offer of some other server, which would end.
            let message = format!("cannot hand over at {}: it is a symbolic link", escaped_path(&path));
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let before = match connect(&UnixAddress::from_path(&path)) {
            Ok(stream) => stream,
            // Otherwise the offer to the next process would fail.
            Err(_) if !path.parent().is_some_and(Path::is_dir) => {
                let message = format!("cannot hand over at {}: there is no such directory", escaped_path(&path));
                return Err(io::Error::new(io::ErrorKind::NotFound, message));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Ok(Self { reactor: reactor.clone(), path, before: None, taken: 0 });
            }
            Err(error) => return Err(cannot_take_over(&path, &error)),
        };
        let sockets =
            receive_sockets(&before, &reactor.0.hub.clock, user).map_err(|error| cannot_take_over(&path, &error))?;
        let taken = sockets.len();
        tracing::info!(path = %escaped_path(&path), sockets = taken, "taking over");
        reactor.0.shared_ports.registry.begin_taking_over(sockets);
        Ok(Self { reactor: reactor.clone(), path, before: Some(before), taken })
    }

    /// The number of sockets that the previous process has left: 0 if there was none.
    pub fn taken_count(&self) -> usize {
        self.taken
    }

    /// Declares this process ready: takes over from the previous one, with its connections, and then offers its ports to
    /// the next process at the path. When that process is ready in its turn, accepting ends here, connections go over, and
    /// then `on_taken_over` is called: the time to stop in order. Sockets of the previous process that this one did not
    /// ask for are closed.
    ///
    /// # Errors
    ///
    /// If this process listens on none of the sockets that the previous one has offered; if a third process was ready
    /// earlier and has got everything, or if the previous process does not release its ports within 10 s, because then
    /// there would be two. If the file of a UNIX socket is gone, because the previous process was stopped meanwhile. In all
    /// these cases nothing was accepted, and the program should end. If the path cannot be listened on, with the errors of
    /// [`listen_unix`](Reactor::listen_unix).
    pub async fn finish(self, on_taken_over: impl FnOnce() + 'static) -> io::Result<()> {
        self.take_over().await?.offer(on_taken_over)
    }

    /// The first half of [`finish`](Self::finish).
    pub(crate) async fn take_over(self) -> io::Result<TakenOver> {
        let Self { reactor, path, before, taken } = self;
        let left_over = reactor.0.shared_ports.registry.take_inherited();
        if let Some(before) = before {
            let listens = left_over.len() < taken || taken == 0;
            takeover::take_over(&reactor, before, listens).await.map_err(|error| cannot_take_over(&path, &error))?;
            if connect(&UnixAddress::from_path(&path)).is_ok() {
                // It has not ended, so it has given up waiting for this one.
                return Err(cannot_take_over(&path, &io::Error::other("it goes on by itself")));
            }
            for (key, socket) in reactor.0.shared_ports.registry.inheritable() {
                if let Some(named) = socket.named() {
                    named.take_file().map_err(|error| {
                        let what = format!("{} is unavailable: {error}", key.name);
                        cannot_take_over(&path, &io::Error::new(error.kind(), what))
                    })?;
                }
            }
            for (_, socket) in left_over {
                close_for_good(Socket::from(socket));
            }
            reactor.0.shared_ports.registry.end_taking_over();
        }
        Ok(TakenOver { reactor, path })
    }
}

/// A process that has taken over, or is the first.
pub(crate) struct TakenOver {
    reactor: Reactor,
    path: PathBuf,
}

impl TakenOver {
    /// The second half of [`finish`](Handover::finish).
    pub(crate) fn offer(self, on_taken_over: impl FnOnce() + 'static) -> io::Result<()> {
        offer::start(&self.reactor, &self.path, Box::new(on_taken_over))?;
        tracing::info!(path = %escaped_path(&self.path), "offering the ports to the next process");
        Ok(())
    }
}

/// Closes a socket of the previous process that this one did not ask for, and removes its file: the previous process
/// has left it, and it would be in the way of the next server at that path.
fn close_for_good(socket: Socket) {
    if !socket.domain().is_ok_and(|domain| domain == Domain::UNIX) {
        return;
    }
    let Ok(address) = socket.local_addr().map(|address| UnixAddress::from_system(&address)) else { return };
    // Treated like a locked socket, so that a file of the previous process is removed.
    let closed = NamedSocket::take_over(socket, &address, true).and_then(|socket| socket.take_file());
    if let Err(error) = closed {
        tracing::warn!(%address, %error, "cannot remove the file of an unclaimed socket");
    }
}

fn cannot_take_over(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot take over from the process at {}: {error}", escaped_path(path)))
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("path", &self.path).field("taken", &self.taken).finish_non_exhaustive()
    }
}
