//! Whole servers with their clients.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use irc_server::cluster::bus::{Bus, SimulatedBus};
use irc_server::cluster::{Membership, NodeName, Options, Stats};
use irc_server::server::request::Answer;
use irc_server::server::{Effect, Peer, Server, Timestamp};
use irc_server::settings::{ClusterSettings, Settings};
use protocols::irc::Message;

use crate::client::{Client, Noticed};
use crate::storm::{Moment, Outcome, Player, Storm};

/// Few, so that nodes give the same ones.
const NICKS: [&str; 6] = ["alice", "bob", "carol", "dave", "erin", "frank"];
const CHANNELS: [&str; 3] = ["#one", "#two", "#three"];
const MODES: [&str; 14] =
    ["+m", "-m", "+t", "-t", "+n", "-n", "+k key", "-k key", "+l 9", "-l", "+b a!*@*", "-b a!*@*", "+i", "-i"];
/// When the simulation begins, in milliseconds since 1970.
const BEGINNING: u64 = 1_796_000_000_000;
const MOST_CLIENTS: usize = 4;

struct Node {
    server: Server,
    membership: Membership,
    bus: SimulatedBus,
    clients: Vec<Client>,
    /// How far its clock is ahead, in milliseconds.
    ahead: u64,
    epoch: u64,
    connections: u64,
    noticed: Noticed,
}

/// Plays one seed.
///
/// # Panics
///
/// If a client is told a line twice or out of its sender's order, or if not all servers tell the same in the end.
pub(crate) fn play(seed: u64, began: Instant) -> (Outcome, Noticed) {
    let mut storm = Storm::<Node>::new(seed, began);
    storm.play();
    let now = storm.now();
    for (number, (_, node)) in storm.players().enumerate() {
        node.connect(&format!("observer{number}"), now);
    }
    storm.run_for(Duration::from_secs(5));
    check_agreement(&mut storm);
    let mut noticed = Noticed::default();
    for (_, node) in storm.players() {
        noticed.add(&node.noticed);
    }
    (storm.outcome(), noticed)
}

/// All servers answer every question alike.
fn check_agreement(storm: &mut Storm<Node>) {
    let now = storm.now();
    let mut questions: Vec<_> = ["LIST", "WHO * %uhsnar"].map(str::to_owned).into();
    for channel in CHANNELS {
        questions.extend(["NAMES", "MODE", "TOPIC"].map(|command| format!("{command} {channel}")));
        questions.extend([format!("MODE {channel} b"), format!("WHO {channel} %cnf")]);
    }
    questions.extend(NICKS.map(|nick| format!("WHOIS {nick}")));
    for question in questions {
        let mut first: Option<(NodeName, BTreeSet<String>)> = None;
        for (name, node) in storm.players() {
            let answer = node.ask(&question, now);
            match &first {
                None => first = Some((name.clone(), answer)),
                Some((other, expected)) => assert_eq!(answer, *expected, "{question} on {name} and {other}"),
            }
        }
    }
    let running: Vec<_> = storm.players().map(|(name, _)| name.clone()).collect();
    for (name, node) in storm.players() {
        let up = node.membership.nodes().filter(|(_, is_up)| *is_up).map(|(name, _)| name);
        let others = running.iter().filter(|other| *other != name);
        assert!(up.eq(others), "{name} does not know who runs");
    }
}

impl Player for Node {
    const SNAPSHOT_BYTES: usize = 100_000;

    fn start(options: Options, bus: SimulatedBus, random: &mut fastrand::Rng, now: Moment) -> Self {
        let mut settings = Settings {
            server_name: options.node.to_string(),
            cluster: ClusterSettings { bus: Some("simulated".to_owned()), ..ClusterSettings::default() },
            ..Settings::default()
        };
        settings.flood.interval = Duration::ZERO;
        let (epoch, ahead) = (options.epoch, random.u64(..5_000));
        let membership = Membership::new(options, now.instant);
        let time = time(now, ahead);
        let server = Server::new(Arc::new(settings), time);
        let mut node = Self {
            server,
            membership,
            bus,
            clients: Vec::new(),
            ahead,
            epoch,
            connections: 0,
            noticed: Noticed::default(),
        };
        let nick = random.choice(NICKS).expect("there are some");
        node.connect(nick, now);
        node
    }

    fn act(&mut self, random: &mut fastrand::Rng, now: Moment) {
        for _ in 0..random.u32(1..8) {
            self.do_something(random, now);
        }
    }

    fn run(&mut self, now: Moment) {
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(event) = self.bus.poll_event(&mut context) {
            self.membership.heard(now.instant, time(now, self.ahead), event, &mut self.server);
            self.carry_out(now);
        }
    }

    fn tick(&mut self, now: Moment) {
        self.membership.tick(now.instant, time(now, self.ahead), &mut self.server);
        self.carry_out(now);
    }

    fn leave(&mut self, _now: Moment) {
        self.membership.leave();
        for (topic, message) in self.membership.messages() {
            self.bus.publish(&topic, message);
        }
    }

    fn stats(&self) -> Stats {
        self.membership.stats()
    }
}

