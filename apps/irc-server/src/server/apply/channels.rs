//! What happens to channels, and to those in them.

use crate::server::Server;
use crate::server::output::capabilities::Caps;
use crate::server::output::line::Line;
use crate::server::tables::channel::{Channel, Member, Topic};
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::modes::{Change, STATUSES, to_words};
use crate::server::values::names::{Key, Name, key};
use crate::server::values::register::{Register, Stamp};
use crate::server::values::timestamp::Timestamp;

use super::Builder;

impl Server {
    pub(super) fn apply_join(&mut self, uid: Uid, name: &Name, created: Timestamp, stamp: Stamp, operator: bool) {
        let channel_key = key(name);
        self.latest = self.latest.max(stamp.at);
        let Some(user) = self.users.get_mut(&uid) else { return };
        if user.channels.contains(&channel_key) {
            return;
        }
        user.channels.push(channel_key.clone());
        user.invited.retain(|invited| *invited != channel_key);
        let client = user.client;
        self.meet(&channel_key, name, created, stamp);
        let Some(channel) = self.channels.get_mut(&channel_key) else { return };
        // In a younger channel of that name they were operator of that one.
        let operator = operator && channel.created == created;
        let statuses = std::array::from_fn(|place| Register::new(operator && place == 0, stamp));
        channel.members.insert(uid, Member { client, statuses });
        self.tell_of_join(uid, &channel_key);
    }

    /// Tells a channel, and the user, that it has joined.
    pub(in crate::server) fn tell_of_join(&mut self, uid: Uid, channel: &Key) {
        let (Some(user), Some(channel_joined)) = (self.users.get(&uid), self.channels.get(channel)) else { return };
        let name = &channel_joined.name;
        let clients = self.clients_in(channel);
        let about = &user.about;
        let join = |line: Builder| line.param(name);
        let account = about.account.clone().unwrap_or_else(|| (*b"*").into());
        let (plain, extended, away) = (
            self.line_of(uid, "JOIN", join),
            self.line_of(uid, "JOIN", |line| join(line).param(account).trailing(&about.realname)),
            about.away.as_ref().and_then(|away| self.line_of(uid, "AWAY", |line| line.trailing(away))),
        );
        // A member that comes from elsewhere with a status is given it by its server, as far as clients see.
        let member = channel_joined.members.get(&uid).filter(|_| user.client.is_none());
        let statuses = member.map_or_else(Vec::new, |member| {
            let has = STATUSES.iter().zip(&member.statuses).filter(|(_, has)| *has.get());
            has.map(|(&(letter, _), _)| Change::Status(letter, uid, true)).collect()
        });
        let of_user = user.client;
        let is_extended = |id: &ClientId| self.client(*id).is_some_and(|client| client.caps.has(Caps::EXTENDED_JOIN));
        let (with, without): (Vec<_>, Vec<_>) = clients.iter().copied().partition(is_extended);
        if let (Some(plain), Some(extended)) = (plain, extended) {
            self.send_all(&without, &plain);
            self.send_all(&with, &extended);
        }
        let others: Vec<_> = clients.iter().filter(|&&client| Some(client) != of_user).copied().collect();
        if let Some(away) = away {
            let others = self.with_caps(&others, Caps::AWAY_NOTIFY);
            self.send_all(&others, &away);
        }
        let server: Name = self.settings.server_name.as_bytes().into();
        self.tell_modes(channel, &server, &statuses);
    }

    pub(in crate::server) fn apply_part(&mut self, user: Uid, name: &Name, reason: Option<&Name>) {
        let channel = key(name);
        let Some(shown) = self.member(user, &channel) else { return };
        let line = self.line_of(user, "PART", |line| match reason {
            Some(reason) => line.param(&shown).trailing(reason),
            None => line.param(&shown),
        });
        self.tell_and_take_out(user, &channel, line);
    }

    pub(super) fn apply_kick(&mut self, user: Uid, name: &Name, by: &Name, reason: &Name) {
        let channel = key(name);
        let Some(shown) = self.member(user, &channel) else { return };
        let nick = self.users.get(&user).map(|user| user.about.nick.clone()).unwrap_or_default();
        let message = Builder::new("KICK").source(by).param(&shown).param(nick).trailing(reason);
        let line = Line::new(message, self.now);
        self.tell_and_take_out(user, &channel, Some(line));
    }

    pub(super) fn apply_topic(&mut self, name: &Name, created: Timestamp, by: &Name, text: &Name, stamp: Stamp) {
        let channel_key = key(name);
        self.latest = self.latest.max(stamp.at);
        if !self.meet_existing(&channel_key, created, stamp) {
            return;
        }
        let Some(channel) = self.channels.get_mut(&channel_key) else { return };
        let topic = Topic { text: text.clone(), by: by.clone(), at: stamp.at };
        if channel.topic.set(topic, stamp) {
            let message = Builder::new("TOPIC").source(by).param(&channel.name).trailing(text);
            let line = Line::new(message, self.now);
            let clients = self.clients_in(&channel_key);
            self.send_all(&clients, &line);
        }
    }

    pub(super) fn apply_modes(&mut self, name: &Name, created: Timestamp, by: &Name, changes: &[Change], stamp: Stamp) {
        let channel_key = key(name);
        self.latest = self.latest.max(stamp.at);
        if !self.meet_existing(&channel_key, created, stamp) {
            return;
        }
        let Some(channel) = self.channels.get_mut(&channel_key) else { return };
        let changed: Vec<_> = changes.iter().filter(|change| channel.change(change, by, stamp)).cloned().collect();
        self.tell_modes(&channel_key, by, &changed);
    }

