//! Accepting connections.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::Socket;

use crate::connection::Protocol;
use crate::connection::factory::FactoryCell;
use crate::driver;
use crate::driver::Started;
use crate::driver::keeper::Keeper;
use crate::driver::linger::LingerLimits;
use crate::driver::stream::{Accepted, Adopt, Listener, Stream};
use crate::hub::Hub;
use crate::net::connection_options::ConnectionOptions;
use crate::port::accept_limits::AcceptLimits;
use crate::port::admission::Admission;
use crate::port::refusals::Refusal;
use crate::port::seats::Place;
use crate::port::{Accepts, Port};
use crate::reactor::Reactor;
use crate::reactor::core::Core;
use crate::time::timers::Sleep;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::moving::pump::AtRest;
use crate::transport::roster::Roster;
use crate::util::log_limit::LogLimit;

/// Starts the factory, and the task that accepts connections until the port is stopped.
pub(crate) fn start<L: Listener>(
    core: &Rc<Core>,
    listener: L,
    limits: AcceptLimits,
    options: ConnectionOptions,
    factory: FactoryCell,
) -> Port {
    let port = Port::new(listener.host());
    let acceptor = Rc::new(Acceptor {
        core: Rc::downgrade(core),
        roster: Rc::clone(&core.roster),
        port: port.clone(),
        factory,
        admission: Admission::new(&port, &core.hub, limits, listener.tally()),
        options,
        resume: listener.adopt().map(|adopt| {
            let resume = move |acceptor: &Rc<Acceptor>, at_rest| acceptor.resume_by(adopt, at_rest);
            Box::new(resume) as Box<Resume>
        }),
        log: LogLimit::default(),
    });
    port.set_acceptor(Rc::downgrade(&acceptor) as _);
    acceptor.factory.start();
    core.spawn_task(accept(listener, acceptor));
    port
}

/// Accepts until the port is stopped. If dropped before that, it still stops the factory.
async fn accept<L: Listener>(mut listener: L, acceptor: Rc<Acceptor>) {
    let closing = Closing(acceptor);
    let acceptor = &closing.0;
    let mut batch = 0;
    let mut failures = 0;
    loop {
        let next = poll_fn(|cx| acceptor.poll_accept(&mut listener, cx)).await;
        match next {
            None => break,
            Some(Ok(accepted)) => {
                failures = 0;
                if let Some(delay) = acceptor.admission.delay() {
                    listener.rest();
                    acceptor.sleep(delay).await;
                    if acceptor.port.is_stopping() {
                        break;
                    }
                }
                if acceptor.accepted(accepted) {
                    // A connection that gave way ends before the next client is considered, which may then need to
                    // displace none.
                    yield_now().await;
                }
            }
            Some(Err(error)) => match Trouble::from(&error) {
                Trouble::OfOneClient if failures < FAILURES_IN_A_ROW => failures += 1,
                Trouble::OfOneClient => {
                    failures = 0;
                    acceptor.pause("cannot accept any client", &error).await;
                }
                Trouble::NoDescriptor => match poll_fn(|cx| Poll::Ready(listener.turn_away(cx))).await {
                    Ok(0) => {}
                    Ok(clients) => acceptor.admission.refuse(Refusal::NoDescriptor, clients),
                    Err(error) => acceptor.pause("cannot accept, and no reserve descriptor is left", &error).await,
                },
                Trouble::Ours => acceptor.pause("cannot accept", &error).await,
            },
        }
        batch += 1;
        if batch == ACCEPTED_AT_ONCE {
            batch = 0;
            yield_now().await;
        }
    }
    drop(listener);
}

/// What an error of `accept` means for the clients waiting behind it.
enum Trouble {
    /// This client is gone, or a firewall keeps it out.
    OfOneClient,
    /// The process or the system has no descriptor left.
    NoDescriptor,
    /// Memory is short, or the cause is unknown.
    Ours,
}

impl From<&io::Error> for Trouble {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted => return Self::OfOneClient,
            _ => {}
        }
        match error.raw_os_error() {
            Some(libc::EMFILE) => Self::NoDescriptor,
            Some(libc::EPROTO) => Self::OfOneClient,
            _ => Self::Ours,
        }
    }
}

