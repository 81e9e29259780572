//! The loop around a [`Connection`] that moves its bytes over a stream.

mod io;
pub(crate) mod keeper;
pub(crate) mod linger;
mod pump;
pub(crate) mod stream;
pub(crate) mod task;

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tracing::Span;
use tracing::field::Empty;

use crate::connection::Connection;
use crate::connection::factory::{Built, FactoryCell};
use crate::driver::io::{Budget, LoopStep, StreamState, Wire};
use crate::driver::keeper::Keeper;
use crate::driver::linger::Linger;
use crate::driver::stream::{Accepted, Stream};
use crate::driver::task::{DriverTask, Runnable, yield_now};
use crate::time::panic_log::log_panic;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::roster::Roster;
use crate::transport::traffic::sums::Traffic;
use crate::util::panics::catch_panic;

/// The outcome of starting a connection on a stream.
pub(crate) enum Started {
    Running(Transport, DriverTask),
    Refused,
    Panicked(String),
}

/// Builds the protocol for a stream and calls `connection_made`. The returned task must be spawned at once.
pub(crate) fn start<S: Stream>(
    roster: &Rc<Roster>,
    accepted: Accepted<S>,
    output_limit: usize,
    factory: &FactoryCell,
    keeper: Rc<dyn Keeper>,
) -> Started {
    let started = prepare(roster, accepted, output_limit, |transport| factory.build(transport), keeper);
    if let Started::Running(_, DriverTask(driver)) = &started {
        driver.made();
    }
    started
}

/// As [`start`], but leaves `connection_made` to [`Runnable::made`]. A panic of `build` is passed on.
pub(crate) fn prepare<S: Stream>(
    roster: &Rc<Roster>,
    accepted: Accepted<S>,
    output_limit: usize,
    build: impl FnOnce(Transport) -> Built,
    keeper: Rc<dyn Keeper>,
) -> Started {
    let Accepted { stream, host, peer } = accepted;
    let transport = Transport::new(&roster.hub, host, peer, output_limit);
    transport.0.passes_descriptors.set(stream.passes_descriptors());
    if let Some(credentials) = stream.peer_credentials() {
        transport.0.with_cold(|cold| cold.peer_credentials = Some(credentials));
    }
    let span = span(&transport, stream.pid());
    let connection = span.in_scope(|| {
        keeper.connection_begins(&transport);
        connection(&transport, build(transport.clone()))
    });
    let connection = match connection {
        Ok(connection) => connection,
        Err(refused) => return refused,
    };
    let driver = Rc::new(Driver {
        span: (!span.is_none()).then(|| Box::new(span)),
        waker: Cell::new(None),
        wire: Wire { stream: RefCell::new(stream), traffic: Traffic::begin(&roster.hub.turn_clock) },
        link: RefCell::new(StreamLoop {
            key: roster.add(transport.clone()),
            roster: Rc::clone(roster),
            io: StreamState::default(),
            phase: StreamPhase::Open(connection),
            keeper,
        }),
    });
    transport.0.set_pump(Rc::downgrade(&driver) as _);
    Started::Running(transport, DriverTask(driver))
}

fn span(transport: &Transport, pid: Option<u32>) -> Span {
    let (peer, host) = (transport.0.peer(), transport.0.host());
    let span = tracing::info_span!("connection", id = transport.0.id, %peer, %host, pid = Empty);
    if let Some(pid) = pid {
        span.record("pid", pid);
    }
    span
}

/// The connection of a protocol, if one was built.
fn connection(transport: &Transport, built: Built) -> Result<Connection, Started> {
    let connection = match built {
        // Asking it for its handler runs user code.
        Built::Protocol(protocol) => {
            catch_panic(|| Connection::new(transport.clone(), protocol)).map_err(Started::Panicked)
        }
        Built::Refused => Err(Started::Refused),
        Built::Panicked(message) => Err(Started::Panicked(message)),
    };
    if connection.is_ok() {
        tracing::debug!("open");
    } else {
        tracing::debug!("refused by the factory");
        // The factory may have kept the handle, and requested calls.
        log_panic("drop of a call", || transport.0.end());
    }
    connection
}

pub(crate) struct Driver<S> {
    /// `None` without a subscriber.
    span: Option<Box<Span>>,
    waker: Cell<Option<Waker>>,
    wire: Wire<S>,
    /// Borrowed while callbacks run. Code that finds it borrowed need not wake it, because the driver checks everything
    /// again before it sleeps.
    link: RefCell<StreamLoop>,
}

struct StreamLoop {
    roster: Rc<Roster>,
    /// Its key in the roster.
    key: usize,
    io: StreamState,
    phase: StreamPhase,
    keeper: Rc<dyn Keeper>,
}

enum StreamPhase {
    Open(Connection),
    /// Another process decides whether to take the connection.
    Resting(Box<Resting>),
    /// The protocol is gone; the socket reads and drops what the peer still sends.
    Lingering(Box<Linger>),
    Over,
}

/// A connection at rest.
struct Resting {
    connection: Connection,
    /// How much was unsent when the rest began, inside all layers.
    unsent: usize,
}

