//! What happens to users.

use crate::server::Server;
use crate::server::commands::whowas::Past;
use crate::server::event::{Event, Introduction};
use crate::server::output::capabilities::Caps;
use crate::server::output::line::Line;
use crate::server::tables::user::{User, UserModes};
use crate::server::values::ids::Uid;
use crate::server::values::names::{Key, Name, key};
use crate::server::values::timestamp::Timestamp;

use super::Builder;

impl Server {
    /// Puts a user into the table.
    pub(in crate::server) fn add_user(&mut self, user: User) {
        self.census.add(&user);
        self.users.insert(user.uid(), user);
        self.most_users = self.most_users.max(self.users.len());
    }

    /// Takes a user out of it.
    pub(in crate::server) fn take_out_user(&mut self, user: Uid) -> Option<User> {
        let gone = self.users.remove(&user)?;
        self.census.take_out(&gone);
        Some(gone)
    }

    pub(in crate::server) fn apply_connected(&mut self, introduction: &Introduction) {
        let user = introduction.user;
        if self.users.contains_key(&user) {
            return;
        }
        // Somebody of this node becomes a user by a command of theirs.
        let client = self.current.filter(|_| user.node == self.node);
        let about = introduction.clone();
        let active = self.now;
        self.add_user(User { about, channels: Vec::new(), client, active, invited: Vec::new() });
        self.claim_nick(user);
        self.tell_watchers(&introduction.nick, true);
    }

    pub(in crate::server) fn apply_quit(&mut self, user: Uid, reason: &Name) {
        let line = self.line_of(user, "QUIT", |line| line.trailing(reason));
        let clients = self.clients_that_see(user);
        let Some(gone) = self.take_out_user(user) else { return };
        let of_gone = gone.client;
        let clients: Vec<_> = clients.into_iter().filter(|&client| Some(client) != of_gone).collect();
        if let Some(line) = line {
            self.send_all(&clients, &line);
        }
        for channel in &gone.channels {
            self.take_out(user, channel);
        }
        self.release_nick(user, &key(&gone.about.nick));
        self.remember(&gone);
        self.tell_watchers(&gone.about.nick, false);
    }

    pub(in crate::server) fn apply_nick(&mut self, user: Uid, nick: &Name, since: Timestamp) {
        let Some(old) = self.users.get(&user).map(|user| user.about.nick.clone()) else { return };
        let same = key(&old) == key(nick);
        if old != *nick {
            if let Some(line) = self.line_of(user, "NICK", |line| line.param(nick)) {
                let clients = self.clients_that_see(user);
                self.send_all(&clients, &line);
            }
            if let Some(gone) = self.users.get(&user) {
                let past = Past::of(gone, self.now);
                self.remember_past(past);
            }
        }
        let Some(changed) = self.users.get_mut(&user) else { return };
        changed.about.nick = nick.clone();
        changed.about.since = since;
        if let Some(client) = changed.client
            && let Some(client) = self.client_mut(client)
        {
            client.nick = Some(nick.clone());
        }
        self.release_nick(user, &key(&old));
        self.claim_nick(user);
        if !same {
            self.tell_watchers(&old, false);
            self.tell_watchers(nick, true);
        }
    }

    pub(in crate::server) fn apply_host(&mut self, user: Uid, ident: &Name, host: &Name) {
        let line = self.line_of(user, "CHGHOST", |line| line.param(ident).param(host));
        let clients = self.with_caps(&self.clients_that_see(user), Caps::CHGHOST);
        if let Some(line) = line {
            self.send_all(&clients, &line);
        }
        if let Some(user) = self.users.get_mut(&user) {
            user.about.ident = ident.clone();
            user.about.host = host.clone();
        }
    }

    pub(in crate::server) fn apply_realname(&mut self, user: Uid, realname: &Name) {
        let Some(changed) = self.users.get_mut(&user) else { return };
        changed.about.realname = realname.clone();
        let line = self.line_of(user, "SETNAME", |line| line.trailing(realname));
        self.tell_with_caps(user, line, Caps::SETNAME);
    }

    pub(in crate::server) fn apply_account(&mut self, user: Uid, account: Option<&Name>) {
        let Some(changed) = self.users.get_mut(&user) else { return };
        changed.about.account = account.cloned();
        let shown = account.map_or(&b"*"[..], |account| account);
        let line = self.line_of(user, "ACCOUNT", |line| line.param(shown));
        self.tell_with_caps(user, line, Caps::ACCOUNT_NOTIFY);
    }

