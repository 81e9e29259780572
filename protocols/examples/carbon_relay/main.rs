//! Distributes metrics over carbon daemons, each always to the same one, as Graphite's `carbon-relay` does:
//! `carbon_relay ADDRESS DESTINATION…`, as in `carbon_relay 127.0.0.1:2013 127.0.0.1:2003:a 127.0.0.1:2103:b`. Takes
//! lines of `METRIC VALUE TIME` over TCP and UDP. A destination is `HOST:PORT`, or `HOST:PORT:INSTANCE`.

mod ring;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use std::{env, io};

use async_trait::async_trait;
use futures_util::future::select;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::connect::Backoff;
use reactor::datagram::DatagramProtocol;
use reactor::endpoint::{client_from_string, quote_string_argument};
use reactor::service::{ClientService, EndpointService, MultiService, Runner, Service, ServiceError, TimerService};
use reactor::{CloseReason, OnEof, Protocol, Reactor, Transport};

use crate::ring::Ring;

/// How many bytes wait for a destination. Then no connection is read, and what comes over UDP is dropped.
const QUEUE: usize = 1 << 20;

/// How long a stop waits for a destination that is down, and then for it to take what waits.
const FLUSH: Duration = Duration::from_secs(10);

/// The longest pause between two attempts to connect to a destination.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// How often the counts are logged.
const REPORT: Duration = Duration::from_secs(60);

/// What all connections share.
struct Relay {
    sources: Rc<Sources>,
    destinations: Vec<Rc<Destination>>,
    ring: Ring<Rc<Queue>>,
    invalid_lines: Cell<u64>,
}

impl Relay {
    fn new(reactor: &Reactor, destinations: &[String]) -> Result<Self, ServiceError> {
        let sources = Rc::<Sources>::default();
        let mut relay = Self { sources, destinations: Vec::new(), ring: Ring::default(), invalid_lines: Cell::new(0) };
        for text in destinations {
            let why = || format!("{text:?} is not a destination: HOST:PORT or HOST:PORT:INSTANCE");
            let (host, port, instance) = destination(text).ok_or_else(why)?;
            let queue = Rc::new(Queue { sources: Rc::clone(&relay.sources), state: RefCell::default() });
            relay.ring.add(host, instance, Rc::clone(&queue));
            relay.destinations.push(Rc::new(Destination::new(reactor, host, port, queue)?));
        }
        if destinations.is_empty() {
            return Err("there are no destinations: carbon_relay ADDRESS DESTINATION…".into());
        }
        Ok(relay)
    }

    fn receive(&self, line: &[u8]) {
        match metric(line) {
            Some(metric) => self.ring.node(metric).push(line.trim_ascii()),
            None => self.invalid_lines.set(self.invalid_lines.get() + 1),
        }
    }

    fn report(&self) {
        tracing::info!(invalid_lines = self.invalid_lines.get());
        self.destinations.iter().for_each(|destination| destination.report());
    }
}

/// The metric of a line, if the line has a value and a time, too.
fn metric(line: &[u8]) -> Option<&str> {
    let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace();
    let (metric, value, time) = (words.next()?, words.next()?, words.next()?);
    let valid = words.next().is_none()
        && value.parse::<f64>().is_ok_and(|value| !value.is_nan())
        && time.parse::<f64>().is_ok_and(f64::is_finite);
    valid.then_some(metric)
}

/// The connections that metrics come from. They are read while no queue is full.
#[derive(Default)]
struct Sources {
    lines: RefCell<Vec<Lines>>,
    full_queues: Cell<usize>,
}

impl Sources {
    fn queue_is_full(&self) {
        self.full_queues.set(self.full_queues.get() + 1);
        self.lines.borrow().iter().for_each(Lines::pause_reading);
    }

    fn queue_has_room(&self) {
        self.full_queues.set(self.full_queues.get() - 1);
        if self.full_queues.get() == 0 {
            self.lines.borrow().iter().for_each(Lines::resume_reading);
        }
    }
}

/// A connection that metrics come from.
struct Source {
    lines: Lines,
    relay: Rc<Relay>,
}

impl LineHandler for Source {
    fn connection_made(&mut self) {
        let sources = &self.relay.sources;
        if sources.full_queues.get() > 0 {
            self.lines.pause_reading();
        }
        sources.lines.borrow_mut().push(self.lines.clone());
    }

    fn line_received(&mut self, line: &[u8]) {
        self.relay.receive(line);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.relay.sources.lines.borrow_mut().retain(|lines| *lines != self.lines);
    }
}

/// The port for datagrams, each of which has whole lines.
struct DatagramSource(Rc<Relay>);

impl DatagramProtocol for DatagramSource {
    fn datagram_received(&mut self, data: &[u8], _peer: SocketAddr) {
        data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| self.0.receive(line));
    }
}

/// What one destination has yet to get.
struct Queue {
    sources: Rc<Sources>,
    state: RefCell<QueueState>,
}

#[derive(Default)]
struct QueueState {
    /// Whole lines, except that the beginning of the first may be sent. All of it is written to the connection, if there
    /// is one, and kept until the system has taken it: what is left when the connection breaks goes to the next one.
    waiting: VecDeque<u8>,
    connection: Option<Transport>,
    is_full: bool,
    accepted_lines: u64,
    dropped_lines: u64,
}