/// Shared by the accepting task and the connections it has accepted.
struct Acceptor {
    core: Weak<Core>,
    roster: Rc<Roster>,
    port: Port,
    factory: FactoryCell,
    admission: Admission,
    options: ConnectionOptions,
    /// Goes on with a connection of the listener's kind, if another process can have one.
    resume: Option<Box<Resume>>,
    /// Limits the logging of errors.
    log: LogLimit,
}

type Resume = dyn Fn(&Rc<Acceptor>, AtRest) -> Option<Transport>;

impl Acceptor {
    /// The next client; `None` when the port is to stop.
    fn poll_accept<L: Listener>(
        &self,
        listener: &mut L,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Accepted<L::Stream>>>> {
        if self.port.is_stopping() {
            return Poll::Ready(None);
        }
        if self.port.is_paused() || self.roster.hub.holds_clients(cx.waker()) {
            if self.port.is_paused() {
                listener.rest();
            }
            self.port.set_waker(cx.waker());
            return Poll::Pending;
        }
        let accepted = listener.poll_accept(cx);
        if accepted.is_pending() {
            self.port.set_waker(cx.waker());
        }
        accepted.map(Some)
    }

    /// Starts the connection of a client if it is admitted. Returns whether another connection gave way to it.
    fn accepted<S: Stream>(self: &Rc<Self>, accepted: Accepted<S>) -> bool {
        let Some(core) = self.core.upgrade() else { return false };
        let displaced = match self.admission.admit(&accepted.peer, || core.ports()) {
            Ok(displaced) => displaced,
            Err(why) => {
                self.admission.refuse(why, 1);
                return false;
            }
        };
        let peer = accepted.peer.clone();
        match driver::start(&self.roster, accepted, self.options.output_limit, &self.factory, Rc::clone(self) as _) {
            Started::Running(_, task) => {
                self.port.add_connection();
                core.spawn_driver(task);
            }
            Started::Refused | Started::Panicked(_) => self.admission.remove(&peer),
        }
        displaced
    }

    /// Goes on with a connection that another process has handed over; no limit applies, because it is not new.
    fn resume_by<S: Stream>(self: &Rc<Self>, adopt: Adopt<S>, at_rest: AtRest) -> Option<Transport> {
        let core = self.core.upgrade().filter(|core| !core.is_stopping())?;
        let AtRest { socket, state, unsent } = at_rest;
        let socket = Socket::from(socket);
        socket.set_nonblocking(true).ok()?;
        let accepted = Reactor(Rc::clone(&core)).in_context(|| adopt(socket, Place::take(&core.shared_ports.load)));
        let accepted = accepted.ok()?;
        let peer = accepted.peer.clone();
        self.admission.count(&peer);
        let build = |transport| self.factory.resume(transport, &state);
        match driver::prepare(&self.roster, accepted, self.options.output_limit, build, Rc::clone(self) as _) {
            Started::Running(transport, task) => {
                if let Some(mut connection) = task.0.connection() {
                    connection.set_resumed();
                }
                transport.0.restore_unsent(&unsent);
                transport.0.mover()?.begin_at_rest();
                self.port.add_connection();
                core.spawn_driver(task);
                Some(transport)
            }
            Started::Refused | Started::Panicked(_) => {
                self.admission.remove(&peer);
                None
            }
        }
    }

    /// Waits before the next try: the trouble is unlikely to be over at once.
    async fn pause(&self, what: &str, error: &io::Error) {
        if let Some(left_out) = self.log.allows(self.roster.hub.timers.now()) {
            tracing::warn!(port = %self.port.host(), %error, left_out, "{what}");
        }
        self.sleep(PAUSE).await;
    }

    /// Waits, unless the port is to stop.
    async fn sleep(&self, time: Duration) {
        let mut sleep = Sleep::new(&self.roster.hub.timers, time);
        poll_fn(|cx| {
            if self.port.is_stopping() {
                return Poll::Ready(());
            }
            self.port.set_waker(cx.waker());
            Pin::new(&mut sleep).poll(cx)
        })
        .await;
    }
}

impl Keeper for Acceptor {
    fn connection_begins(&self, transport: &Transport) {
        transport.0.set_accepted_by(self.port.intake());
    }

