//! `MODE` of channels.

use protocols::irc::{Message, MessageBuilder, ModeChange, ModeChanges, ModeKind, ModeKinds, numeric};

use crate::server::Server;
use crate::server::apply::channels::MODES_IN_A_LINE;
use crate::server::commands::{Caller, or_star};
use crate::server::event::Event;
use crate::server::tables::channel::Member;
use crate::server::tables::user::User;
use crate::server::values::ids::ClientId;
use crate::server::values::modes::{Change, FLAGS, LISTS, STATUSES, to_words};
use crate::server::values::names::{Key, key, looks_like_channel};

impl Server {
    pub(in crate::server::commands) fn mode(&mut self, caller: Caller, message: &Message<'_>) {
        let [target, rest @ ..] = message.params() else { return self.need_more(caller.id, "MODE") };
        if !looks_like_channel(target) {
            return self.user_mode(caller, target, rest);
        }
        let channel_key = key(target);
        if !self.channels.contains_key(&channel_key) {
            return self.no_such_channel(caller.id, target);
        }
        match rest {
            [] => self.tell_modes_of(caller, &channel_key),
            parameters => self.change_modes(caller, &channel_key, parameters),
        }
    }

    fn tell_modes_of(&mut self, caller: Caller, channel: &Key) {
        let Some(channel) = self.channels.get(channel) else { return };
        let inside = channel.members.contains_key(&caller.user);
        let (name, created) = (channel.name.clone(), channel.created.seconds().to_string());
        let (letters, parameters) = to_words(&channel.settings(), |_| None);
        let letters = if letters.is_empty() { b"+".to_vec() } else { letters };
        self.numeric(caller.id, numeric::RPL_CHANNELMODEIS, |line| {
            let line = line.param(&name).param(letters);
            // The key is for those who know it.
            parameters.iter().fold(line, |line, parameter| line.param(if inside { &**parameter } else { b"*" }))
        });
        self.numeric(caller.id, numeric::RPL_CREATIONTIME, |line| line.param(&name).param(created));
    }

    /// Tells the maker of a new channel what it begins with.
    pub(super) fn tell_new_modes(&mut self, id: ClientId, channel: &Key) {
        let Some(channel) = self.channels.get(channel) else { return };
        let (letters, _) = to_words(&channel.settings(), |_| None);
        let message = MessageBuilder::new("MODE").source(&self.settings.server_name);
        self.send_message(id, message.param(&channel.name).param(letters));
    }

    fn change_modes(&mut self, caller: Caller, channel_key: &Key, parameters: &[&[u8]]) {
        let kinds = channel_mode_kinds();
        let mut changes: Vec<Change> = Vec::new();
        for change in ModeChanges::parse(parameters, &kinds) {
            if let Some(change) = self.check(caller, channel_key, &change, &changes) {
                changes.retain(|earlier| !earlier.sets_the_same(&change));
                changes.push(change);
            }
            if changes.len() >= MOST_CHANGES {
                break;
            }
        }
        let Some(channel) = self.channels.get(channel_key).filter(|_| !changes.is_empty()) else { return };
        let (name, created) = (channel.name.clone(), channel.created);
        match channel.members.get(&caller.user).map(Member::is_operator) {
            None => return self.not_on_channel(caller, &name),
            Some(false) => return self.not_operator(caller, &name),
            Some(true) => {}
        }
        let Some(by) = self.users.get(&caller.user).map(User::mask) else { return };
        let stamp = self.stamp();
        self.happen(Event::Modes { channel: name, created, by, changes, stamp });
    }

    /// What a change is here; or tells what is wrong with it. A list without a mask is a question, and answered.
    fn check(&mut self, caller: Caller, channel: &Key, change: &ModeChange<'_>, so_far: &[Change]) -> Option<Change> {
        let (letter, on) = (change.mode, change.is_set);
        match (change.kind, change.param) {
            (None, _) => {
                self.numeric(caller.id, numeric::ERR_UNKNOWNMODE, |line| {
                    line.param(or_star(&[letter])).trailing("is not a recognised channel mode")
                });
                None
            }
            (Some(ModeKind::List), Some(mask)) if !mask.is_empty() => {
                self.list_change(caller, channel, letter, mask, on, so_far)
            }
            (Some(ModeKind::List), _) => {
                self.tell_list(caller, channel, letter);
                None
            }
            (Some(ModeKind::Flag), _) => Some(Change::Flag(letter, on)),
            // Those who may take it off need not know it.
            (Some(ModeKind::Parameter), _) if !on => Some(Change::Key(None)),
            (Some(ModeKind::ParameterWhenSet), _) if !on => Some(Change::Limit(None)),
            (_, None) => {
                self.need_more(caller.id, "MODE");
                None
            }
            (Some(ModeKind::Parameter), Some(key)) => self.key_change(caller, channel, key),
            (Some(ModeKind::ParameterWhenSet), Some(limit)) => self.limit_change(caller, channel, limit),
            (Some(_), Some(nick)) => self.status_change(caller, channel, letter, nick, on),
        }
    }

    fn key_change(&mut self, caller: Caller, channel: &Key, key: &[u8]) -> Option<Change> {
        let harmless = !key.is_empty()
            && key.len() <= self.settings.limits.key_length
            && key[0] != b':'
            && !key.iter().any(|byte| matches!(byte, b' ' | b','));
        if !harmless {
            let name = self.channels.get(channel)?.name.clone();
            self.numeric(caller.id, numeric::ERR_INVALIDKEY, |line| {
                line.param(name).trailing("Key is not well-formed")
            });
        }
        harmless.then(|| Change::Key(Some(key.into())))
    }

    fn limit_change(&mut self, caller: Caller, channel: &Key, text: &[u8]) -> Option<Change> {
        let limit = str::from_utf8(text).ok().and_then(|text| text.parse::<u32>().ok()).filter(|&limit| limit > 0);
        if limit.is_none() {
            let name = self.channels.get(channel)?.name.clone();
            self.numeric(caller.id, numeric::ERR_INVALIDMODEPARAM, |line| {
                line.param(name).param("l").param(or_star(text)).trailing("A limit is a number")
            });
        }
        limit.map(|limit| Change::Limit(Some(limit)))
    }

    fn status_change(&mut self, caller: Caller, channel: &Key, letter: u8, nick: &[u8], on: bool) -> Option<Change> {
        let Some(&user) = self.nicks.get(&key(nick)) else {
            self.no_such_nick(caller.id, nick);
            return None;
        };
        let channel = self.channels.get(channel)?;
        if channel.members.contains_key(&user) {
            return Some(Change::Status(letter, user, on));
        }
        let name = channel.name.clone();
        self.numeric(caller.id, numeric::ERR_USERNOTINCHANNEL, |line| {
            line.param(or_star(nick)).param(name).trailing("They aren't on that channel")
        });
        None
    }
}

/// The most changes that one command makes; what is behind them is left out.
const MOST_CHANGES: usize = 2 * MODES_IN_A_LINE;

fn channel_mode_kinds() -> ModeKinds {
    let (letters, prefixes): (Vec<u8>, Vec<u8>) = STATUSES.iter().copied().unzip();
    ModeKinds::parse(&[LISTS, b",k,l,", FLAGS].concat(), &[b"(", &*letters, b")", &*prefixes].concat())
}
