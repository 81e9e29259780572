use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf, absolute};
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use futures_util::future::join_all;
use rustix::net::sockopt::socket_peercred;
use rustix::process::geteuid;
use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;

use crate::address::unix::UnixAddress;
use crate::connection::Protocol;
use crate::listen::inheritable::PortKind;
use crate::port::Port;
use crate::reactor::Reactor;
use crate::reactor::core::{Backend, no_network};
use crate::time::clock::Clock;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::unix;
use crate::unix::file::NamedSocket;
use crate::unix::options::UnixListenOptions;
use crate::util::escaped::escaped_path;

/// Replaces a server by its next version without losing a client: the new process gets the old one's listening sockets
/// over a UNIX socket at a path that both know, and the old one stops accepting when the new one is ready. Clients
/// waiting in a socket's backlog are accepted by either process; none is refused.
///
/// Between [`begin`](Self::begin) and [`finish`](Self::finish) the program listens as usual: `listen_tcp`,
/// `listen_udp`, `listen_unix` and `listen_unix_datagram` take the old process's socket if that process asked to listen
/// on the same address in the same words, and otherwise open a new one.
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
/// Only processes of the same user or of root get sockets, and only theirs are accepted. A new process that ends before
/// it is ready changes nothing. Connections stay where they are: the old process finishes them
/// ([`Transport::on_drain`]) while it stops. Adopted sockets stay with the process that adopted them, and reactors of
/// several threads cannot hand over.
pub struct Handover {
    reactor: Reactor,
    path: PathBuf,
    before: Option<UnixStream>,
    taken: usize,
}

