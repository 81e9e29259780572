//! The old process of a handover.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use socket2::Type;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use crate::address::Address;
use crate::address::unix::UnixAddress;
use crate::listen::handover::conversation::{AT_ONCE, First, GONE, Line, Message, malformed};
use crate::listen::handover::live;
use crate::listen::handover::takeover::is_trusted;
use crate::net::accepting::AcceptingSocket;
use crate::port::seats::Seats;
use crate::reactor::Reactor;
use crate::reactor::port_registry::{PortKey, PortSocket};
use crate::threads::group::Member;
use crate::unix::file::NamedSocket;
use crate::util::log_limit::LogLimit;

/// Offers the ports of this process at the path, until another one has taken over.
pub(super) fn start(reactor: &Reactor, path: &Path, on_taken_over: Box<dyn FnOnce()>) -> io::Result<()> {
    let address = UnixAddress::from_path(path);
    let open = || {
        let named = NamedSocket::bind(Type::STREAM, &address, 0o600, true)?;
        named.socket.listen(BACKLOG)?;
        // Nobody passes descriptors to it. It counts in no limit: a server that is full can be replaced.
        let seat = Arc::<Seats>::default().take(&Arc::default());
        AcceptingSocket::new(Arc::new(named), seat, |_| Ok(Address::from(UnixAddress::unnamed())))
    };
    let opened = reactor.unless_stopped(|| reactor.in_context(open));
    let socket = opened.map_err(|error| crate::listen::cannot_listen_unix(&address, error))?;
    let offer = Rc::new(Offer {
        reactor: reactor.clone(),
        state: Cell::new(OfferState::Open),
        on_taken_over: Cell::new(Some(on_taken_over)),
        taken: Notify::new(),
        socket: RefCell::new(Some(socket)),
        log: LogLimit::default(),
    });
    reactor.spawn(accept(Rc::clone(&offer)));
    Ok(())
}

struct Offer {
    reactor: Reactor,
    state: Cell<OfferState>,
    on_taken_over: Cell<Option<Box<dyn FnOnce()>>>,
    /// Tells those that wait when one of them has taken over.
    taken: Notify,
    /// Until that.
    socket: RefCell<Option<AcceptingSocket<NamedSocket>>>,
    log: LogLimit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OfferState {
    Open,
    /// A process is taking over.
    Busy,
    Taken,
}

async fn accept(offer: Rc<Offer>) {
    loop {
        let accepted = poll_fn(|cx| match &mut *offer.socket.borrow_mut() {
            Some(socket) => socket.poll_accept(cx).map(Some),
            None => std::task::Poll::Ready(None),
        });
        let taken = offer.taken.notified();
        match select(std::pin::pin!(accepted), std::pin::pin!(taken)).await {
            Either::Left((Some(Ok(arrival)), _)) => {
                let conversation = Rc::clone(&offer);
                offer.reactor.spawn(async move { conversation.converse(arrival.socket).await });
            }
            Either::Left((Some(Err(error)), _)) => {
                if let Some(left_out) = offer.log.allows(offer.reactor.now()) {
                    tracing::warn!(%error, left_out, "cannot accept the next process");
                }
                offer.reactor.sleep(PAUSE).await;
            }
            Either::Left((None, _)) | Either::Right(_) => return,
        }
    }
}

impl Offer {
    /// Talks to a process that wants to take over.
    async fn converse(&self, socket: OwnedFd) {
        let result = self.hand_over(socket).await;
        if let Err((process, error)) = result
            && let Some(left_out) = self.log.allows(self.reactor.now())
        {
            tracing::warn!(process, left_out, "not handed over: {error}");
        }
    }

    async fn hand_over(&self, socket: OwnedFd) -> Result<(), (Option<i32>, io::Error)> {
        let stream = UnixStream::from_std(socket.into()).map_err(|error| (None, error))?;
        let credentials = stream.peer_cred().map_err(|error| (None, error))?;
        let process = credentials.pid();
        if !is_trusted(credentials.uid()) {
            let message = format!("the process that asked belongs to another user ({})", credentials.uid());
            return Err((process, io::Error::new(io::ErrorKind::PermissionDenied, message)));
        }
        let mut line = Line::new(stream);
        self.hand_over_on(&mut line).await.map_err(|error| {
            let gone = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
            (process, if gone { left_early() } else { error })
        })
    }

