//! `KICK`.

use protocols::irc::{Message, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, cut, entries, or_star};
use crate::server::event::{Event, Plea};
use crate::server::values::ids::Uid;
use crate::server::values::names::{Name, key};

impl Server {
    pub(in crate::server::commands) fn kick(&mut self, caller: Caller, message: &Message<'_>) {
        let [channels, nicks, rest @ ..] = message.params() else { return self.need_more(caller.id, "KICK") };
        let Some(about) = self.users.get(&caller.user).map(|user| user.about.nick.clone()) else { return };
        let reason = rest.first().filter(|reason| !reason.is_empty());
        let reason: Name = reason.map_or(about, |reason| cut(reason, self.settings.limits.kick_length));
        let channels: Vec<_> = entries(channels).collect();
        for (number, nick) in entries(nicks).take(self.settings.limits.targets).enumerate() {
            // One channel and many nicks, or one of each.
            if let Some(channel) = if channels.len() == 1 { channels.first() } else { channels.get(number) } {
                self.kick_one(caller, channel, nick, &reason);
            }
        }
    }

    fn kick_one(&mut self, caller: Caller, name: &[u8], nick: &[u8], reason: &Name) {
        let id = caller.id;
        let Some(channel) = self.channels.get(&key(name)) else { return self.no_such_channel(id, name) };
        let shown = channel.name.clone();
        match channel.members.get(&caller.user).map(crate::server::tables::channel::Member::is_operator) {
            None => return self.not_on_channel(caller, name),
            Some(false) => return self.not_operator(caller, name),
            Some(true) => {}
        }
        let Some(&user) = self.nicks.get(&key(nick)) else { return self.no_such_nick(id, nick) };
        if !channel.members.contains_key(&user) {
            self.numeric(id, numeric::ERR_USERNOTINCHANNEL, |line| {
                line.param(nick).param(or_star(name)).trailing("They aren't on that channel")
            });
            return;
        }
        let Some(by) = self.users.get(&caller.user).map(crate::server::tables::user::User::mask) else { return };
        self.kick_out(user, shown, by, reason.clone());
    }

    /// It is the user's own node that does it, so that all see it in the order of what else that user does.
    fn kick_out(&mut self, user: Uid, channel: Name, by: Name, reason: Name) {
        if user.node == self.node {
            self.happen(Event::Kick { user, channel, by, reason });
        } else {
            self.happen(Event::Please { user, plea: Plea::Kick { channel, by, reason } });
        }
    }

    pub(in crate::server::commands) fn not_operator(&mut self, caller: Caller, channel: &[u8]) {
        self.numeric(caller.id, numeric::ERR_CHANOPRIVSNEEDED, |line| {
            line.param(or_star(channel)).trailing("You're not channel operator")
        });
    }
}
