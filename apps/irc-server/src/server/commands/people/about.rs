//! `AWAY`, `SETNAME`, `USERHOST` and `ISON`.

use protocols::irc::{Message, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, cut};
use crate::server::event::Event;
use crate::server::tables::user::UserModes;
use crate::server::values::names::key;

/// How many nicks `USERHOST` answers for.
const MOST_USERHOSTS: usize = 5;

impl Server {
    pub(in crate::server::commands) fn away(&mut self, caller: Caller, message: &Message<'_>) {
        let longest = self.settings.limits.away_length;
        let text = message.param(0).filter(|text| !text.is_empty()).map(|text| cut(text, longest));
        let (numeric, reply) = match &text {
            Some(_) => (numeric::RPL_NOWAWAY, "You have been marked as being away"),
            None => (numeric::RPL_UNAWAY, "You are no longer marked as being away"),
        };
        self.happen(Event::Away { user: caller.user, message: text });
        self.numeric(caller.id, numeric, |line| line.trailing(reply));
    }

    pub(in crate::server::commands) fn setname(&mut self, caller: Caller, message: &Message<'_>) {
        let Some(realname) = message.param(0).filter(|realname| !realname.is_empty()) else {
            return self.need_more(caller.id, "SETNAME");
        };
        if realname.len() > self.settings.limits.realname_length {
            return self.fail(caller.id, "SETNAME", "INVALID_REALNAME", &[], "Realname is too long");
        }
        self.happen(Event::RealName { user: caller.user, realname: (*realname).into() });
    }

    pub(in crate::server::commands) fn userhost(&mut self, caller: Caller, message: &Message<'_>) {
        if message.params().is_empty() {
            return self.need_more(caller.id, "USERHOST");
        }
        let nicks = message.params().iter().flat_map(|param| param.split(|&byte| byte == b' '));
        let users = nicks.take(MOST_USERHOSTS).filter_map(|nick| self.users.get(self.nicks.get(&key(nick))?));
        let replies = users.map(|user| {
            let star: &[u8] = if user.is(UserModes::OPERATOR) { b"*" } else { b"" };
            let sign: &[u8] = if user.about.away.is_some() { b"=-" } else { b"=+" };
            [&*user.about.nick, star, sign, &*user.about.ident, b"@", &*user.about.host].concat()
        });
        let replies = replies.collect::<Vec<_>>().join(&b' ');
        self.numeric(caller.id, numeric::RPL_USERHOST, |line| line.trailing(replies));
    }

    pub(in crate::server::commands) fn ison(&mut self, caller: Caller, message: &Message<'_>) {
        if message.params().is_empty() {
            return self.need_more(caller.id, "ISON");
        }
        let nicks = message.params().iter().flat_map(|param| param.split(|&byte| byte == b' '));
        let users = nicks.filter_map(|nick| self.users.get(self.nicks.get(&key(nick))?));
        let found = users.map(|user| user.about.nick.to_vec()).collect::<Vec<_>>().join(&b' ');
        self.numeric(caller.id, numeric::RPL_ISON, |line| line.trailing(found));
    }
}