    async fn hand_over_on(&self, line: &mut Line) -> io::Result<()> {
        self.send_sockets(line).await?;
        let first = match select(std::pin::pin!(line.first()), std::pin::pin!(self.taken.notified())).await {
            Either::Left((first, _)) => Some(first?),
            Either::Right(_) => None,
        };
        let continues = match first {
            Some(First::Ready { continues }) if self.state.get() == OfferState::Open => continues,
            Some(First::Ready { .. }) | None => {
                line.send(GONE.as_bytes(), None).await?;
                return Err(io::Error::other("another process was ready earlier"));
            }
            Some(First::Unwanted) => {
                return Err(io::Error::other("the process that asked listens on none of the addresses offered here"));
            }
            Some(First::Left) => return Err(io::Error::other("the process that asked ended before it was ready")),
            Some(First::Nonsense) => return Err(malformed()),
        };
        self.state.set(OfferState::Busy);
        tracing::info!(process = ?line.socket().peer_cred().ok().and_then(|peer| peer.pid()), "another process takes over");
        let offered = self.reactor.0.shared_ports.registry.inheritable();
        set_resting(&offered, true);
        if continues && let Err(error) = self.hand_over_connections(line, &offered).await {
            // The other process is not ready after all: everything goes on here.
            set_resting(&offered, false);
            self.state.set(OfferState::Open);
            return Err(error);
        }
        self.release(&offered).await;
        Ok(())
    }

    async fn send_sockets(&self, line: &Line) -> io::Result<()> {
        for (key, socket) in self.reactor.0.shared_ports.registry.inheritable() {
            let name = format!("{}\n", key.name);
            for descriptor in socket.descriptors()? {
                line.send(name.as_bytes(), Some(descriptor.as_fd())).await?;
            }
        }
        line.send(b"\n", None).await
    }

    /// Hands over the connections that can go on, and waits until the other process has all that it accepts.
    async fn hand_over_connections(&self, line: &mut Line, offered: &[(PortKey, PortSocket)]) -> io::Result<()> {
        let names: Arc<Vec<PortKey>> = Arc::new(offered.iter().map(|(key, _)| key.clone()).collect());
        // All before the first goes: protocols on one thread may speak to those on another.
        let mut held = Vec::new();
        for member in self.reactor.members() {
            let keys = Arc::clone(&names);
            let ids = member.remote.ask(move |reactor| live::candidates(reactor, &keys)).await;
            held.extend(ids.map(|ids| (member, ids)));
        }
        let outcome = self.hand_over_held(line, &held).await;
        for (member, ids) in held {
            // Those that have gone are not found.
            member.remote.ask(move |reactor| live::hold(reactor, &ids, false)).await;
        }
        outcome
    }

    async fn hand_over_held(&self, line: &mut Line, held: &[(Member, Vec<u64>)]) -> io::Result<()> {
        let mut handed = 0;
        let mut next_id = 0;
        let until = self.reactor.now() + WAIT_FOR_CALLS;
        for (member, ids) in held {
            // Some are not able to at one moment and are at the next.
            let mut left = ids.clone();
            let mut pause = FIRST_PAUSE;
            loop {
                let mut not_now = Vec::new();
                for some in left.chunks(AT_ONCE) {
                    let batch = Batch { member, next_id, connections: Vec::new() };
                    let (gone, later) = batch.hand_over(self, line, some.to_vec()).await?;
                    handed += gone;
                    not_now.extend(later);
                    next_id += u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
                }
                left = not_now;
                if left.is_empty() || self.reactor.now() + pause > until {
                    break;
                }
                self.reactor.sleep(pause).await;
                pause *= 2;
            }
        }
        self.time_out(line.tell(&Message::NoMore)).await?;
        match self.time_out(line.next()).await? {
            Some((Message::Done, _)) => {
                tracing::info!(connections = handed, "connections go on in the other process");
                Ok(())
            }
            Some((Message::Failed(why), _)) => Err(io::Error::other(why)),
            Some(_) => Err(malformed()),
            None => Err(left_early()),
        }
    }

    /// Bounds a step that the other process has to take.
    async fn time_out<T>(&self, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        match self.reactor.time_out(PATIENCE, step).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the process that asked does not answer")),
        }
    }

    /// Leaves the files, closes the ports and tells the program.
    async fn release(&self, offered: &[(PortKey, PortSocket)]) {
        self.state.set(OfferState::Taken);
        // First, because it tells the other process that this one does not go on; and a program may end by itself when its
        // ports close.
        let own = self.socket.take();
        drop(own);
        for named in offered.iter().filter_map(|(_, socket)| socket.named()) {
            named.leave_file();
        }
        let names: Arc<Vec<PortKey>> = Arc::new(offered.iter().map(|(key, _)| key.clone()).collect());
        let closed = self.reactor.members().into_iter().map(async |member: Member| {
            let keys = Arc::clone(&names);
            let (tell, told) = tokio::sync::oneshot::channel();
            let close = move |reactor: &Reactor| {
                let ports: Vec<_> = keys.iter().filter_map(|key| reactor.0.shared_ports.port(key)).collect();
                let closed: Vec<_> = ports.iter().map(crate::port::Port::stop_listening).collect();
                reactor.spawn(async move {
                    join_all(closed).await;
                    // The receiver may have been dropped.
                    let _ = tell.send(());
                });
            };
            member.remote.ask(close).await;
            // An error means that the reactor has ended, and its ports with it.
            let _ = told.await;
        });
        join_all(closed).await;
        self.taken.notify_waiters();
        if let Some(on_taken_over) = self.on_taken_over.take() {
            on_taken_over();
        }
    }
}

