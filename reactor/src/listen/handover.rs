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
use crate::connection::protocol::Protocol;
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

/// Replaces a server by its next version without losing a client: the new process gets the listening sockets of the old
/// one, over a UNIX socket at a path that both know, and the old one stops accepting when the new one is ready. What
/// waits in a socket's backlog is accepted by whichever is there; nobody is refused.
///
/// Between [`begin`](Self::begin) and [`finish`](Self::finish) the program listens as it always does: `listen_tcp`,
/// `listen_udp`, `listen_unix` and `listen_unix_datagram` take the old process's socket if that was asked to listen on
/// the same address with the same words, and open one of their own otherwise.
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
/// Only processes of the same user, and those of root, get sockets; only such are believed. A new process that ends
/// before it is ready changes nothing. Connections stay where they are: the old process finishes them
/// ([`Transport::on_drain`]) while it stops. Sockets that were adopted stay with who has adopted them, and reactors of
/// several threads cannot hand over.
pub struct Handover {
    reactor: Reactor,
    path: PathBuf,
    before: Option<UnixStream>,
    taken: usize,
}

impl Handover {
    /// Asks the process that offers its sockets at `path` for them; if there is none this is the first, and there is
    /// nothing to take over. To be called before the program listens. It waits for the other process, for at most 5 s.
    ///
    /// # Errors
    ///
    /// If the other process is of another user, says something else than it should, or nothing in time; if there is no
    /// directory for the path, or the reactor is one of a simulation, or of [several threads](crate::run_on_threads).
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
            // At the latest the offer to the next would fail.
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

    /// How many sockets the process before has left: 0 if there was none.
    pub fn taken_count(&self) -> usize {
        self.taken
    }

    /// This process is ready: tells the one before to stop accepting, waits until it has, and then offers this reactor's
    /// ports to the next one at the path. When that is ready in its turn `on_taken_over` is called, behind the end of
    /// accepting: the time to stop in order. Sockets of the process before that nobody has asked for are closed.
    ///
    /// What is returned is the port of the offer; it closes with the reactor, or when the ports are taken over.
    ///
    /// # Errors
    ///
    /// If a third process was ready earlier and has got everything, or the process before does not let go within 10 s:
    /// then there would be two. If the file of a UNIX socket is gone, because the process before was stopped meanwhile.
    /// If the path cannot be listened on, as [`listen_unix`](Reactor::listen_unix) says it.
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
            // Dropped without a word only with the reactor.
            let _ = ended.await;
            if let Some(error) = outcome.take() {
                return Err(cannot_take_over(&path, &io::Error::other(error)));
            }
            for port in reactor.0.ports() {
                if let Some(inheritable) = port.inheritable() {
                    inheritable.take_file().map_err(|error| {
                        let what = format!("{} is not to be had: {error}", inheritable.name());
                        cannot_take_over(&path, &io::Error::new(error.kind(), what))
                    })?;
                }
            }
        }
        for (name, socket) in left_over {
            close_for_good(&name, socket);
        }
        let offer = Rc::new(Offer {
            name: format!("unix {}", UnixAddress::from_path(&path)),
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

/// Closes a socket of the process before that nobody has asked for. What it has in the file system goes, too: that process
/// has left it, and it would be in the way of whoever listens there later.
fn close_for_good(name: &str, socket: OwnedFd) {
    let path = name.strip_prefix("unix ").or_else(|| name.strip_prefix("unix-datagram "));
    let Some(path) = path else { return };
    // As with a lock, so that one of the process before goes.
    let closed = NamedSocket::take_over(Socket::from(socket), &UnixAddress::from(path), true)
        .and_then(|socket| socket.take_file());
    if let Err(error) = closed {
        tracing::warn!(path, %error, "cannot remove the socket that nobody serves any more");
    }
}

/// Connects, and waits no longer than this if the process there is too busy to accept.
fn connect(address: &UnixAddress, patience: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // The system's word for that, too.
    socket.set_write_timeout(Some(patience))?;
    socket.connect(&address.to_system()?).map_err(no_answer)?;
    socket.set_write_timeout(None)?;
    Ok(OwnedFd::from(socket).into())
}

/// Reads the names and the sockets that the process before has to leave.
fn receive_sockets(before: &UnixStream, clock: &Clock, patience: Duration) -> io::Result<Vec<(String, OwnedFd)>> {
    if !is_trusted(socket_peercred(before)?.uid.as_raw()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is another user's"));
    }
    let until = clock.now() + patience;
    let mut text = Vec::new();
    let mut descriptors = Vec::new();
    // An empty line is the last.
    while !(text == b"\n" || text.ends_with(b"\n\n")) {
        // None at all would be for ever.
        let left = until.saturating_duration_since(clock.now()).max(Duration::from_millis(1));
        before.set_read_timeout(Some(left))?;
        let mut buffer = [0; 4096];
        match unix::receive(before, &mut buffer, &mut descriptors) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has closed instead of answering")),
            Ok(n) => text.extend(&buffer[..n]),
            // Waiting with a time limit is not taken up again by the system.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(no_answer(error)),
        }
        if text.len() > LONGEST {
            return Err(malformed());
        }
    }
    let names = String::from_utf8(text).map_err(|_| malformed())?;
    let names: Vec<_> = names.lines().filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let mut descriptors = VecDeque::from(descriptors);
    if names.len() != descriptors.len() {
        return Err(malformed());
    }
    Ok(names.into_iter().zip(descriptors.drain(..)).collect())
}

fn cannot_take_over(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot take over from the process at {}: {error}", escaped_path(&path)))
}

/// An error in words of its own where the system's, that it would have to wait, says little.
fn no_answer(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "it does not answer"),
        _ => error,
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it says makes no sense")
}

fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// Waits for the process before to let go.
struct ToPredecessor {
    transport: Transport,
    outcome: Rc<Cell<Option<&'static str>>>,
    ended: Option<oneshot::Sender<()>>,
}

impl Protocol for ToPredecessor {
    fn connection_made(&mut self) {
        self.transport.write(READY);
        self.transport.call_later(PATIENCE * 2, |this: &mut Self| {
            this.outcome.set(Some("it does not let go of its ports"));
            this.transport.abort_connection();
        });
    }

    fn data_received(&mut self, _data: &[u8]) {
        self.outcome.set(Some("another process has taken over meanwhile"));
        self.transport.abort_connection();
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        if let Some(ended) = self.ended.take() {
            // Who waits may have given up.
            let _ = ended.send(());
        }
    }
}

/// What the next process is offered.
struct Offer {
    /// Of the offer's own port, which stays.
    name: String,
    port: OnceCell<Port>,
    on_taken_over: Cell<Option<Box<dyn FnOnce()>>>,
    /// Processes that have got sockets and are not ready yet.
    asking: RefCell<Vec<Transport>>,
}

/// Leaves the sockets to the next process.
struct ToSuccessor {
    transport: Transport,
    offer: Rc<Offer>,
    said: Vec<u8>,
}

impl ToSuccessor {
    /// The ports that can be left to another process.
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
        let left = if trusted { self.leave() } else { Err(io::Error::other("it is another user's")) };
        match left {
            Ok(()) => self.offer.asking.borrow_mut().push(self.transport.clone()),
            Err(error) => {
                tracing::warn!(peer = ?self.transport.peer_credentials(), "nothing is left to a process: {error}");
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

/// What the next process says when it is.
const READY: &str = "ready\n";

/// What is said to one that comes too late.
const GONE: &str = "gone\n";

/// How long the process before may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most bytes that all names may have together.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(10);

    #[test]
    fn a_process_that_says_nothing_is_not_waited_for_longer() {
        let (before, _silent) = UnixStream::pair().unwrap();
        let error = receive_sockets(&before, &Clock::system(), A_MOMENT).unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::TimedOut, "it does not answer".to_owned()));
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
