//! The server itself: a state machine without sockets, clocks or threads.
//!
//! [`Server`] is told what happens to connections and what other nodes say, each time with the time, and collects
//! [`Effect`]s: lines to send, questions to answer, events for other nodes. So whole networks run in tests, in one thread and
//! by seed.
//!
//! A command checks what it was asked, makes an [`Event`] of it and hands that to `apply`, the only place that
//! changes what others see. Events of other nodes come to the same place.

mod apply;
mod carried;
mod commands;
mod directory;
pub mod effect;
pub mod event;
mod nodes;
mod output;
pub mod request;
mod tables;
mod values;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use protocols::irc::{Message, MessageBuilder, numeric};
use serde::{Deserialize, Serialize};
use slab::Slab;

use crate::server::commands::whowas::Past;
use crate::server::tables::census::Census;
use crate::server::tables::channel::Channel;
use crate::server::tables::client::Client;
use crate::server::tables::user::User;
use crate::settings::Settings;

pub use carried::Carried;
pub use effect::Effect;
pub use event::Event;
pub use nodes::{Registers, Snapshot};
pub use tables::client::Peer;
pub(crate) use tables::network;
pub use tables::user::UserModes;
pub use values::ids::{ClientId, NodeId, Uid};
pub use values::modes::Change;
pub use values::names::{Key, Name, key};
pub use values::register::Stamp;
pub use values::speech::{Kind, Speech};
pub use values::timestamp::Timestamp;

/// One node of a network.
#[derive(Debug)]
pub struct Server {
    settings: Arc<Settings>,
    node: NodeId,
    started: Timestamp,
    now: Timestamp,
    /// No stamp is earlier, whatever the clock says.
    latest: Timestamp,
    /// Counts users and lines of this node, from the time of its start on.
    counter: u64,
    generation: u32,
    clients: Slab<Client>,
    addresses: HashMap<IpAddr, usize>,
    users: BTreeMap<Uid, User>,
    census: Census,
    nicks: HashMap<Key, Uid>,
    /// Users of other nodes whose nick another has, until their node gives them another.
    nameless: BTreeSet<Uid>,
    channels: BTreeMap<Key, Channel>,
    /// Who watches a nick.
    watchers: HashMap<Key, BTreeSet<ClientId>>,
    past: VecDeque<Past>,
    /// Names of accounts.
    accounts: HashSet<Key>,
    bans: Vec<ServerBan>,
    most_users: usize,
    /// Those that were in channels in the process before, until all that come over are here.
    missing: Vec<(Uid, Name, Key)>,
    /// The client whose command is carried out now.
    current: Option<ClientId>,
    /// What the lines belong to that are sent now.
    node_batch: Option<nodes::NodeBatch>,
    effects: Vec<Effect>,
}

/// Somebody who may not connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerBan {
    /// `user@host`, with `*` and `?`; the host is an address or a network.
    pub mask: Name,
    /// What they are told.
    pub reason: Name,
    /// Who has set it.
    pub by: Name,
    /// When.
    pub at: Timestamp,
    /// Until when; for ever if there is no end.
    pub until: Option<Timestamp>,
}

impl ServerBan {
    /// Whether its time is over.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    fn applies(&self, ident: Option<&[u8]>, host: &[u8]) -> bool {
        values::ban_mask::applies(&self.mask, ident, host)
    }
}

impl Server {
    /// A node that nobody is connected to.
    #[must_use]
    pub fn new(settings: Arc<Settings>, now: Timestamp) -> Self {
        Self {
            node: NodeId::of(settings.server_name.as_bytes()),
            settings,
            started: now,
            now,
            latest: now,
            // Some 65 thousand users and lines a millisecond before it could meet an earlier start's.
            counter: now.0 << 16,
            generation: 0,
            clients: Slab::new(),
            addresses: HashMap::new(),
            users: BTreeMap::new(),
            census: Census::default(),
            nicks: HashMap::new(),
            nameless: BTreeSet::new(),
            channels: BTreeMap::new(),
            watchers: HashMap::new(),
            past: VecDeque::new(),
            accounts: HashSet::new(),
            bans: Vec::new(),
            most_users: 0,
            missing: Vec::new(),
            current: None,
            node_batch: None,
            effects: Vec::new(),
        }
    }

