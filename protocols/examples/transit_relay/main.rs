//! A transit relay for magic-wormhole: it joins two clients that name the same token, each over TCP or a web socket:
//! `transit_relay [ENDPOINT [WEB SOCKETS' ENDPOINT]]`. Prints one line of JSON for each transfer and for each client
//! without a partner, without addresses.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use std::{env, fmt, io};

use protocols::line::OnLongLine;
use protocols::policies::{FirstMessageTimeout, IdleTimeout};
use protocols::web_socket::WebSocket;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::endpoint::server_from_string;
use reactor::service::{EndpointService, MultiService, Runner, ServiceError};
use reactor::{CloseReason, Factory, Reactor, share};

/// How long a client may take to name its token.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// How long a client may wait for its partner, and a transfer stand still.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long transfers may go on when the relay stops.
const LAST_TRANSFERS: Duration = Duration::from_secs(60);

/// The longest message of a web socket, all of which is kept until it is complete.
const MAX_MESSAGE: usize = 1 << 20;

/// What all connections share.
struct Relay {
    /// Those that wait for a partner, by token. Those of one token have the same side.
    waiting: RefCell<HashMap<Vec<u8>, Vec<Rc<Client>>>>,
    report: Box<dyn Fn(Usage)>,
}

/// A client, as its partner sees it.
struct Client {
    lines: Lines,
    since: Instant,
    /// Which end of the transfer it is. An end may connect more than once; old clients do not say.
    side: OnceCell<Vec<u8>>,
    mood: Cell<Mood>,
    received: Cell<u64>,
    partner: RefCell<Weak<Self>>,
}

/// How it went for a client, or how it goes: the words of magic-wormhole's own relay.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    /// It has said nothing.
    Empty,
    /// It waits.
    Lonely,
    /// It is joined.
    Happy,
    /// Another connection of its side is joined.
    Redundant,
    /// It sent data without waiting for its partner.
    Impatient,
    /// It did not name a token.
    Errory,
}

/// The protocol of one connection.
struct Session {
    relay: Rc<Relay>,
    client: Rc<Client>,
    token: Vec<u8>,
}

impl LineHandler for Session {
    fn connection_made(&mut self) {
        self.client.lines.on_drain(|this: &mut Self| {
            if this.client.mood.get() != Mood::Happy {
                this.client.lines.lose_connection();
            }
        });
    }

    fn line_received(&mut self, line: &[u8]) {
        match handshake(line) {
            Some((token, side)) => {
                self.client.lines.set_raw_mode();
                self.token = token.to_vec();
                if let Some(side) = side {
                    self.client.side.get_or_init(|| side.to_vec());
                }
                self.join();
            }
            None => self.refuse(Mood::Errory, "bad handshake"),
        }
    }

    fn line_length_exceeded(&mut self, _data: &[u8]) -> OnLongLine {
        self.refuse(Mood::Errory, "bad handshake");
        OnLongLine::Close
    }

    fn raw_data_received(&mut self, data: &[u8]) {
        match self.client.partner.borrow().upgrade() {
            Some(partner) => {
                self.client.received.set(self.client.received.get() + data.len() as u64);
                partner.lines.write(data);
            }
            None => self.refuse(Mood::Impatient, "impatient"),
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        let Client { lines, since, mood, received, partner, .. } = &*self.client;
        let now = lines.reactor().now();
        let mut usage = Usage { mood: mood.get(), total: now - *since, waiting: None, bytes: received.get() };
        match (mood.get(), partner.take().upgrade()) {
            (Mood::Happy, Some(partner)) => {
                partner.lines.lose_connection();
                let partners = now - partner.since;
                usage.waiting = Some(usage.total.abs_diff(partners));
                usage.total = usage.total.max(partners);
                usage.bytes += partner.received.get();
            }
            // Its partner has gone first, and was reported for both.
            (Mood::Happy, None) => return,
            (Mood::Lonely, _) => self.stop_waiting(),
            _ => {}
        }
        (self.relay.report)(usage);
    }
}

impl Session {
    fn join(&self) {
        let mut waiting = self.relay.waiting.borrow_mut();
        let others = waiting.entry(self.token.clone()).or_default();
        let side = self.client.side.get();
        if others.first().is_none_or(|other| side.is_some() && side == other.side.get()) {
            self.client.mood.set(Mood::Lonely);
            others.push(Rc::clone(&self.client));
            return;
        }
        // The newest is the likeliest to be alive.
        if let Some(partner) = others.pop() {
            partner.join(&self.client);
            self.client.join(&partner);
        }
        for spare in others.drain(..) {
            spare.mood.set(Mood::Redundant);
            spare.lines.lose_connection();
        }
        waiting.remove(&self.token);
    }

