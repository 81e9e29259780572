//! The loop around a datagram protocol that moves its datagrams over a socket.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tracing::Span;

use crate::address::datagram::DatagramAddress;
use crate::datagram::DatagramProtocol;
use crate::datagram::socket::DatagramSocket;
use crate::datagram::transport::{DatagramState, DatagramTransport};
use crate::driver::task::{DriverTask, Runnable};
use crate::hub::Hub;
use crate::hub::buffers::BATCH;
use crate::port::Port;
use crate::time::call::Callee;
use crate::time::panic_log::{log_panic, log_panic_of, report_panic};
use crate::time::pulse::{Callback, Subject, observed};
use crate::time::timers::Sleep;
use crate::transport::moving::pump::Pump;
use crate::util::log_limit::LogLimit;
use crate::util::panics::catch_panic;

/// Builds the protocol for a socket. The returned task, which makes all callbacks, must be spawned.
///
/// A panic of `build` is passed on, and the socket is closed.
pub(crate) fn start<A: DatagramAddress, P: DatagramProtocol<A>>(
    hub: &Rc<Hub>,
    socket: Rc<dyn DatagramSocket<A>>,
    build: impl FnOnce(DatagramTransport<A>) -> P,
) -> (Port, DriverTask) {
    let port = Port::new(socket.host().into());
    let transport = DatagramTransport::new(hub, port.clone(), socket);
    let span = tracing::info_span!("datagrams", id = transport.0.id, host = %transport.host());
    let driver = Rc::new(DatagramDriver {
        state: Rc::clone(&transport.0),
        span,
        link: RefCell::new(DatagramLoop {
            state: Rc::clone(&transport.0),
            protocol: None,
            name: 0,
            started: false,
            received: 0,
            longest: BYTES,
            held: VecDeque::new(),
            failures: 0,
            pause: None,
            log: LogLimit::default(),
        }),
    });
    transport.0.set_pump(Rc::downgrade(&driver) as _);
    driver.build(|| build(transport));
    (port, DriverTask(driver))
}

pub(crate) struct DatagramDriver<A: DatagramAddress> {
    state: Rc<DatagramState<A>>,
    span: Span,
    /// Borrowed while callbacks run. Code that finds it borrowed need not wake it, because the driver checks everything
    /// again before it sleeps.
    link: RefCell<DatagramLoop<A>>,
}

struct DatagramLoop<A: DatagramAddress> {
    state: Rc<DatagramState<A>>,
    /// `None` before it is built and after it was stopped.
    protocol: Option<Box<dyn DatagramProtocol<A>>>,
    /// The number of its name.
    name: u32,
    started: bool,
    received: u64,
    /// The longest datagram of the last batch; those of the next are assumed to be as long.
    longest: usize,
    /// The rest of a batch in which the port was paused.
    held: VecDeque<(Vec<u8>, A, Option<A>)>,
    /// The number of socket errors in a row.
    failures: u32,
    /// While this runs, nothing is read.
    pause: Option<Sleep>,
    log: LogLimit,
}

impl<A: DatagramAddress> DatagramDriver<A> {
    fn build<P: DatagramProtocol<A>>(&self, build: impl FnOnce() -> P) {
        let _entered = self.span.enter();
        let mut protocol = build();
        let handler = protocol.handler().map(|handler| (*handler).type_id());
        let target = self.state.hub.share_target((&protocol as &dyn Any).type_id(), handler, protocol.type_name());
        let mut link = self.link.borrow_mut();
        link.name = target.number;
        link.protocol = Some(Box::new(protocol));
        self.state.calls.set_target(target);
    }
}

impl<A: DatagramAddress> Runnable for DatagramDriver<A> {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.state.port.set_waker(cx.waker());
        let _entered = self.span.enter();
        self.link.borrow_mut().poll(cx)
    }
}

impl<A: DatagramAddress> Pump for DatagramDriver<A> {
    fn wake(&self) {
        if self.link.try_borrow_mut().is_ok() {
            self.state.port.wake();
        }
    }

    fn turn(&self) {
        if let Ok(mut link) = self.link.try_borrow_mut() {
            let _entered = self.span.enter();
            // Futures woken here are polled again by the task, with its own waker.
            let mut cx = Context::from_waker(Waker::noop());
            self.state.begin_turn();
            link.turn(&mut cx, &mut Budget::default());
            self.state.end_turn(&mut cx);
        }
        self.wake();
    }
}

impl<A: DatagramAddress> Drop for DatagramDriver<A> {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        self.link.get_mut().finish();
    }
}