impl<S: Stream> Runnable for Driver<S> {
    fn made(&self) {
        let _entered = self.span.as_ref().map(|span| span.enter());
        if let StreamPhase::Open(connection) = &mut self.link.borrow_mut().phase {
            connection.made();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = self.waker.take().filter(|waker| waker.will_wake(cx.waker()));
        self.waker.set(Some(waker.unwrap_or_else(|| cx.waker().clone())));
        let _entered = self.span.as_ref().map(|span| span.enter());
        let mut link = self.link.borrow_mut();
        link.set_driven(true);
        let poll = link.poll(cx, &self.wire);
        link.set_driven(false);
        poll
    }

    fn connection(&self) -> Option<RefMut<'_, Connection>> {
        RefMut::filter_map(self.link.borrow_mut(), |link| match &mut link.phase {
            StreamPhase::Open(connection) => Some(connection),
            _ => None,
        })
        .ok()
    }
}

impl StreamLoop {
    /// Whether the connection needs to be woken; when it has ended, it is not.
    fn set_driven(&self, driven: bool) {
        if let StreamPhase::Open(connection) = &self.phase {
            connection.transport().0.set_driven(driven);
        }
    }

    fn poll<S: Stream>(&mut self, cx: &mut Context<'_>, wire: &Wire<S>) -> Poll<()> {
        let mut budget = Budget::default();
        loop {
            let step = match &mut self.phase {
                StreamPhase::Open(_) => self.step(cx, &mut budget, wire),
                StreamPhase::Resting(_) => return Poll::Pending,
                StreamPhase::Lingering(_) => return self.linger(cx, wire),
                StreamPhase::Over => return Poll::Ready(()),
            };
            match step {
                LoopStep::Again => {}
                // Otherwise callbacks have requested something since the last check.
                LoopStep::Sleep if !self.is_dirty() => return Poll::Pending,
                LoopStep::Sleep if budget.rounds < ROUNDS => budget.rounds += 1,
                LoopStep::Sleep | LoopStep::Yield => return yield_now(cx),
                LoopStep::End(reason) => self.end(reason, wire),
            }
        }
    }

    fn is_dirty(&self) -> bool {
        matches!(&self.phase, StreamPhase::Open(connection) if connection.transport().0.is_dirty())
    }

    /// Follows up the last input, then takes the next.
    fn step<S: Stream>(&mut self, cx: &mut Context<'_>, budget: &mut Budget, wire: &Wire<S>) -> LoopStep {
        let Self { phase: StreamPhase::Open(connection), io, roster, .. } = self else { return LoopStep::Again };
        let state = &connection.transport().0;
        let mut yields = false;
        if (state.needs_turn() || state.unsent_bytes() > 0 || connection.is_due_inside())
            && let Some(step) = io.follow_up(connection, cx, budget, wire)
        {
            // A protocol that keeps writing is still told what its peer sends, and that the peer has ended.
            yields = matches!(step, LoopStep::Yield);
            if !yields {
                return step;
            }
        }
        match io.input(connection, &roster.hub.buffers, cx, budget, wire) {
            end @ LoopStep::End(_) => end,
            _ if yields => LoopStep::Yield,
            step => step,
        }
    }

    /// Reports that the connection has ended; the socket lingers if the peer may still be sending.
    fn end<S: Stream>(&mut self, reason: CloseReason, wire: &Wire<S>) {
        // Whatever the reason: output may be missing, and the peer must see that.
        let failed = matches!(&self.phase, StreamPhase::Open(connection) if connection.failure().is_some());
        let lingers = !failed && reason.is_clean() && !self.io.eof;
        if failed {
            wire.stream.borrow_mut().reset();
        }
        let StreamPhase::Open(connection) = std::mem::replace(&mut self.phase, StreamPhase::Over) else { return };
        let transport = connection.transport();
        if lingers {
            let source = transport.0.peer().source();
            self.roster.begin_lingering(source);
            self.phase = StreamPhase::Lingering(Box::new(Linger::new(self.roster.hub.timers.now(), source)));
        }
        let reason = if reason.is_clean() { transport.0.close_reason() } else { reason };
        self.lost(connection, reason, &wire.traffic);
    }

    /// Tells everybody that the connection has ended.
    fn lost(&self, mut connection: Connection, reason: CloseReason, traffic: &Traffic) {
        let transport = connection.transport().clone();
        let (received, sent) = (traffic.received(), traffic.sent());
        tracing::debug!(%reason, received, sent, unsent = transport.unsent_bytes(), "closed");
        connection.lost(reason.clone());
        drop(connection);
        self.keeper.connection_ends(&transport);
        self.keeper.connection_lost(&reason);
        self.roster.remove(self.key);
    }

    fn linger<S: Stream>(&mut self, cx: &mut Context<'_>, wire: &Wire<S>) -> Poll<()> {
        if let StreamPhase::Lingering(linger) = &mut self.phase {
            let limits = self.keeper.linger_limits();
            ready!(linger.poll(cx, &self.roster.hub, &mut *wire.stream.borrow_mut(), limits));
            self.roster.end_lingering(linger.source());
            self.phase = StreamPhase::Over;
        }
        Poll::Ready(())
    }
}

impl Drop for StreamLoop {
    fn drop(&mut self) {
        match &self.phase {
            StreamPhase::Open(_) | StreamPhase::Resting(_) => self.roster.remove(self.key),
            StreamPhase::Lingering(linger) => self.roster.end_lingering(linger.source()),
            StreamPhase::Over => {}
        }
    }
}

/// Maximum rounds of follow-up per poll, so that self-rescheduling calls yield.
const ROUNDS: u32 = 8;