    fn stop_waiting(&self) {
        let mut waiting = self.relay.waiting.borrow_mut();
        if let Some(others) = waiting.get_mut(&self.token) {
            others.retain(|client| !Rc::ptr_eq(client, &self.client));
            if others.is_empty() {
                waiting.remove(&self.token);
            }
        }
    }

    fn refuse(&self, mood: Mood, why: &str) {
        if self.client.mood.get() == Mood::Lonely {
            self.stop_waiting();
        }
        self.client.mood.set(mood);
        self.client.lines.send_line(why);
        self.client.lines.lose_connection();
    }
}

impl Client {
    /// From here on, what comes from `partner` goes to this client, no faster than it reads.
    fn join(&self, partner: &Rc<Self>) {
        self.mood.set(Mood::Happy);
        self.partner.replace(Rc::downgrade(partner));
        self.lines.send_line("ok");
        partner.lines.transport().paced_by(self.lines.transport());
    }
}

/// Reads `please relay TOKEN for side SIDE` or, from an old client, `please relay TOKEN`.
fn handshake(line: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let is_name =
        |name: &[u8], length| name.len() == length && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    match line.split(|byte| *byte == b' ').collect::<Vec<_>>()[..] {
        [b"please", b"relay", token] if is_name(token, 64) => Some((token, None)),
        [b"please", b"relay", token, b"for", b"side", side] if is_name(token, 64) && is_name(side, 16) => {
            Some((token, Some(side)))
        }
        _ => None,
    }
}

/// What is reported of a transfer, or of a client without a partner.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Usage {
    mood: Mood,
    total: Duration,
    /// How long one client waited for the other.
    waiting: Option<Duration>,
    /// In both directions.
    bytes: u64,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mood = format!("{:?}", self.mood).to_lowercase();
        let waiting = self.waiting.map_or_else(|| "null".to_owned(), |waiting| waiting.as_secs_f64().to_string());
        let (total, bytes) = (self.total.as_secs_f64(), self.bytes);
        write!(f, r#"{{"mood": "{mood}", "total_time": {total}, "waiting_time": {waiting}, "total_bytes": {bytes}}}"#)
    }
}

fn relay(report: impl Fn(Usage) + 'static) -> impl Factory {
    let relay = Rc::new(Relay { waiting: RefCell::default(), report: Box::new(report) });
    let sessions = LineReceiver::factory(move |lines: Lines| {
        let since = lines.reactor().now();
        let client = Client {
            lines,
            since,
            side: OnceCell::new(),
            mood: Cell::new(Mood::Empty),
            received: Cell::new(0),
            partner: RefCell::default(),
        };
        Session { relay: Rc::clone(&relay), client: Rc::new(client), token: Vec::new() }
    });
    IdleTimeout::around(PATIENCE, FirstMessageTimeout::around(HANDSHAKE, sessions.delimiter("\n").max_length(1024)))
}

fn services(
    reactor: &Reactor,
    [plain, web]: &[String; 2],
    report: impl Fn(Usage) + 'static,
) -> Result<MultiService, ServiceError> {
    let relay = share(relay(report));
    // A page can do no more here than anyone else: there are no users whose cookies it could abuse.
    let web_sockets = WebSocket::around(relay.clone()).any_origin().max_message(MAX_MESSAGE);
    Ok(MultiService::new(reactor, "transit relay")
        .with(EndpointService::new(server_from_string(reactor, plain)?, relay).deadline(LAST_TRANSFERS))
        .with(EndpointService::new(server_from_string(reactor, web)?, web_sockets).deadline(LAST_TRANSFERS))
        .independent())
}

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();
    let mut arguments = env::args().skip(1);
    let defaults = ["tcp:4001:interface=127.0.0.1", "tcp:4002:interface=127.0.0.1"];
    let endpoints = defaults.map(|default| arguments.next().unwrap_or_else(|| default.to_owned()));
    // If nobody reads the report, the relay goes on.
    let report = |usage| drop(writeln!(io::stdout(), "{usage}"));
    Runner::new("transit_relay").run(|reactor| services(reactor, &endpoints, report))
}

#[cfg(test)]
mod tests;
