//! `MONITOR`: who of these is there, and tell me when that changes. <https://ircv3.net/specs/extensions/monitor>

use protocols::irc::{Message, MessageBuilder, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, entries, lines_of};
use crate::server::output::line::Line;
use crate::server::values::ids::ClientId;
use crate::server::values::names::{Name, key};

/// Room for nicks in one line.
const ROOM: usize = 400;

impl Server {
    pub(in crate::server::commands) fn monitor(&mut self, caller: Caller, message: &Message<'_>) {
        let Some(subcommand) = message.param(0) else { return self.need_more(caller.id, "MONITOR") };
        let nicks = message.param(1).unwrap_or_default();
        match &*subcommand.to_ascii_uppercase() {
            b"+" => self.watch(caller.id, nicks),
            b"-" => {
                for nick in entries(nicks) {
                    self.unwatch(caller.id, &key(nick));
                }
            }
            b"C" => self.forget_watches(caller.id),
            b"L" => {
                let watched: Vec<_> = self.watched(caller.id);
                self.tell_list_of(caller.id, numeric::RPL_MONLIST, &watched);
                self.numeric(caller.id, numeric::RPL_ENDOFMONLIST, |line| line.trailing("End of MONITOR list"));
            }
            b"S" => {
                let watched: Vec<_> = self.watched(caller.id);
                self.tell_status(caller.id, &watched);
            }
            _ => {}
        }
    }

    fn watch(&mut self, id: ClientId, nicks: &[u8]) {
        let most = self.settings.limits.monitored;
        let mut new = Vec::new();
        let mut rest = entries(nicks);
        while let Some(nick) = rest.next() {
            if nick.len() > self.settings.limits.nick_length || nick.contains(&b' ') {
                continue;
            }
            let Some(client) = self.client_mut(id) else { return };
            if client.monitored.len() >= most && !client.monitored.contains(&key(nick)) {
                let refused = [nick].into_iter().chain(rest).collect::<Vec<_>>().join(&b',');
                self.numeric(id, numeric::ERR_MONLISTFULL, |line| {
                    line.param(most.to_string()).param(refused).trailing("Monitor list is full")
                });
                break;
            }
            client.monitored.insert(key(nick));
            self.watchers.entry(key(nick)).or_default().insert(id);
            new.push(nick.into());
        }
        self.tell_status(id, &new);
    }

    fn unwatch(&mut self, id: ClientId, nick: &Name) {
        if let Some(client) = self.client_mut(id) {
            client.monitored.remove(nick);
        }
        if let Some(watchers) = self.watchers.get_mut(nick) {
            watchers.remove(&id);
            if watchers.is_empty() {
                self.watchers.remove(nick);
            }
        }
    }

    /// A client watches nobody any more.
    pub(in crate::server) fn forget_watches(&mut self, id: ClientId) {
        for nick in self.watched(id) {
            self.unwatch(id, &nick);
        }
    }

    fn watched(&self, id: ClientId) -> Vec<Name> {
        self.client(id).map(|client| client.monitored.iter().cloned().collect()).unwrap_or_default()
    }

    fn tell_status(&mut self, id: ClientId, nicks: &[Name]) {
        let mut online = Vec::new();
        let mut offline = Vec::new();
        for nick in nicks {
            match self.nicks.get(&key(nick)).and_then(|user| self.users.get(user)) {
                Some(user) => online.push(user.mask()),
                None => offline.push(nick.clone()),
            }
        }
        self.tell_list_of(id, numeric::RPL_MONONLINE, &online);
        self.tell_list_of(id, numeric::RPL_MONOFFLINE, &offline);
    }

    fn tell_list_of(&mut self, id: ClientId, numeric: &str, nicks: &[Name]) {
        for line in lines_of(nicks, b',', ROOM) {
            self.numeric(id, numeric, |reply| reply.trailing(line));
        }
    }

    /// Tells those that watch a nick that somebody has it now, or nobody.
    pub(in crate::server) fn tell_watchers(&mut self, nick: &Name, online: bool) {
        let Some(watchers) = self.watchers.get(&key(nick)) else { return };
        let watchers: Vec<_> = watchers.iter().copied().collect();
        let mask = self
            .nicks
            .get(&key(nick))
            .and_then(|user| self.users.get(user))
            .map(crate::server::tables::user::User::mask);
        let (numeric, shown) = match mask.filter(|_| online) {
            Some(mask) => (numeric::RPL_MONONLINE, mask),
            None => (numeric::RPL_MONOFFLINE, nick.clone()),
        };
        for id in watchers {
            let Some(client) = self.client(id) else { continue };
            let message = MessageBuilder::new(numeric).source(&self.settings.server_name).param(client.shown_nick());
            let line = Line::new(message.trailing(&shown), self.now);
            self.send(id, &line);
        }
    }
}