impl Queue {
    fn push(&self, line: &[u8]) {
        self.look();
        let state = &mut *self.state.borrow_mut();
        if state.is_full {
            state.dropped_lines += 1;
            return;
        }
        state.accepted_lines += 1;
        for piece in [line, b"\n"] {
            state.waiting.extend(piece);
            if let Some(connection) = &state.connection {
                connection.write(piece);
            }
        }
        state.is_full = state.waiting.len() >= QUEUE;
        if state.is_full {
            self.sources.queue_is_full();
        }
    }

    /// Forgets the lines that the system has taken; TCP does not tell whether they arrive.
    fn look(&self) {
        let state = &mut *self.state.borrow_mut();
        let Some(connection) = &state.connection else { return };
        let sent = state.waiting.len() - connection.unsent_bytes();
        let whole_lines = state.waiting.range(..sent).rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        state.waiting.drain(..whole_lines);
        if state.is_full && state.waiting.len() < QUEUE {
            state.is_full = false;
            self.sources.queue_has_room();
        }
    }
}

/// A connection to a destination.
struct Sender {
    transport: Transport,
    queue: Rc<Queue>,
}

impl Protocol for Sender {
    fn connection_made(&mut self) {
        let state = &mut *self.queue.state.borrow_mut();
        let (front, back) = state.waiting.as_slices();
        self.transport.write_sequence(&[front, back]);
        state.connection = Some(self.transport.clone());
    }

    fn data_received(&mut self, _data: &[u8]) {}

    fn eof_received(&mut self) -> OnEof {
        // It goes away: what is unsent is for the next connection.
        self.transport.abort_connection();
        OnEof::KeepWriting
    }

    fn resume_writing(&mut self) {
        self.queue.look();
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.queue.look();
        self.queue.state.borrow_mut().connection = None;
    }
}

/// The service that stays connected to a destination, and empties its queue when it stops.
struct Destination {
    reactor: Reactor,
    client: ClientService,
    queue: Rc<Queue>,
}

impl Destination {
    fn new(reactor: &Reactor, host: &str, port: u16, queue: Rc<Queue>) -> Result<Self, ServiceError> {
        let endpoint = client_from_string(reactor, &format!("tcp:{}:{port}", quote_string_argument(host)))?;
        let sending = Rc::clone(&queue);
        let client =
            ClientService::new(reactor, endpoint, move |transport| Sender { transport, queue: Rc::clone(&sending) });
        let client = client.backoff(Backoff::new().max_delay(MAX_DELAY)).deadline(FLUSH);
        Ok(Self { reactor: reactor.clone(), client, queue })
    }

    fn report(&self) {
        self.queue.look();
        let QueueState { waiting, accepted_lines, dropped_lines, .. } = &*self.queue.state.borrow();
        tracing::info!(destination = self.name(), accepted_lines, dropped_lines, waiting_bytes = waiting.len());
    }
}

#[async_trait(?Send)]
impl Service for Destination {
    fn name(&self) -> &str {
        self.client.name()
    }

    async fn start(&self) -> Result<(), ServiceError> {
        self.client.start().await
    }

    async fn stop(&self) {
        if !self.queue.state.borrow().waiting.is_empty() {
            select(pin!(self.client.when_connected(None)), self.reactor.sleep(FLUSH)).await;
        }
        self.client.stop().await;
        self.report();
    }
}

/// Reads `HOST:PORT` or `HOST:PORT:INSTANCE`; an IPv6 address is in brackets.
fn destination(text: &str) -> Option<(&str, u16, Option<&str>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once("]:")?,
        None => text.split_once(':')?,
    };
    let (port, instance) = rest.split_once(':').map_or((rest, None), |(port, instance)| (port, Some(instance)));
    Some((host, port.parse().ok()?, instance))
}

fn services(reactor: &Reactor, address: &str, relay: &Rc<Relay>) -> MultiService {
    let destinations = MultiService::new(reactor, "destinations").independent();
    let destinations = relay.destinations.iter().fold(destinations, |all, one| all.with(Rc::clone(one)));
    let reporting = Rc::clone(relay);
    let report = TimerService::new(reactor, "report", REPORT, move |_tick| reporting.report());
    let listen = (reactor.clone(), address.to_owned(), Rc::clone(relay));
    let (tcp, udp) = (listen.clone(), listen);
    let tcp = EndpointService::from_fn("tcp", async move || {
        let (reactor, address, relay) = tcp.clone();
        let source = LineReceiver::factory(move |lines| Source { lines, relay: Rc::clone(&relay) });
        reactor.listen_tcp(address, source.delimiter("\n"))
    });
    let udp = EndpointService::from_fn("udp", async move || {
        let (reactor, address, relay) = udp.clone();
        reactor.listen_udp(address, move |_| DatagramSource(relay))
    });
    // Stopped in reverse: nothing comes any more when the queues are emptied.
    MultiService::new(reactor, "carbon relay").with(destinations).with(report).with(tcp).with(udp)
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let mut arguments = env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:2013".to_owned());
    let destinations: Vec<_> = arguments.collect();
    Runner::new("carbon_relay").run(|reactor| {
        let relay = Rc::new(Relay::new(reactor, &destinations)?);
        Ok(services(reactor, &address, &relay))
    })
}

#[cfg(test)]
mod tests;