    /// Tells a channel what has changed.
    pub(in crate::server) fn tell_modes(&mut self, channel: &Key, by: &Name, changes: &[Change]) {
        let Some(name) = self.channels.get(channel).map(|channel| channel.name.clone()) else { return };
        // As many as fit a line, whatever they are.
        for changes in changes.chunks(MODES_IN_A_LINE) {
            let (letters, parameters) =
                to_words(changes, |user| self.users.get(&user).map(|user| user.about.nick.clone()));
            if letters.is_empty() {
                continue;
            }
            let message = Builder::new("MODE").source(by).param(&name).param(letters);
            let message = parameters.iter().fold(message, Builder::param);
            let line = Line::new(message, self.now);
            let clients = self.clients_in(channel);
            self.send_all(&clients, &line);
        }
    }

    /// A channel of this name was made at this time: the older of two wins. Makes it if there is none.
    fn meet(&mut self, channel: &Key, name: &Name, created: Timestamp, stamp: Stamp) {
        match self.channels.get(channel).map(|channel| channel.created) {
            None => {
                let stamp = Stamp { at: created, ..stamp };
                self.channels.insert(channel.clone(), Channel::new(name.clone(), created, stamp));
            }
            Some(known) if created < known => self.give_way(channel, created, stamp),
            Some(_) => {}
        }
    }

    /// As [`meet`](Self::meet), for changes of a channel that is there. Says whether they count.
    fn meet_existing(&mut self, channel: &Key, created: Timestamp, stamp: Stamp) -> bool {
        let Some(known) = self.channels.get(channel).map(|channel| channel.created) else { return false };
        if created < known {
            self.give_way(channel, created, stamp);
        }
        created <= known
    }

    /// What was set in a channel is void, since there is an older one of its name.
    pub(in crate::server) fn give_way(&mut self, key: &Key, created: Timestamp, stamp: Stamp) {
        let Some(channel) = self.channels.get_mut(key) else { return };
        let mut older = Channel::new(channel.name.clone(), created, Stamp { at: created, ..stamp });
        let mut changes: Vec<_> = channel.settings().into_iter().filter_map(undone).collect();
        for (&uid, member) in &channel.members {
            for (&(letter, _), has) in STATUSES.iter().zip(&member.statuses) {
                if *has.get() {
                    changes.push(Change::Status(letter, uid, false));
                }
            }
            older.members.insert(uid, Member { client: member.client, ..Member::default() });
        }
        let had_topic = !channel.topic.get().text.is_empty();
        let name = channel.name.clone();
        *channel = older;
        let server: Name = self.settings.server_name.as_bytes().into();
        self.tell_modes(key, &server, &changes);
        if had_topic {
            let line = Line::new(Builder::new("TOPIC").source(&server).param(name).trailing(""), self.now);
            let clients = self.clients_in(key);
            self.send_all(&clients, &line);
        }
    }

    /// The channel's name as it is written, if the user is in it.
    fn member(&self, user: Uid, channel: &Key) -> Option<Name> {
        let channel = self.channels.get(channel)?;
        channel.members.contains_key(&user).then(|| channel.name.clone())
    }

    fn tell_and_take_out(&mut self, user: Uid, channel: &Key, line: Option<Line>) {
        let clients = self.clients_in(channel);
        if let Some(line) = line {
            self.send_all(&clients, &line);
        }
        self.take_out(user, channel);
        if let Some(user) = self.users.get_mut(&user) {
            user.channels.retain(|known| known != channel);
        }
    }

    /// Takes somebody out of a channel, which ends with its last member.
    pub(in crate::server) fn take_out(&mut self, user: Uid, channel: &Key) {
        if let Some(found) = self.channels.get_mut(channel) {
            found.members.remove(&user);
            if found.members.is_empty() {
                self.channels.remove(channel);
            }
        }
    }

    pub(super) fn apply_invite(&mut self, by: Uid, user: Uid, name: &Name) {
        let channel = key(name);
        let Some(nick) = self.users.get(&user).map(|user| user.about.nick.clone()) else { return };
        let Some(line) = self.line_of(by, "INVITE", |line| line.param(nick).param(name)) else { return };
        let operators: Vec<_> = self.channels.get(&channel).map_or_else(Vec::new, |channel| {
            let operators = channel.members.iter().filter(|(uid, member)| **uid != by && member.is_operator());
            operators.filter_map(|(_, member)| member.client).collect()
        });
        let Some(invited) = self.users.get_mut(&user) else { return };
        if invited.uid().node == self.node && !invited.invited.contains(&channel) {
            if invited.invited.len() >= MOST_INVITATIONS {
                invited.invited.remove(0);
            }
            invited.invited.push(channel);
        }
        let mut clients = self.with_caps(&operators, Caps::INVITE_NOTIFY);
        clients.extend(self.users.get(&user).and_then(|user| user.client));
        clients.sort_unstable();
        clients.dedup();
        self.send_all(&clients, &line);
    }
}

/// How many changes a `MODE` may have; announced as `MODES`.
pub(in crate::server) const MODES_IN_A_LINE: usize = 4;

/// The oldest invitation is forgotten for the one after these.
const MOST_INVITATIONS: usize = 100;

/// What takes back a setting that is not set in a new channel; one that is stays.
fn undone(change: Change) -> Option<Change> {
    match change {
        Change::Flag(letter, true) if !crate::server::values::modes::NEW_CHANNEL.contains(&letter) => {
            Some(Change::Flag(letter, false))
        }
        Change::Key(Some(_)) => Some(Change::Key(None)),
        Change::Limit(Some(_)) => Some(Change::Limit(None)),
        _ => None,
    }
}