    /// Other settings from now on.
    pub fn set_settings(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
    }

    /// How many connections it has.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many users the network has, as far as this node knows.
    #[must_use]
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// How many channels there are.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// What is to be done, in order, since this was last asked. Ask after each call.
    pub fn effects(&mut self) -> impl Iterator<Item = Effect> {
        self.effects.drain(..)
    }

    /// Somebody has connected to a thread of this node. Returns what to call them.
    pub fn connected(&mut self, now: Timestamp, thread: u16, peer: Peer) -> ClientId {
        self.now = now;
        let (address, host) = (peer.address, peer.host());
        let id = self.add_client(thread, peer);
        let counted = address.filter(|address| !address.is_loopback());
        let of_address = counted.and_then(|address| self.addresses.get(&network::of(address))).copied().unwrap_or(0);
        let limits = &self.settings.limits;
        if self.clients.len() > limits.clients {
            self.close(id, b"The server is full");
        } else if of_address > limits.clients_per_address {
            self.close(id, b"Too many connections from your address");
        } else if let Some(reason) = self.banned(None, host.as_bytes()) {
            self.close(id, &[b"You are banned: ", &*reason].concat());
        }
        id
    }

    /// A client has sent this. It is called for no client that waits for an answer.
    pub fn received(&mut self, now: Timestamp, id: ClientId, message: &Message<'_>) {
        self.now = now;
        let Some(client) = self.client_mut(id).filter(|client| !client.closing) else { return };
        client.heard = now;
        client.pinged = None;
        self.begin(id, message);
        commands::dispatch(self, id, message);
        self.finish(id);
        self.slow_down(id);
    }

    /// A client has sent a line that is longer than lines may be.
    pub fn received_too_long(&mut self, now: Timestamp, id: ClientId) {
        self.now = now;
        self.numeric(id, numeric::ERR_INPUTTOOLONG, |line| line.trailing("Input line was too long"));
        self.slow_down(id);
    }

    /// What a client waits for has come.
    pub fn answered(&mut self, now: Timestamp, id: ClientId, answer: request::Answer) {
        self.now = now;
        let Some(waiting) = self.client_mut(id).and_then(|client| client.waiting.take()) else { return };
        self.current = Some(id);
        commands::go_on(self, id, waiting, answer);
        self.finish(id);
    }

