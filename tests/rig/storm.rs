//! Servers and clients on a network on which everything goes wrong, driven by a seed.
//!
//! Four clients upload to two servers that echo everything, and also exchange datagrams, while links degrade, hosts
//! crash and come back, and partitions come and go. Then the network recovers, and all uploads have to finish.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::testing::{Link, Simulation};
use reactor::{CloseReason, Connector, Protocol, Reactor, Transport};

use crate::echo::DatagramEcho;

/// The outcome of a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The number of connections made.
    pub connections: u32,
    /// A fingerprint of the network's log.
    pub fingerprint: u64,
}

/// A fingerprint of the storms with the first [`KNOWN_SEEDS`] seeds: the same in debug and in release builds.
pub const KNOWN_FINGERPRINT: u64 = 15_037_503_905_043_379_792;

/// The number of storms in [`KNOWN_FINGERPRINT`].
pub const KNOWN_SEEDS: u64 = 20;

/// One fingerprint of many outcomes.
pub fn fingerprint(outcomes: impl IntoIterator<Item = Outcome>) -> u64 {
    outcomes.into_iter().fold(0, |sum, outcome| fnv(sum, &outcome.fingerprint.to_be_bytes()))
}

/// Plays a storm.
///
/// # Panics
///
/// If a promise was broken.
pub fn play(sim: &Simulation) -> Outcome {
    let ledger = Rc::<Ledger>::default();
    let names = SERVERS.into_iter().chain(CLIENTS);
    let mut hosts: Vec<_> = names.map(|name| Host::start(sim, name, &ledger)).collect();
    let dice = sim.host("dice");
    for _ in 0..GUSTS {
        blow(sim, &dice, &mut hosts, &ledger);
        sim.run_for(Duration::from_millis(dice.random() % 2_000));
    }
    sim.set_link(Link::new());
    for one in SERVERS {
        for other in CLIENTS {
            sim.heal(one, other);
        }
    }
    for ip in sim.addresses_of(SERVERS[0]) {
        sim.set_black_hole(ip, false);
    }
    for host in &mut hosts {
        host.come_back(sim, &ledger);
    }
    let end = sim.elapsed() + Duration::from_secs(3_600);
    sim.run_until(|| hosts.iter().all(Host::is_done) || sim.elapsed() > end);
    assert!(hosts.iter().all(Host::is_done), "not everything was uploaded");
    for host in &hosts {
        sim.host(host.name).stop();
    }
    sim.run_until_quiet(Duration::from_secs(3_600));
    for host in &hosts {
        let reactor = sim.host(host.name);
        assert_eq!(
            (reactor.connection_count(), reactor.pending_call_count()),
            (0, 0),
            "something is left on {}",
            host.name
        );
    }
    let wrong = ledger.wrong.borrow();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(ledger.built.get(), ledger.dropped.get(), "a protocol is left");
    Outcome { connections: ledger.made.get(), fingerprint: fnv(0, sim.log().as_bytes()) }
}

const SERVERS: [&str; 2] = ["server1", "server2"];
const CLIENTS: [&str; 4] = ["client1", "client2", "client3", "client4"];
/// The number of uploads from each client to each server.
const UPLOADS: u32 = 6;
const GUSTS: u32 = 30;

/// Breaks one thing, or repairs it.
fn blow(sim: &Simulation, dice: &Reactor, hosts: &mut [Host], ledger: &Rc<Ledger>) {
    let roll = |sides: u64| (dice.random() % sides) as usize;
    let (server, client) = (SERVERS[roll(2)], CLIENTS[roll(4)]);
    match roll(9) {
        0 => sim.partition(server, client),
        1 => sim.heal(server, client),
        2 => sim.reset_connections(server, client),
        3 => sim.set_link_between(server, client, Link::rough().resets(0.02)),
        4 => sim.set_link(Link::rough().bandwidth(Some(200_000))),
        5 => sim.set_black_hole(sim.addresses_of(SERVERS[0])[roll(2)], roll(2) == 0),
        6 => hosts[roll(6)].crash(sim),
        7 => hosts[roll(6)].come_back(sim, ledger),
        _ => sim.set_link_between(server, client, Link::new()),
    }
}

