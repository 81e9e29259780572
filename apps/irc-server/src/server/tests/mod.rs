//! The server as clients meet it, without sockets.

mod bans;
mod carried;
mod channels;
mod directory;
mod hostile;
mod labels;
mod nodes;
mod people;
mod registration;
mod talk;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use protocols::irc::Message;

use crate::server::request::{Answer, Request};
use crate::server::{ClientId, Effect, Event, Peer, Server, Timestamp};
use crate::settings::Settings;

/// A node, its clients, and what they were sent.
struct World {
    server: Server,
    now: Timestamp,
    lines: HashMap<ClientId, VecDeque<String>>,
    closed: Vec<ClientId>,
    asked: VecDeque<(ClientId, Request)>,
    published: Vec<Event>,
    /// Whether lines are kept at once.
    keeps: bool,
    /// Those that wait until their lines are kept.
    unkept: VecDeque<ClientId>,
}

const START: Timestamp = Timestamp(1_800_000_000_000);

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings { server_name: "irc.test".into(), ..Settings::default() };
        settings.flood.interval = std::time::Duration::ZERO;
        change(&mut settings);
        let server = Server::new(Arc::new(settings), START);
        Self {
            server,
            now: START,
            lines: HashMap::new(),
            closed: Vec::new(),
            asked: VecDeque::new(),
            published: Vec::new(),
            keeps: true,
            unkept: VecDeque::new(),
        }
    }

    fn connect(&mut self) -> ClientId {
        self.connect_from("192.0.2.1")
    }

    fn connect_from(&mut self, address: &str) -> ClientId {
        let peer = Peer { address: address.parse().ok(), secure: true, ..Peer::default() };
        let id = self.server.connected(self.now, 0, peer);
        self.settle();
        id
    }

    /// A client that is registered, and has read what it was told then.
    fn user(&mut self, nick: &str) -> ClientId {
        self.user_with(nick, "")
    }

    fn user_with(&mut self, nick: &str, caps: &str) -> ClientId {
        let id = self.connect();
        if !caps.is_empty() {
            self.send(id, &format!("CAP REQ :{caps}"));
        }
        self.send(id, &format!("NICK {nick}"));
        self.send(id, &format!("USER {nick} 0 * :{nick}'s name"));
        self.send(id, "CAP END");
        let lines = self.read(id);
        assert!(lines.iter().any(|line| line.contains(" 001 ")), "{lines:#?}");
        id
    }

    fn send(&mut self, id: ClientId, line: &str) {
        self.send_bytes(id, line.as_bytes());
    }

    fn send_bytes(&mut self, id: ClientId, line: &[u8]) {
        if let Ok(message) = Message::parse(line) {
            self.server.received(self.now, id, &message);
        }
        self.settle();
    }

    /// What was sent to a client since it was last asked.
    fn read(&mut self, id: ClientId) -> Vec<String> {
        self.lines.get_mut(&id).map(|lines| lines.drain(..).collect()).unwrap_or_default()
    }

    /// Sends a line, and returns what the client is sent for it.
    fn ask(&mut self, id: ClientId, line: &str) -> Vec<String> {
        self.read(id);
        self.send(id, line);
        self.read(id)
    }

    fn answer(&mut self, answer: Answer) {
        let (id, _) = self.asked.pop_front().expect("nobody waits");
        self.server.answered(self.now, id, answer);
        self.settle();
    }

    /// Tells the client that has waited longest whether its lines are kept.
    fn keep(&mut self, kept: bool) {
        let id = self.unkept.pop_front().expect("nobody waits");
        self.server.answered(self.now, id, Answer::Kept(kept));
        self.settle();
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now.0 += milliseconds;
        self.server.tick(self.now);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let effects: Vec<_> = self.server.effects().collect();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::Send(id, bytes) => {
                        let line = std::str::from_utf8(&bytes).expect("UTF-8").strip_suffix("\r\n").expect("an end");
                        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
                        self.lines.entry(id).or_default().push_back(line.into());
                    }
                    Effect::Close(id) => self.closed.push(id),
                    Effect::Keep(_, Some(id)) if self.keeps => {
                        self.server.answered(self.now, id, Answer::Kept(true));
                    }
                    Effect::Keep(_, waits) => self.unkept.extend(waits),
                    Effect::Ask(id, request) => self.asked.push_back((id, request)),
                    Effect::Publish(event) => self.published.push(event),
                    Effect::Pause(..) | Effect::Ban(_) | Effect::Unban(_) | Effect::Reload => {}
                }
            }
        }
    }
}