    pub(in crate::server) fn apply_away(&mut self, user: Uid, message: Option<&Name>) {
        let Some(changed) = self.users.get_mut(&user) else { return };
        if changed.about.away.as_ref() == message {
            return;
        }
        changed.about.away = message.cloned();
        let line = self.line_of(user, "AWAY", |line| match message {
            Some(message) => line.trailing(message),
            None => line,
        });
        self.tell_with_caps(user, line, Caps::AWAY_NOTIFY);
    }

    pub(in crate::server) fn apply_user_modes(&mut self, user: Uid, modes: UserModes) {
        if let Some(user) = self.users.get_mut(&user) {
            self.census.take_out(user);
            user.about.modes = modes;
            self.census.add(user);
        }
    }

    pub(super) fn apply_wallops(&mut self, user: Uid, text: &Name) {
        let Some(line) = self.line_of(user, "WALLOPS", |line| line.trailing(text)) else { return };
        let hear = self.users.values().filter(|user| user.is(UserModes::WALLOPS));
        let clients: Vec<_> = hear.filter_map(|user| user.client).collect();
        self.send_all(&clients, &line);
    }

    /// Tells those of a user's neighbours that want to know, and those that watch it by `extended-monitor`.
    fn tell_with_caps(&mut self, user: Uid, line: Option<Line>, caps: Caps) {
        let Some(line) = line else { return };
        let mut clients = self.clients_that_see(user);
        if let Some(nick) = self.users.get(&user).map(|user| key(&user.about.nick)) {
            let watchers: Vec<_> = self.watchers.get(&nick).into_iter().flatten().copied().collect();
            clients.extend(self.with_caps(&watchers, Caps::EXTENDED_MONITOR));
        }
        clients.sort_unstable();
        clients.dedup();
        let clients = self.with_caps(&clients, caps);
        self.send_all(&clients, &line);
    }

    /// A user has a nick, which others may have, too.
    fn claim_nick(&mut self, user: Uid) {
        let Some(nick) = self.users.get(&user).map(|user| key(&user.about.nick)) else { return };
        self.nameless.insert(user);
        self.settle_nick(&nick);
    }

    /// A user no longer has a nick. It is free, or goes to another that has it.
    pub(in crate::server) fn release_nick(&mut self, user: Uid, nick: &Key) {
        self.nameless.remove(&user);
        if self.nicks.get(nick) == Some(&user) {
            self.nicks.remove(nick);
        }
        self.settle_nick(nick);
    }

    /// Of all that have a nick, the one that has had it longest is found by it. The others get their numbers for a nick, each from
    /// its own node. Whatever order nodes hear of them in, they settle on the same one.
    fn settle_nick(&mut self, nick: &Key) {
        let owner = self.nicks.get(nick).copied();
        let has_it = |uid: &Uid| self.users.get(uid).is_some_and(|user| key(&user.about.nick) == *nick);
        let mut all: Vec<_> = self.nameless.iter().copied().chain(owner).filter(has_it).collect();
        all.sort_unstable_by_key(|uid| (self.users.get(uid).map(|user| user.about.since), *uid));
        let Some((&winner, losers)) = all.split_first() else { return };
        self.nameless.remove(&winner);
        self.nicks.insert(nick.clone(), winner);
        self.nameless.extend(losers);
        let own_node = self.node;
        for &loser in losers.iter().filter(|loser| loser.node == own_node) {
            let (nick, since) = (number_as_nick(loser), self.now);
            self.happen(Event::Nick { user: loser, nick, since });
        }
    }

    /// Disconnects a user of this node.
    pub(in crate::server) fn kill(&mut self, user: Uid, by: &Name, reason: &Name) {
        let Some(client) = self.users.get(&user).and_then(|user| user.client) else { return };
        if let Some(nick) = self.users.get(&user).map(|user| user.about.nick.clone()) {
            let message = Builder::new("KILL").source(by).param(nick).trailing(reason);
            self.send_message(client, message);
        }
        let by = by.split(|&byte| byte == b'!').next().unwrap_or_default();
        self.close(client, &[b"Killed (", by, b" (", reason, b"))"].concat());
    }
}

/// What a user is called that has lost its nick to another.
fn number_as_nick(user: Uid) -> Name {
    user.to_string().replace('!', "u").into_bytes().into()
}