impl Handover {
    /// Asks the process that offers its sockets at `path` for them; if there is none, this process is the first, and
    /// there is nothing to take over. Call it before the program listens. It blocks for up to 5 s while the other
    /// process answers.
    ///
    /// # Errors
    ///
    /// If the other process belongs to another user, sends a malformed reply, or does not answer in time; if the path's
    /// directory does not exist; or if the reactor belongs to a simulation or to [several
    /// threads](crate::run_on_threads).
    pub fn begin(reactor: &Reactor, path: impl AsRef<Path>) -> io::Result<Self> {
        if matches!(reactor.0.backend, Backend::Memory(_)) {
            return Err(no_network());
        }
        if reactor.0.shared_ports.borrow().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "reactors of several threads cannot take over from another process",
            ));
        }
        // The process may change its directory.
        let path = absolute(path)?;
        let before = match connect(&UnixAddress::from_path(&path), PATIENCE) {
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
        let sockets = receive_sockets(&before, &reactor.0.hub.clock, PATIENCE)
            .map_err(|error| cannot_take_over(&path, &error))?;
        let taken = sockets.len();
        tracing::info!(path = %escaped_path(&path), sockets = taken, "taking over");
        reactor.0.inherited.replace(sockets);
        Ok(Self { reactor: reactor.clone(), path, before: Some(before), taken })
    }

    /// The number of sockets that the previous process has left: 0 if there was none.
    pub fn taken_count(&self) -> usize {
        self.taken
    }

    /// Declares this process ready: tells the previous one to stop accepting, waits until it has, and then offers this
    /// reactor's ports to the next process at the path. When that process is ready in its turn, accepting ends here and
    /// then `on_taken_over` is called: the time to stop in order. Sockets of the previous process that this one did not
    /// ask for are closed.
    ///
    /// The returned port is that of the offer; it closes with the reactor, or when the ports are taken over.
    ///
    /// # Errors
    ///
    /// If a third process was ready earlier and has got everything, or if the previous process does not release its
    /// ports within 10 s, because then there would be two. If the file of a UNIX socket is gone, because the previous
    /// process was stopped meanwhile. If the path cannot be listened on, with the errors of
    /// [`listen_unix`](Reactor::listen_unix).
    pub async fn finish(self, on_taken_over: impl FnOnce() + 'static) -> io::Result<Port> {
        let Self { reactor, path, before, .. } = self;
        let left_over = reactor.0.inherited.take();
        if let Some(before) = before {
            before.set_nonblocking(true)?;
            let outcome = Rc::new(Cell::new(None));
            let told = Rc::clone(&outcome);
            let (tell, ended) = oneshot::channel();
            let tell = Cell::new(Some(tell));
            reactor.adopt_stream_connection(before, move |transport: Transport| ToPredecessor {
                transport,
                outcome: Rc::clone(&told),
                ended: tell.take(),
            })?;
            // Dropped without a message only with the reactor.
            let _ = ended.await;
            if let Some(error) = outcome.take() {
                return Err(cannot_take_over(&path, &io::Error::other(error)));
            }
            for port in reactor.0.ports() {
                if let Some(inheritable) = port.inheritable() {
                    inheritable.take_file().map_err(|error| {
                        let what = format!("{} is unavailable: {error}", inheritable.name());
                        cannot_take_over(&path, &io::Error::new(error.kind(), what))
                    })?;
                }
            }
        }
        for (_, socket) in left_over {
            close_for_good(Socket::from(socket));
        }
        let offer = Rc::new(Offer {
            name: PortKind::Unix.name(&UnixAddress::from_path(&path).unique_text()),
            port: OnceCell::new(),
            on_taken_over: Cell::new(Some(Box::new(on_taken_over))),
            asking: RefCell::default(),
        });
        let offering = Rc::clone(&offer);
        let options = UnixListenOptions::new(UnixAddress::from_path(&path)).mode(0o600).lock(true);
        let port = reactor.listen_unix(options, move |transport| ToSuccessor {
            transport,
            offer: Rc::clone(&offering),
            said: Vec::new(),
        })?;
        let _ = offer.port.set(port.clone());
        tracing::info!(path = %escaped_path(&path), "offering the ports to the next process");
        Ok(port)
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

/// Connects, waiting no longer than `patience` if the process is too busy to accept.
fn connect(address: &UnixAddress, patience: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The system uses this timeout for connecting, too.
    socket.set_write_timeout(Some(patience))?;
    socket.connect(&address.to_system()?).map_err(no_answer)?;
    socket.set_write_timeout(None)?;
    Ok(OwnedFd::from(socket).into())
}

/// Reads the names and the sockets that the previous process leaves.
fn receive_sockets(before: &UnixStream, clock: &Clock, patience: Duration) -> io::Result<Vec<(String, OwnedFd)>> {
    if !is_trusted(socket_peercred(before)?.uid.as_raw()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    let until = clock.now() + patience;
    let mut text = Vec::new();
    let mut descriptors = Vec::new();
    let end = loop {
        if let Some(end) = end_of_list(&text) {
            break end;
        }
        // A timeout of zero would mean forever.
        let left = until.saturating_duration_since(clock.now()).max(Duration::from_millis(1));
        before.set_read_timeout(Some(left))?;
        let mut buffer = [0; 4096];
        match unix::receive(before, &mut buffer, &mut descriptors) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut short")),
            Ok(n) => text.extend(&buffer[..n]),
            // The system does not resume a wait that has a time limit.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(no_answer(error)),
        }
        if text.len() > LONGEST {
            return Err(malformed());
        }
    };
    let behind = text.split_off(end);
    if !behind.is_empty() {
        return Err(if behind == GONE.as_bytes() { io::Error::other(TOO_LATE) } else { malformed() });
    }
    let names = String::from_utf8(text).map_err(|_| malformed())?;
    let names: Vec<_> = names.lines().filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let mut descriptors = VecDeque::from(descriptors);
    if names.len() != descriptors.len() {
        return Err(malformed());
    }
    Ok(names.into_iter().zip(descriptors.drain(..)).collect())
}

/// Where the list of names ends: behind its first empty line.
fn end_of_list(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"\n") {
        return Some(1);
    }
    text.windows(2).position(|pair| pair == b"\n\n").map(|at| at + 2)
}

fn cannot_take_over(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot take over from the process at {}: {error}", escaped_path(&path)))
}

/// Replaces the system's error for a timeout, which only says that the call would block.
fn no_answer(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "no answer"),
        _ => error,
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed reply")
}

fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// Waits for the previous process to release its ports.
struct ToPredecessor {
    transport: Transport,
    outcome: Rc<Cell<Option<&'static str>>>,
    ended: Option<oneshot::Sender<()>>,
}

impl Protocol for ToPredecessor {
    fn connection_made(&mut self) {
        self.transport.write(READY);
        self.transport.call_later(PATIENCE * 2, |this: &mut Self| {
            this.outcome.set(Some("it did not release its ports in time"));
            this.transport.abort_connection();
        });
    }