/// Some connections of one reactor, which are at rest until the other process has answered.
struct Batch<'a> {
    member: &'a Member,
    next_id: u32,
    connections: Vec<Resting>,
}

struct Resting {
    /// Its number in the conversation, and here.
    id: u32,
    local: u64,
    /// What the other process has said.
    accepted: Option<bool>,
}

impl Batch<'_> {
    /// Hands over those that can go on now; returns how many are gone, and those that could not.
    async fn hand_over(mut self, offer: &Offer, line: &mut Line, ids: Vec<u64>) -> io::Result<(usize, Vec<u64>)> {
        let Some(rested) = self.member.remote.ask(move |reactor| live::rest(reactor, &ids)).await else {
            return Ok((0, Vec::new()));
        };
        let live::Rested { connections, not_now } = rested;
        let first = self.next_id;
        self.connections = (first..)
            .zip(&connections)
            .map(|(id, (local, ..))| Resting { id, local: *local, accepted: None })
            .collect();
        let mut outcome = Ok(());
        for (id, (_, key, live)) in (first..).zip(connections) {
            let number = u32::try_from(key.number).unwrap_or(u32::MAX);
            let message = Message::Connection { id, port: key.name, number, state: live.state, unsent: live.unsent };
            outcome = offer.time_out(line.send(&message.encode(), Some(live.socket.as_fd()))).await;
            if outcome.is_err() {
                break;
            }
        }
        while outcome.is_ok() && self.connections.iter().any(|connection| connection.accepted.is_none()) {
            outcome = match offer.time_out(line.next()).await {
                Ok(Some((message, _))) => self.answered(&message),
                Ok(None) => Err(left_early()),
                Err(error) => Err(error),
            };
        }
        if outcome.is_err() {
            // What the other process says from here on it cannot say; what it has said before counts.
            line.close();
            while let Ok(Ok(Some((message, _)))) = offer.reactor.time_out(PATIENCE, line.next()).await {
                let _ = self.answered(&message);
            }
        }
        let gone = self.settle(line, outcome.is_ok()).await;
        outcome.and(gone).map(|gone| (gone, not_now))
    }

    fn answered(&mut self, message: &Message) -> io::Result<()> {
        let (id, accepted) = match message {
            Message::Accepted(id) => (*id, true),
            Message::Refused(id) => (*id, false),
            Message::Failed(why) => return Err(io::Error::other(why.clone())),
            _ => return Err(malformed()),
        };
        let connection = self.connections.iter_mut().find(|connection| connection.id == id);
        let connection = connection.filter(|connection| connection.accepted.is_none()).ok_or_else(malformed)?;
        connection.accepted = Some(accepted);
        Ok(())
    }

    /// Lets go of those that the other process has got, and goes on with the others here.
    async fn settle(&self, line: &Line, tells: bool) -> io::Result<usize> {
        let is_gone = |connection: &&Resting| connection.accepted == Some(true);
        let gone: Vec<_> = self.connections.iter().filter(is_gone).map(|connection| connection.local).collect();
        let kept = self.connections.iter().filter(|connection| !is_gone(connection));
        let kept: Vec<_> = kept.map(|connection| connection.local).collect();
        let count = gone.len();
        let written = self.member.remote.ask(move |reactor| {
            kept.iter().for_each(|id| live::go(reactor, *id, &[]));
            gone.iter().map(|id| live::release(reactor, *id)).collect::<Vec<_>>()
        });
        let written = written.await.unwrap_or_default();
        if tells {
            for (connection, written) in self.connections.iter().filter(is_gone).zip(written) {
                line.tell(&Message::Released { id: connection.id, written }).await?;
            }
        }
        Ok(count)
    }
}

fn set_resting(offered: &[(PortKey, PortSocket)], resting: bool) {
    offered.iter().filter_map(|(_, socket)| socket.seats()).for_each(|seats| seats.set_resting(resting));
}

fn left_early() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the process that asked left before it had taken over; it says why itself",
    )
}

/// How long the other process may take for each step.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long connections that cannot go on at the moment, most often because of deferred calls, are asked again.
const WAIT_FOR_CALLS: Duration = Duration::from_millis(500);
/// The pause before they are asked for the second time. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The wait before accepting again after an error.
const PAUSE: Duration = Duration::from_millis(200);

const BACKLOG: i32 = 16;