impl Node {
    fn do_something(&mut self, random: &mut fastrand::Rng, now: Moment) {
        let (nick, other) = (NICKS[random.usize(..NICKS.len())], NICKS[random.usize(..NICKS.len())]);
        let (channel, mode) = (CHANNELS[random.usize(..CHANNELS.len())], MODES[random.usize(..MODES.len())]);
        if self.clients.is_empty() || self.clients.len() < MOST_CLIENTS && random.u8(..10) == 0 {
            return self.connect(nick, now);
        }
        let place = random.usize(..self.clients.len());
        let client = &mut self.clients[place];
        let line = match random.u32(..100) {
            0..20 => format!("JOIN {channel}"),
            20..50 => format!("PRIVMSG {channel} :{}", client.next_text()),
            50..60 => format!("PRIVMSG {nick} :{}", client.next_text()),
            60..66 => format!("MODE {channel} {mode}"),
            66..72 => {
                format!("MODE {channel} {}{} {nick}", ["+", "-"][random.usize(..2)], ["o", "v"][random.usize(..2)])
            }
            72..77 => format!("NICK {nick}"),
            77..81 => format!("TOPIC {channel} :{}", random.u32(..100)),
            81..85 => format!("PART {channel} :bye"),
            85..88 => format!("KICK {channel} {nick}"),
            88..91 => format!("AWAY :{}", random.u32(..100)),
            91..93 => "AWAY".to_owned(),
            93..95 => format!("SETNAME :{other}"),
            95..97 => format!("INVITE {nick} {channel}"),
            97..99 => "QUIT :done".to_owned(),
            _ => "JOIN 0".to_owned(),
        };
        self.send(place, &line, now);
    }

    fn connect(&mut self, nick: &str, now: Moment) {
        self.connections += 1;
        let name = format!("{}/{}", self.epoch, self.connections);
        let id = self.server.connected(time(now, self.ahead), 0, Peer::default());
        self.clients.push(Client::new(id, name));
        let place = self.clients.len() - 1;
        // Every other one knows little; observers see all alike.
        if self.connections % 2 == 1 || nick.starts_with("observer") {
            let caps = "batch echo-message extended-join labeled-response message-tags multi-prefix server-time";
            self.send(place, &format!("CAP REQ :{caps}"), now);
        }
        for line in [&format!("NICK {nick}"), "USER user 0 * :Somebody", "CAP END"] {
            self.send(place, line, now);
        }
        // The nick may be taken.
        self.send(place, &format!("NICK {nick}{}x{}", self.epoch, self.connections), now);
    }

    /// A client sends a line.
    fn send(&mut self, place: usize, line: &str, now: Moment) {
        let Some(id) = self.clients.get(place).map(|client| client.id) else { return };
        let message = Message::parse(line.as_bytes()).expect("it is a message");
        self.server.received(time(now, self.ahead), id, &message);
        self.carry_out(now);
    }

    /// What the client connected last is told when it sends this, but for its own name and the server's.
    fn ask(&mut self, question: &str, now: Moment) -> BTreeSet<String> {
        let place = self.clients.len() - 1;
        self.clients[place].told.clear();
        self.send(place, question, now);
        // How long somebody is silent is known to their own server alone.
        let told = self.clients[place].told.iter().filter(|line| !line.contains(" 317 ")).map(|line| {
            let message = Message::parse(line.as_bytes()).expect("it was one");
            let parameters = message.params().iter().skip(1).map(|parameter| String::from_utf8_lossy(parameter));
            let mut words: Vec<_> = parameters.map(|parameter| sorted(&parameter)).collect();
            words.insert(0, String::from_utf8_lossy(message.command()).into_owned());
            words.join(" ")
        });
        told.collect()
    }

    fn carry_out(&mut self, now: Moment) {
        loop {
            let effects: Vec<_> = self.server.effects().collect();
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                self.carry_out_one(effect, now);
            }
        }
        for (topic, message) in self.membership.messages() {
            self.bus.publish(&topic, message);
        }
    }

    fn carry_out_one(&mut self, effect: Effect, now: Moment) {
        match effect {
            Effect::Send(id, lines) => {
                if let Some(client) = self.clients.iter_mut().find(|client| client.id == id) {
                    client.told(&lines, &mut self.noticed);
                }
            }
            Effect::Close(id) => {
                self.clients.retain(|client| client.id != id);
                self.server.disconnected(time(now, self.ahead), id, b"closed");
            }
            Effect::Keep(_, Some(id)) => self.server.answered(time(now, self.ahead), id, Answer::Kept(true)),
            Effect::Publish(event) => self.membership.publish(&event).expect("events are short"),
            _ => {}
        }
    }
}

fn time(now: Moment, ahead: u64) -> Timestamp {
    Timestamp(BEGINNING + now.elapsed.as_millis() as u64 + ahead)
}

/// The words of a text in one order, since nobody promises another.
fn sorted(text: &str) -> String {
    let mut words: Vec<_> = text.split(' ').collect();
    words.sort_unstable();
    words.join(" ")
}
