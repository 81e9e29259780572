//! `JOIN` and `PART`.

use protocols::irc::{CaseMapping, Message, mask_matches, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, cut, entries, or_star};
use crate::server::event::Event;
use crate::server::output::capabilities::Caps;
use crate::server::tables::channel::Channel;
use crate::server::tables::user::User;
use crate::server::values::names::{Name, is_channel, key};

impl Server {
    pub(in crate::server::commands) fn join(&mut self, caller: Caller, message: &Message<'_>) {
        let Some(channels) = message.param(0).filter(|channels| !channels.is_empty()) else {
            return self.need_more(caller.id, "JOIN");
        };
        if channels == b"0" {
            return self.part_all(caller);
        }
        let mut keys = message.param(1).unwrap_or_default().split(|&byte| byte == b',');
        for channel in entries(channels) {
            self.join_one(caller, channel, keys.next().unwrap_or_default());
        }
    }

    fn join_one(&mut self, caller: Caller, name: &[u8], password: &[u8]) {
        let (id, user) = (caller.id, caller.user);
        let channel_key = key(name);
        if !is_channel(name, self.settings.limits.channel_length) {
            return self.no_such_channel(id, name);
        }
        let Some(known) = self.users.get(&user) else { return };
        if known.channels.contains(&channel_key) {
            return;
        }
        if known.channels.len() >= self.settings.limits.channels_per_client {
            self.numeric(id, numeric::ERR_TOOMANYCHANNELS, |line| {
                line.param(name).trailing("You have joined too many channels")
            });
            return;
        }
        let refusal = match self.channels.get(&channel_key) {
            Some(channel) => refusal(channel, known, password),
            None if self.channels.len() >= self.settings.limits.channels => {
                Some((numeric::ERR_UNAVAILRESOURCE, "There are too many channels"))
            }
            None => None,
        };
        if let Some((numeric, text)) = refusal {
            self.numeric(id, numeric, |line| line.param(name).trailing(text));
            return;
        }
        let stamp = self.stamp();
        let (shown, created, operator): (Name, _, _) = match self.channels.get(&channel_key) {
            Some(channel) => (channel.name.clone(), channel.created, false),
            None => (name.into(), stamp.at, true),
        };
        self.happen(Event::Join { user, channel: shown.clone(), created, stamp, operator });
        if operator {
            self.tell_new_modes(id, &channel_key);
        }
        let Some(topic) = self.channels.get(&channel_key).map(|channel| channel.topic.get().clone()) else { return };
        if !topic.text.is_empty() {
            self.tell_topic(id, &shown, &topic);
        }
        if self.client(id).is_some_and(|client| !client.caps.has(Caps::NO_IMPLICIT_NAMES)) {
            self.tell_names(caller, &shown);
        }
    }

    fn part_all(&mut self, caller: Caller) {
        let channels = self.users.get(&caller.user).map(|user| user.channels.clone()).unwrap_or_default();
        for channel in channels {
            let Some(channel) = self.channels.get(&channel).map(|channel| channel.name.clone()) else { continue };
            self.happen(Event::Part { user: caller.user, channel, reason: None });
        }
    }

    pub(in crate::server::commands) fn part(&mut self, caller: Caller, message: &Message<'_>) {
        let Some(channels) = message.param(0).filter(|channels| !channels.is_empty()) else {
            return self.need_more(caller.id, "PART");
        };
        let longest = self.settings.limits.kick_length;
        let reason = message.param(1).filter(|reason| !reason.is_empty()).map(|reason| cut(reason, longest));
        for name in entries(channels) {
            let Some(channel) = self.channels.get(&key(name)) else {
                self.no_such_channel(caller.id, name);
                continue;
            };
            if channel.members.contains_key(&caller.user) {
                let channel = channel.name.clone();
                self.happen(Event::Part { user: caller.user, channel, reason: reason.clone() });
            } else {
                self.not_on_channel(caller, name);
            }
        }
    }

    pub(in crate::server::commands) fn not_on_channel(&mut self, caller: Caller, channel: &[u8]) {
        self.numeric(caller.id, numeric::ERR_NOTONCHANNEL, |line| {
            line.param(or_star(channel)).trailing("You're not on that channel")
        });
    }
}

/// Why somebody may not join.
fn refusal(channel: &Channel, user: &User, password: &[u8]) -> Option<(&'static str, &'static str)> {
    let invited = user.invited.contains(&key(&channel.name));
    if channel.is(b'i') && !invited && !is_listed(channel, user, b'I') {
        return Some((numeric::ERR_INVITEONLYCHAN, "Cannot join channel (+i)"));
    }
    if is_banned(channel, user) && !invited {
        return Some((numeric::ERR_BANNEDFROMCHAN, "Cannot join channel (+b)"));
    }
    if channel.key.get().as_ref().is_some_and(|key| **key != *password) {
        return Some((numeric::ERR_BADCHANNELKEY, "Cannot join channel (+k)"));
    }
    if channel.limit.get().is_some_and(|limit| channel.members.len() >= limit as usize) && !invited {
        return Some((numeric::ERR_CHANNELISFULL, "Cannot join channel (+l)"));
    }
    if channel.is(b'R') && user.about.account.is_none() && !invited {
        return Some((numeric::ERR_NEEDREGGEDNICK, "Cannot join channel (+R): log in to an account first"));
    }
    None
}

/// Whether a ban applies, and no exception.
pub(in crate::server::commands) fn is_banned(channel: &Channel, user: &User) -> bool {
    is_listed(channel, user, b'b') && !is_listed(channel, user, b'e')
}

fn is_listed(channel: &Channel, user: &User, letter: u8) -> bool {
    let mask = user.mask();
    channel.list(letter).any(|(listed, _)| mask_matches(listed, &mask, CaseMapping::Ascii))
}
