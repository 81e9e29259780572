//! Clients that go on in the process that takes over from this one.

use std::collections::BTreeMap;

use protocols::irc::MessageBuilder;
use serde::{Deserialize, Serialize};

use crate::server::Server;
use crate::server::event::Introduction;
use crate::server::output::capabilities::Caps;
use crate::server::output::line::Line;
use crate::server::tables::channel::{Channel, Member};
use crate::server::tables::client::{Client, Peer, Sasl};
use crate::server::tables::user::User;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::names::{Key, Name, key};
use crate::server::values::timestamp::Timestamp;
use crate::settings::Privilege;

/// All that a registered client is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Carried {
    about: Introduction,
    caps: Caps,
    cap_version: u32,
    privileges: Vec<Privilege>,
    monitored: Vec<Key>,
    invited: Vec<Key>,
    active: Timestamp,
    /// Those that it is in, with itself as the only member. What is set comes along with one member.
    channels: Vec<Channel>,
    /// Who else is in those, and where: some may not come.
    neighbours: Vec<(Uid, Name, Key)>,
}

/// The most neighbours that a state has room for. Beyond them, some who do not come stay in clients' lists until these ask anew.
const MOST_NEIGHBOURS: usize = 4_000;

impl Server {
    /// What a client is, for the next process; `None` if it is in the middle of something.
    #[must_use]
    pub fn carry(&self, id: ClientId) -> Option<Carried> {
        let client = self.client(id).filter(|client| !client.closing && client.waiting.is_none())?;
        let uid = client.user.filter(|_| matches!(client.sasl, Sasl::Idle))?;
        let user = self.users.get(&uid)?;
        let mut channels = Vec::new();
        let mut neighbours = Vec::new();
        for (channel_key, channel) in user.channels.iter().filter_map(|channel| self.channels.get_key_value(channel)) {
            let member = channel.members.get(&uid)?.clone();
            let first = channel.members.iter().find(|(_, member)| member.client.is_some()).map(|(&first, _)| first);
            let mut own = Channel::unset(channel.name.clone(), channel.created);
            if first == Some(uid) {
                own = channel.without_members();
                let others = channel.members.iter().filter(|(_, member)| member.client.is_some()).take(MOST_NEIGHBOURS);
                let others = others.filter_map(|(other, _)| self.users.get(other));
                neighbours.extend(others.map(|other| (other.uid(), other.mask(), channel_key.clone())));
            }
            own.members.insert(uid, member);
            channels.push(own);
        }
        Some(Carried {
            about: user.about.clone(),
            caps: client.caps,
            cap_version: client.cap_version,
            privileges: client.privileges.clone(),
            monitored: client.monitored.iter().cloned().collect(),
            invited: user.invited.clone(),
            active: user.active,
            channels,
            neighbours,
        })
    }

    /// A client has gone over to the next process: nobody here is told.
    pub fn forget(&mut self, now: Timestamp, id: ClientId) {
        if let Some(uid) = self.client_mut(id).and_then(|client| client.user.take())
            && let Some(user) = self.take_out_user(uid)
        {
            for channel in &user.channels {
                self.take_out(uid, channel);
            }
            self.release_nick(uid, &key(&user.about.nick));
        }
        self.disconnected(now, id, b"");
    }

    /// A client of the process before goes on here, on this thread: nobody is told, for nothing has changed. `None` if it cannot
    /// be the same here.
    pub fn take_over(&mut self, now: Timestamp, thread: u16, peer: Peer, carried: Carried) -> Option<ClientId> {
        self.now = now;
        let Carried { about, channels, .. } = carried;
        let uid = about.user;
        if uid.node != self.node || self.users.contains_key(&uid) || self.nicks.contains_key(&key(&about.nick)) {
            return None;
        }
        // Also if the clock was set back since.
        self.counter = self.counter.max(uid.number);
        let id = self.add_client(thread, peer);
        let client = self.client_mut(id)?;
        *client = Client {
            caps: carried.caps,
            cap_version: carried.cap_version,
            privileges: carried.privileges,
            user: Some(uid),
            nick: Some(about.nick.clone()),
            ident: Some(about.ident.clone()),
            realname: Some(about.realname.clone()),
            account: about.account.clone(),
            password_shown: true,
            connected: about.connected,
            monitored: carried.monitored.iter().cloned().collect(),
            ..Client::new(id, client.peer.clone(), now)
        };
        for nick in carried.monitored {
            self.watchers.entry(nick).or_default().insert(id);
        }
        self.nicks.insert(key(&about.nick), uid);
        let user =
            User { about, channels: Vec::new(), client: Some(id), active: carried.active, invited: carried.invited };
        self.add_user(user);
        // Those who are here already know what is set.
        let told = self.effects.len();
        for channel in channels {
            self.take_over_member(uid, id, channel);
        }
        self.effects.truncate(told);
        self.missing.extend(carried.neighbours);
        Some(id)
    }

    fn take_over_member(&mut self, uid: Uid, id: ClientId, theirs: Channel) {
        let channel_key = key(&theirs.name);
        let unset = || Channel::unset(theirs.name.clone(), theirs.created);
        self.channels.entry(channel_key.clone()).or_insert_with(unset);
        self.merge_channel(&channel_key, &theirs);
        let (Some(channel), Some(user)) = (self.channels.get_mut(&channel_key), self.users.get_mut(&uid)) else {
            return;
        };
        let member = theirs.members.get(&uid).cloned().unwrap_or_default();
        user.channels.push(channel_key);
        channel.members.insert(uid, Member { client: Some(id), ..member });
    }

    /// All clients that come over are here. Those that are missing have left.
    pub fn all_taken_over(&mut self, now: Timestamp) {
        self.now = now;
        let mut missing: BTreeMap<Uid, (Name, Vec<Key>)> = BTreeMap::new();
        for (uid, mask, channel) in std::mem::take(&mut self.missing) {
            if !self.users.contains_key(&uid) {
                missing.entry(uid).or_insert((mask, Vec::new())).1.push(channel);
            }
        }
        for (mask, channels) in missing.into_values() {
            let mut clients: Vec<_> = channels.iter().flat_map(|channel| self.clients_in(channel)).collect();
            clients.sort_unstable();
            clients.dedup();
            let message = MessageBuilder::new("QUIT").source(mask).trailing("The server was restarted");
            self.send_all(&clients, &Line::new(message, now));
        }
    }
}
