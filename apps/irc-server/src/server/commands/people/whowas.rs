//! `WHOWAS`: those that have left, or had another nick.

use protocols::irc::{Message, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, or_star};
use crate::server::tables::user::User;
use crate::server::values::names::{Key, Name, key};
use crate::server::values::timestamp::Timestamp;

/// Somebody as they were.
#[derive(Debug)]
pub(in crate::server) struct Past {
    key: Key,
    nick: Name,
    ident: Name,
    host: Name,
    realname: Name,
    server: Name,
    until: Timestamp,
}

impl Past {
    pub(in crate::server) fn of(user: &User, now: Timestamp) -> Self {
        let about = &user.about;
        Self {
            key: key(&about.nick),
            nick: about.nick.clone(),
            ident: about.ident.clone(),
            host: about.host.clone(),
            realname: about.realname.clone(),
            server: about.server.clone(),
            until: now,
        }
    }
}

impl Server {
    /// Keeps what somebody was like; the oldest is forgotten for it.
    pub(in crate::server) fn remember(&mut self, user: &User) {
        self.remember_past(Past::of(user, self.now));
    }

    pub(in crate::server) fn remember_past(&mut self, past: Past) {
        while self.past.len() >= self.settings.limits.whowas.max(1) {
            self.past.pop_back();
        }
        self.past.push_front(past);
    }

    pub(in crate::server::commands) fn whowas(&mut self, caller: Caller, message: &Message<'_>) {
        let Some(nick) = message.param(0).filter(|nick| !nick.is_empty()) else {
            self.numeric(caller.id, numeric::ERR_NONICKNAMEGIVEN, |line| line.trailing("No nickname given"));
            return;
        };
        let most = message.param(1).and_then(|most| std::str::from_utf8(most).ok()?.parse::<usize>().ok());
        let most = most.filter(|&most| most > 0).unwrap_or(usize::MAX);
        let wanted = key(nick);
        let found: Vec<_> = self
            .past
            .iter()
            .filter(|past| past.key == wanted)
            .take(most)
            .map(|past| {
                let Past { nick, ident, host, realname, server, until, .. } = past;
                (nick.clone(), ident.clone(), host.clone(), realname.clone(), server.clone(), *until)
            })
            .collect();
        if found.is_empty() {
            self.numeric(caller.id, numeric::ERR_WASNOSUCHNICK, |line| {
                line.param(or_star(nick)).trailing("There was no such nickname")
            });
        }
        for (nick, ident, host, realname, server, until) in found {
            self.numeric(caller.id, numeric::RPL_WHOWASUSER, |line| {
                line.param(&nick).param(ident).param(host).param("*").trailing(realname)
            });
            self.numeric(caller.id, numeric::RPL_WHOISSERVER, |line| {
                line.param(&nick).param(server).trailing(until.to_words())
            });
        }
        self.numeric(caller.id, numeric::RPL_ENDOFWHOWAS, |line| line.param(or_star(nick)).trailing("End of WHOWAS"));
    }
}