    /// A connection has ended.
    pub fn disconnected(&mut self, now: Timestamp, id: ClientId, reason: &[u8]) {
        self.now = now;
        if self.client(id).is_none() {
            return;
        }
        self.quit(id, reason);
        self.forget_watches(id);
        let client = self.clients.remove(id.slot as usize);
        if let Some(address) = client.peer.address.map(network::of)
            && let Some(count) = self.addresses.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&address);
            }
        }
    }

    /// A second or so has passed: asks silent clients for a sign of life, and lets those go that give none.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = now;
        let ping = milliseconds(self.settings.limits.ping);
        let registration = milliseconds(self.settings.limits.registration);
        let mut silent = Vec::new();
        for (_, client) in &self.clients {
            let late = match (client.user, client.pinged) {
                _ if client.closing => false,
                (None, _) => now.since(client.connected) > registration,
                (Some(_), Some(pinged)) => now.since(pinged) > ping,
                (Some(_), None) => now.since(client.heard) > ping,
            };
            if late {
                silent.push((client.id, client.user.is_none() || client.pinged.is_some()));
            }
        }
        for (id, gone) in silent {
            if gone {
                let seconds =
                    if self.client(id).is_some_and(|client| client.user.is_some()) { ping * 2 } else { registration }
                        / 1_000;
                self.close(id, format!("Ping timeout: {seconds} seconds").as_bytes());
            } else {
                self.ask_for_a_sign_of_life(id);
            }
        }
        self.bans.retain(|ban| !ban.has_ended(now));
    }

    /// A user of another node has done this, or a node asks this of one of ours.
    pub fn heard(&mut self, now: Timestamp, event: &Event) {
        self.now = now;
        self.apply(event);
    }

    /// The server ends: everybody is told so.
    pub fn shut_down(&mut self, now: Timestamp, reason: &[u8]) {
        self.now = now;
        let ids: Vec<_> = self.clients.iter().map(|(_, client)| client.id).collect();
        for id in ids {
            // That each leaves is not told to all the others, who leave as well.
            let user = self.client_mut(id).and_then(|client| client.user.take());
            if let Some(user) = user.filter(|_| self.settings.cluster.bus.is_some()) {
                self.effects.push(Effect::Publish(Event::Quit { user, reason: reason.into() }));
            }
            self.close(id, reason);
        }
    }

    /// One connection is to end.
    pub fn let_go(&mut self, now: Timestamp, id: ClientId, reason: &[u8]) {
        self.now = now;
        self.close(id, reason);
    }

    fn add_client(&mut self, thread: u16, peer: Peer) -> ClientId {
        self.generation = self.generation.wrapping_add(1);
        if let Some(address) = peer.address {
            *self.addresses.entry(network::of(address)).or_default() += 1;
        }
        let entry = self.clients.vacant_entry();
        // There are never 4 billion connections.
        let slot = u32::try_from(entry.key()).unwrap_or(u32::MAX);
        let id = ClientId { thread, slot, generation: self.generation };
        entry.insert(Client::new(id, peer, self.now));
        id
    }

    /// An event of this node: it takes place here, and others hear of it.
    fn happen(&mut self, event: Event) {
        self.apply(&event);
        if self.settings.cluster.bus.is_some() {
            self.effects.push(Effect::Publish(event));
        }
    }

    fn client(&self, id: ClientId) -> Option<&Client> {
        self.clients.get(id.slot as usize).filter(|client| client.id == id)
    }

    fn client_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(id.slot as usize).filter(|client| client.id == id)
    }

    /// A number that no other user and no other line of this node has or had.
    fn next_number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A stamp later than all that this node has seen.
    fn stamp(&mut self) -> Stamp {
        self.latest = self.now.max(Timestamp(self.latest.0 + 1));
        Stamp { at: self.latest, node: self.node }
    }

    /// Ends a connection: its user leaves at once, and it is told why.
    fn close(&mut self, id: ClientId, reason: &[u8]) {
        self.quit(id, reason);
        // What the client was being answered goes before.
        if self.current == Some(id) {
            self.finish(id);
        }
        let Some(client) = self.client(id).filter(|client| !client.closing) else { return };
        let address = client.peer.host();
        let text = [b"Closing link: (", address.as_bytes(), b") [", reason, b"]"].concat();
        self.send_message(id, MessageBuilder::new("ERROR").trailing(text));
        self.effects.push(Effect::Close(id));
        if let Some(client) = self.client_mut(id) {
            client.closing = true;
        }
    }

    /// The user of a connection leaves the network.
    fn quit(&mut self, id: ClientId, reason: &[u8]) {
        if let Some(user) = self.client_mut(id).and_then(|client| client.user.take()) {
            self.happen(Event::Quit { user, reason: reason.into() });
        }
    }

    /// Makes a client wait that has sent faster than it may.
    fn slow_down(&mut self, id: ClientId) {
        let (now, flood) = (self.now, &self.settings.flood);
        let (interval, burst) = (milliseconds(flood.interval), u64::from(flood.burst));
        let Some(client) = self.client_mut(id) else { return };
        if interval == 0 || client.closing || !client.privileges.is_empty() {
            return;
        }
        client.spent_until = Timestamp(client.spent_until.max(now).0 + interval);
        let ahead = client.spent_until.since(now);
        if ahead > burst * interval {
            self.effects.push(Effect::Pause(id, Duration::from_millis(ahead - burst * interval)));
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