/// What is known about all protocols of a storm.
#[derive(Default)]
struct Ledger {
    built: Cell<u32>,
    made: Cell<u32>,
    dropped: Cell<u32>,
    /// Broken promises. A panic in a callback would be contained.
    wrong: RefCell<Vec<String>>,
}

/// A host, and what runs on it.
struct Host {
    name: &'static str,
    /// Set when the protocols of the current run are dropped without being told.
    powered_off: Option<Rc<Cell<bool>>>,
    uploads: Rc<Cell<u32>>,
}

impl Host {
    fn start(sim: &Simulation, name: &'static str, ledger: &Rc<Ledger>) -> Self {
        let mut host = Self { name, powered_off: None, uploads: Rc::default() };
        host.come_back(sim, ledger);
        host
    }

    fn crash(&mut self, sim: &Simulation) {
        if let Some(powered_off) = self.powered_off.take() {
            powered_off.set(true);
            sim.crash(self.name);
        }
    }

    fn come_back(&mut self, sim: &Simulation, ledger: &Rc<Ledger>) {
        if self.powered_off.is_some() {
            return;
        }
        let powered_off = Rc::<Cell<bool>>::default();
        let life = {
            let (ledger, powered_off) = (Rc::clone(ledger), Rc::clone(&powered_off));
            move || Life::new(&ledger, &powered_off)
        };
        self.powered_off = Some(powered_off);
        let reactor = sim.host(self.name);
        if SERVERS.contains(&self.name) {
            serve(&reactor, life);
        } else {
            self.uploads.set(0);
            ask(&reactor, ledger);
            for server in SERVERS {
                upload(&reactor, server, &self.uploads, life.clone());
            }
        }
    }

    fn is_done(&self) -> bool {
        SERVERS.contains(&self.name) || self.uploads.get() == SERVERS.len() as u32 * UPLOADS
    }
}

/// Checks the order of one protocol's callbacks.
struct Life {
    ledger: Rc<Ledger>,
    powered_off: Rc<Cell<bool>>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Built,
    Made,
    Lost,
}

impl Life {
    fn new(ledger: &Rc<Ledger>, powered_off: &Rc<Cell<bool>>) -> Self {
        ledger.built.set(ledger.built.get() + 1);
        Self { ledger: Rc::clone(ledger), powered_off: Rc::clone(powered_off), phase: Phase::Built }
    }

    fn made(&mut self) {
        self.expect(Phase::Built, "made");
        self.phase = Phase::Made;
        self.ledger.made.set(self.ledger.made.get() + 1);
    }

    fn lost(&mut self) {
        self.expect(Phase::Made, "lost");
        self.phase = Phase::Lost;
    }

    fn expect(&self, phase: Phase, callback: &str) {
        if self.phase != phase || self.powered_off.get() {
            self.wrong(format!("{callback} when {:?}, powered off: {}", self.phase, self.powered_off.get()));
        }
    }

    fn wrong(&self, what: String) {
        self.ledger.wrong.borrow_mut().push(what);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.ledger.dropped.set(self.ledger.dropped.get() + 1);
        if self.phase == Phase::Made && !self.powered_off.get() {
            self.wrong("dropped without having been lost".to_owned());
        }
    }
}

fn serve(reactor: &Reactor, life: impl Fn() -> Life + 'static) {
    reactor.listen_tcp("[::]:7", move |transport| Echo { transport, life: life() }).expect("the port is free");
    reactor.listen_udp("[::]:7", |transport| DatagramEcho { transport }).expect("the port is free");
}

/// Sends everything back, and closes clients that are silent for a minute.
struct Echo {
    transport: Transport,
    life: Life,
}

impl Protocol for Echo {
    fn connection_made(&mut self) {
        self.life.made();
        self.transport.call_later(Duration::from_secs(60), |this: &mut Self| this.transport.lose_connection());
    }

    fn data_received(&mut self, data: &[u8]) {
        self.life.expect(Phase::Made, "data");
        self.transport.write(data);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.life.lost();
    }
}

