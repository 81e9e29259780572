//! `INVITE`.

use protocols::irc::{Message, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, or_star};
use crate::server::event::Event;
use crate::server::values::names::{Name, is_channel, key};

impl Server {
    pub(in crate::server::commands) fn invite(&mut self, caller: Caller, message: &Message<'_>) {
        let id = caller.id;
        let (nick, name) = match message.params() {
            [] => return self.tell_invitations(caller),
            [_] => return self.need_more(id, "INVITE"),
            [nick, name, ..] => (*nick, *name),
        };
        let Some(&user) = self.nicks.get(&key(nick)) else { return self.no_such_nick(id, nick) };
        if !is_channel(name, self.settings.limits.channel_length) {
            return self.no_such_channel(id, name);
        }
        let Some(channel) = self.channels.get(&key(name)) else { return self.no_such_channel(id, name) };
        let shown = channel.name.clone();
        let Some(member) = channel.members.get(&caller.user) else { return self.not_on_channel(caller, name) };
        if channel.is(b'i') && !member.is_operator() {
            return self.not_operator(caller, name);
        }
        if channel.members.contains_key(&user) {
            self.numeric(id, numeric::ERR_USERONCHANNEL, |line| {
                line.param(nick).param(or_star(name)).trailing("is already on channel")
            });
            return;
        }
        let about = self.users.get(&user).map(|user| (user.about.nick.clone(), user.about.away.clone()));
        let Some((nick, away)) = about else { return };
        self.numeric(id, numeric::RPL_INVITING, |line| line.param(&nick).param(&shown));
        if let Some(away) = away {
            self.numeric(id, numeric::RPL_AWAY, |line| line.param(&nick).trailing(away));
        }
        self.happen(Event::Invite { by: caller.user, user, channel: shown });
    }

    fn tell_invitations(&mut self, caller: Caller) {
        let channels = self.users.get(&caller.user).map(|user| user.invited.clone()).unwrap_or_default();
        for channel in channels {
            let shown: Name = self.channels.get(&channel).map_or(channel, |channel| channel.name.clone());
            self.numeric(caller.id, numeric::RPL_INVITELIST, |line| line.param(shown));
        }
        self.numeric(caller.id, numeric::RPL_ENDOFINVITELIST, |line| line.trailing("End of /INVITE list"));
    }
}