impl<A: DatagramAddress> DatagramLoop<A> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut budget = Budget::default();
        self.state.begin_turn();
        let over = self.go_on(cx, &mut budget);
        self.state.end_turn(cx);
        if over.is_pending() && (budget.is_spent() || self.state.is_refused()) {
            cx.waker().wake_by_ref();
        }
        over
    }

    /// One input, then everything due because of it, then the next input, until there is none or the others have their
    /// turn.
    fn go_on(&mut self, cx: &mut Context<'_>, budget: &mut Budget) -> Poll<()> {
        let hub = Rc::clone(&self.state.hub);
        loop {
            self.turn(cx, budget);
            if self.state.port.is_stopping() {
                self.finish();
                return Poll::Ready(());
            }
            if !budget.allows_input() {
                return Poll::Pending;
            }
            if self.state.take_refused() {
                budget.inputs += 1;
                self.call(Callback::ConnectionRefused, DatagramProtocol::connection_refused);
                continue;
            }
            if self.state.port.is_paused() || hub.holds_clients(cx.waker()) {
                return Poll::Pending;
            }
            if let Some((data, peer, asked)) = self.held.pop_front() {
                budget.inputs += 1;
                budget.bytes += data.len();
                self.received(&data, peer, asked);
                continue;
            }
            if let Some(pause) = &mut self.pause {
                ready!(Pin::new(pause).poll(cx));
                self.pause = None;
            }
            let Ok(socket) = self.state.socket() else { continue };
            let most = budget.datagrams(self.longest);
            let mut longest = 0;
            let waker = cx.waker();
            let received = socket.poll_receive(cx, &hub, most, &mut |data, peer, asked| {
                longest = longest.max(data.len());
                if self.state.port.is_paused() {
                    return self.held.push_back((data.to_vec(), peer, asked));
                }
                budget.inputs += 1;
                budget.bytes += data.len();
                self.received(data, peer, asked);
                self.turn(&mut Context::from_waker(waker), budget);
            });
            match ready!(received) {
                Ok(()) => self.longest = longest,
                Err(error) => {
                    budget.inputs += 1;
                    self.failed(&error);
                }
            }
        }
    }

    /// Makes the calls that are due and polls deferred futures.
    fn turn(&mut self, cx: &mut Context<'_>, budget: &mut Budget) {
        if !self.started {
            self.started = true;
            tracing::debug!("open");
            self.call(Callback::StartProtocol, DatagramProtocol::start_protocol);
        }
        while budget.allows_calls() && !self.state.port.is_stopping() && self.state.calls.any_ready() {
            let next = || catch_panic(|| self.state.calls.next(cx));
            match observed(self.subject(Callback::Deferred), next) {
                Ok(Some(call)) => self.call(Callback::Call, |protocol| call(&mut DatagramCallee(protocol))),
                Ok(None) => return,
                Err(panic) => report_panic(&panic, "dropping a deferred future panicked"),
            }
            budget.calls += 1;
        }
    }

    fn received(&mut self, data: &[u8], peer: A, asked: Option<A>) {
        self.failures = 0;
        if !self.state.port.is_stopping() && self.state.hears(&peer) {
            self.received += 1;
            self.state.begin_delivery(&peer, asked);
            self.call(Callback::DatagramReceived, |protocol| protocol.datagram_received(data, peer));
            self.state.end_delivery();
        }
    }

    /// The socket reported an error instead of a datagram. No such error is a reason to close it.
    fn failed(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::ConnectionRefused {
            if self.state.is_connected() {
                self.call(Callback::ConnectionRefused, DatagramProtocol::connection_refused);
            }
            return;
        }
        let timers = &self.state.hub.timers;
        if let Some(left_out) = self.log.allows(timers.now()) {
            tracing::warn!(%error, left_out, "cannot receive");
        }
        self.failures += 1;
        if self.failures >= FAILURES_IN_A_ROW {
            self.pause = Some(Sleep::new(timers, PAUSE));
        }
    }

    fn call(&mut self, kind: Callback, callback: impl FnOnce(&mut dyn DatagramProtocol<A>)) {
        let subject = self.subject(kind);
        if let Some(protocol) = &mut self.protocol {
            log_panic_of(subject, || callback(&mut **protocol));
        }
    }

    fn subject(&self, callback: Callback) -> Subject {
        Subject { connection: 0, name: self.name, callback }
    }

    /// Closes the socket and notifies the protocol. A second call does nothing.
    fn finish(&mut self) {
        let state = &self.state;
        if state.port.has_closed() {
            return;
        }
        log_panic("drop of a timed or deferred call", || state.close());
        tracing::debug!(received = self.received, sent = state.sent(), "closed");
        if let Some(mut protocol) = self.protocol.take() {
            if self.started {
                log_panic("stop_protocol", || protocol.stop_protocol());
            }
            log_panic("drop of a protocol", || drop(protocol));
        }
        state.port.set_closed();
    }
}

/// What one poll may do before the others have their turn. Calls and input have separate shares, so that calls that
/// always request another do not starve the port's datagrams.
#[derive(Default)]
struct Budget {
    calls: u32,
    inputs: u32,
    bytes: usize,
}

impl Budget {
    fn allows_calls(&self) -> bool {
        self.calls < CALLS
    }

    fn allows_input(&self) -> bool {
        self.inputs < INPUTS && self.bytes < BYTES
    }

    /// How many datagrams may be received now if they are `longest` bytes long.
    fn datagrams(&self, longest: usize) -> usize {
        let bytes = BYTES - self.bytes;
        let fit = (bytes / longest.max(1)).max(1);
        fit.min((INPUTS - self.inputs) as usize)
    }

    fn is_spent(&self) -> bool {
        !self.allows_calls() || !self.allows_input()
    }
}

/// A protocol as the receiver of timed and deferred calls.
struct DatagramCallee<'a, A>(&'a mut dyn DatagramProtocol<A>);

impl<A: DatagramAddress> Callee for DatagramCallee<'_, A> {
    fn protocol(&mut self) -> &mut dyn Any {
        self.0
    }

    fn handler(&mut self) -> Option<&mut dyn Any> {
        self.0.handler()
    }

    fn name(&self) -> &'static str {
        self.0.type_name()
    }
}

/// Enough that switching tasks costs little compared with the datagrams.
const INPUTS: u32 = BATCH as u32;

const CALLS: u32 = 16;

/// The same amount as one read of a stream.
const BYTES: usize = 64 * 1024;

/// An error that reports an event comes once; one that comes back at once is the socket's state.
const FAILURES_IN_A_ROW: u32 = 16;

/// The wait before reading is tried again.
const PAUSE: Duration = Duration::from_millis(200);