/// Connects again and again, until `UPLOADS` connections have received everything back.
fn upload(reactor: &Reactor, server: &str, uploads: &Rc<Cell<u32>>, life: impl Fn() -> Life + 'static) {
    let done = Rc::new(Cell::new(0));
    let again = |connector: &Connector, done: u32| {
        if done < UPLOADS {
            let connector = connector.clone();
            let reactor = connector.reactor();
            let delay = Duration::from_millis(100 + reactor.random() % 3_000);
            reactor.call_later(delay, move || connector.connect());
        }
    };
    let (uploads, done_by_it, done_yet) = (Rc::clone(uploads), Rc::clone(&done), Rc::clone(&done));
    reactor
        .connect_tcp((server, 7), move |transport: Transport| Upload {
            len: 1 + transport.reactor().random() as usize % 60_000,
            transport,
            life: life(),
            received: 0,
            uploads: Rc::clone(&uploads),
            done: Rc::clone(&done_by_it),
        })
        .on_failed(move |connector, _| again(connector, done_yet.get()))
        .on_lost(move |connector, _| again(connector, done.get()));
}

/// Sends a pattern and checks that it comes back.
struct Upload {
    transport: Transport,
    life: Life,
    received: usize,
    len: usize,
    uploads: Rc<Cell<u32>>,
    done: Rc<Cell<u32>>,
}

fn pattern(place: usize) -> u8 {
    (place * 31 + place / 251) as u8
}

impl Protocol for Upload {
    fn connection_made(&mut self) {
        self.life.made();
        self.transport.write((0..self.len).map(pattern).collect::<Vec<_>>());
        // A server that crashed after receiving everything stays silent forever.
        self.transport.call_later(Duration::from_secs(120), |this: &mut Self| {
            this.transport.fail_connection(CloseReason::TimedOut);
        });
    }

    fn data_received(&mut self, data: &[u8]) {
        self.life.expect(Phase::Made, "data");
        let place = self.received;
        self.received += data.len();
        if self.received > self.len || data.iter().zip(place..).any(|(byte, place)| *byte != pattern(place)) {
            self.life.wrong(format!("other bytes came back than were sent, at {place}"));
        }
        if self.received == self.len {
            self.done.set(self.done.get() + 1);
            self.uploads.set(self.uploads.get() + 1);
            self.transport.lose_connection();
        }
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.life.lost();
    }
}

fn ask(reactor: &Reactor, ledger: &Rc<Ledger>) {
    let ledger = Rc::clone(ledger);
    reactor
        .listen_udp(0, move |transport| Ask { transport, ledger, asked: BTreeSet::new(), next: 0 })
        .expect("a port is free");
}

/// Asks a server every second, and checks that answers belong to questions.
struct Ask {
    transport: DatagramTransport,
    ledger: Rc<Ledger>,
    asked: BTreeSet<u32>,
    next: u32,
}

impl Ask {
    fn ask(&mut self) {
        let question = self.next;
        self.next += 1;
        self.asked.insert(question);
        let resolved = self.transport.reactor().resolve((SERVERS[question as usize % 2], 7));
        self.transport.defer(resolved, move |this: &mut Self, addresses| {
            let ipv4 = addresses.into_iter().flatten().find(SocketAddr::is_ipv4);
            if let Some(server) = ipv4 {
                let _ = this.transport.write(question.to_be_bytes(), server);
            }
        });
        self.transport.call_later(Duration::from_secs(1), Self::ask);
    }
}

impl DatagramProtocol for Ask {
    fn start_protocol(&mut self) {
        self.ask();
    }

    fn datagram_received(&mut self, data: &[u8], _peer: SocketAddr) {
        let asked = data.try_into().is_ok_and(|bytes| self.asked.contains(&u32::from_be_bytes(bytes)));
        if !asked {
            self.ledger.wrong.borrow_mut().push(format!("an answer to no question: {data:?}"));
        }
    }
}

/// The hash of Fowler, Noll and Vo (FNV-1a).
fn fnv(start: u64, bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(start ^ 0xcbf2_9ce4_8422_2325, mix)
}