    fn data_received(&mut self, _data: &[u8]) {
        self.outcome.set(Some(TOO_LATE));
        self.transport.abort_connection();
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        if let Some(ended) = self.ended.take() {
            // The receiver may have been dropped.
            let _ = ended.send(());
        }
    }
}

/// What the next process is offered.
struct Offer {
    /// The name of the offer's own port, which stays.
    name: String,
    port: OnceCell<Port>,
    on_taken_over: Cell<Option<Box<dyn FnOnce()>>>,
    /// Processes that have received sockets and are not ready yet.
    asking: RefCell<Vec<Transport>>,
}

/// Leaves the sockets to the next process.
struct ToSuccessor {
    transport: Transport,
    offer: Rc<Offer>,
    said: Vec<u8>,
}

impl ToSuccessor {
    /// The ports that can be handed to another process.
    fn ports(&self) -> Vec<Port> {
        let mut ports = self.transport.reactor().0.ports();
        ports.retain(|port| port.inheritable().is_some_and(|inheritable| inheritable.name() != self.offer.name));
        ports
    }

    fn leave(&self) -> io::Result<()> {
        for port in self.ports() {
            let Some(inheritable) = port.inheritable() else { continue };
            let Some(descriptor) = inheritable.descriptor() else { continue };
            self.transport.send_file_descriptor(descriptor?)?;
            self.transport.write_sequence(&[inheritable.name().as_bytes(), b"\n"]);
        }
        self.transport.write("\n");
        Ok(())
    }

    fn taken_over(&self) {
        let Some(on_taken_over) = self.offer.on_taken_over.take() else { return };
        tracing::info!("another process has taken over");
        for other in self.offer.asking.take() {
            if other.0.id != self.transport.0.id {
                other.write(GONE);
                other.lose_connection();
            }
        }
        let ports = self.ports();
        for inheritable in ports.iter().filter_map(Port::inheritable) {
            inheritable.leave_file();
        }
        let closed: Vec<_> = ports.iter().chain(self.offer.port.get()).map(Port::stop_listening).collect();
        let transport = self.transport.clone();
        self.transport.reactor().spawn(async move {
            join_all(closed).await;
            transport.lose_connection();
            on_taken_over();
        });
    }
}

impl Protocol for ToSuccessor {
    fn connection_made(&mut self) {
        let trusted = self.transport.peer_credentials().is_some_and(|peer| is_trusted(peer.user));
        let left = if trusted { self.leave() } else { Err(io::Error::other("it belongs to another user")) };
        match left {
            Ok(()) => self.offer.asking.borrow_mut().push(self.transport.clone()),
            Err(error) => {
                tracing::warn!(peer = ?self.transport.peer_credentials(), "handed no socket to a process: {error}");
                self.transport.abort_connection();
            }
        }
    }

    fn data_received(&mut self, data: &[u8]) {
        self.said.extend(&data[..data.len().min(READY.len())]);
        if self.said.starts_with(READY.as_bytes()) {
            self.taken_over();
        } else if !READY.as_bytes().starts_with(&self.said) {
            self.transport.abort_connection();
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.offer.asking.borrow_mut().retain(|other| !other.is_closing());
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").field("path", &self.path).field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// What the next process sends when it is ready.
const READY: &str = "ready\n";

/// What a process that comes too late receives.
const GONE: &str = "gone\n";

/// What such a process reports.
const TOO_LATE: &str = "another process has taken over meanwhile";

/// How long the previous process may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The maximum total length of the names, in bytes.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(10);

    #[test]
    fn a_process_that_says_nothing_is_not_waited_for_longer() {
        let (before, _silent) = UnixStream::pair().unwrap();
        let error = receive_sockets(&before, &Clock::system(), A_MOMENT).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::TimedOut, "no answer".to_owned()));
    }

    #[test]
    fn a_process_that_accepts_nobody_is_not_waited_for_longer() {
        let address = UnixAddress::from_abstract_name(format!("reactor-handover-{}", std::process::id()));
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&address.to_system().unwrap()).unwrap();
        listener.listen(0).unwrap();
        let waiting = connect(&address, A_MOMENT).unwrap();
        let error = connect(&address, A_MOMENT).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(waiting);
    }
}