    fn connection_ends(&self, transport: &Transport) {
        self.admission.remove(transport.0.peer());
    }

    fn connection_lost(&self, _reason: &CloseReason) {
        self.port.remove_connection();
    }

    fn linger_limits(&self) -> LingerLimits {
        self.options.linger
    }

    fn set_held(&self, protocol: &mut dyn Protocol, held: bool) -> Result<(), String> {
        self.factory.set_held(protocol, held)
    }

    fn save(&self, protocol: &mut dyn Protocol) -> Result<Option<Vec<u8>>, String> {
        self.factory.save(protocol)
    }
}

impl Accepts for Acceptor {
    fn connections(&self) -> Vec<Transport> {
        let intake = self.port.intake();
        let accepted = |transport: &Transport| transport.0.accepted_by().is_some_and(|by| Rc::ptr_eq(by, intake));
        self.roster.connections().into_iter().filter(accepted).collect()
    }

    fn hub(&self) -> &Rc<Hub> {
        &self.roster.hub
    }

    fn is_resumable(&self) -> bool {
        self.factory.is_resumable()
    }

    fn resume(self: Rc<Self>, at_rest: AtRest) -> Option<Transport> {
        (self.resume.as_ref()?)(&self, at_rest)
    }
}

struct Closing(Rc<Acceptor>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.factory.discard();
        self.0.port.set_closed();
    }
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The number of clients accepted before the connections have their turn.
const ACCEPTED_AT_ONCE: u32 = 64;

/// After this many failed clients in a row, the fault is probably local.
const FAILURES_IN_A_ROW: u32 = 1_000;

/// The wait before accepting again after an error that is not a client's fault.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::VecDeque;

    use super::*;
    use crate::address::Address;
    use crate::hub::Hub;
    use crate::hub::buffers::ReadBuffer;
    use crate::testing::memory::MemoryStream;
    use crate::time::clock::Clock;

    /// Fails as it is told to, one client between any two failures.
    struct Troubled {
        failures: VecDeque<i32>,
        fails: bool,
        turned_away: Rc<Cell<usize>>,
    }

    impl Listener for Troubled {
        type Stream = MemoryStream;

        fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Accepted<MemoryStream>>> {
            self.fails = !self.fails;
            if self.fails {
                let Some(failure) = self.failures.pop_front() else { return Poll::Pending };
                return Poll::Ready(Err(io::Error::from_raw_os_error(failure)));
            }
            let [host, peer] = ["host", "peer"].map(Address::memory);
            Poll::Ready(Ok(Accepted { stream: MemoryStream(Rc::default()), host, peer }))
        }

        fn host(&self) -> Address {
            Address::memory("host")
        }

        fn turn_away(&mut self, _cx: &mut Context<'_>) -> io::Result<usize> {
            self.turned_away.set(self.turned_away.get() + 1);
            Ok(1)
        }
    }

    struct Idle;

    impl Protocol for Idle {
        fn data_received(&mut self, _data: &[u8]) {}
    }

    #[test]
    fn s102_whatever_accept_fails_with_the_port_goes_on() {
        let failures = [
            libc::ECONNABORTED,
            libc::EPERM,
            libc::EPROTO,
            libc::EINTR,
            libc::EMFILE,
            libc::ENFILE,
            libc::ENOBUFS,
            libc::ENOMEM,
            libc::EINVAL,
        ];
        let reactor = Reactor::in_memory(Hub::new(Rc::new(Clock::manual(0)), ReadBuffer::default()), None);
        let turned_away = Rc::new(Cell::new(0));
        let listener = Troubled { failures: failures.into(), fails: false, turned_away: Rc::clone(&turned_away) };
        let factory = FactoryCell::new(|_: Transport| Idle);
        let port = start(&reactor.0, listener, AcceptLimits::default(), ConnectionOptions::default(), factory);
        for pauses in 0..=4 {
            reactor.0.settle();
            assert_eq!(
                port.connection_count(),
                5 + pauses,
                "it waits before it tries again, but with a client's trouble"
            );
            reactor.0.advance(PAUSE);
        }
        assert_eq!((turned_away.get(), port.refusals().total()), (1, 1));
    }
}
