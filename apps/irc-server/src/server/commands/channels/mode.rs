//! `MODE` of channels.

use protocols::irc::{Message, MessageBuilder, numeric};

use crate::server::Server;
use crate::server::apply::channels::MODES_IN_A_LINE;
use crate::server::commands::{Caller, cut, or_star};
use crate::server::event::Event;
use crate::server::ids::ClientId;
use crate::server::modes::{Change, FLAGS, LISTS, STATUSES, to_words};
use crate::server::names::{Key, Name, key, looks_like_channel};

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
            [letters, parameters @ ..] => self.change_modes(caller, &channel_key, letters, parameters),
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

    /// What a new channel begins with, for whoever has made it.
    pub(super) fn tell_new_modes(&mut self, id: ClientId, channel: &Key) {
        let Some(channel) = self.channels.get(channel) else { return };
        let (letters, _) = to_words(&channel.settings(), |_| None);
        let message = MessageBuilder::new("MODE").source(&self.settings.server_name);
        self.send_message(id, message.param(&channel.name).param(letters));
    }

    fn change_modes(&mut self, caller: Caller, channel_key: &Key, letters: &[u8], parameters: &[&[u8]]) {
        let mut parameters = parameters.iter().copied();
        let mut changes: Vec<Change> = Vec::new();
        let mut on = true;
        let mut refused = false;
        for &letter in letters {
            match letter {
                b'+' => on = true,
                b'-' => on = false,
                _ if LISTS.contains(&letter) => match parameters.next().filter(|mask| !mask.is_empty()) {
                    Some(mask) => changes.extend(self.list_change(caller, channel_key, letter, mask, on, &changes)),
                    None => self.tell_list(caller, channel_key, letter),
                },
                _ => match self.plain_change(caller, channel_key, letter, on, &mut parameters) {
                    Some(change) => changes.push(change),
                    None => refused = true,
                },
            }
            if changes.len() >= MODES_IN_A_LINE * 2 {
                break;
            }
        }
        let Some(channel) = self.channels.get(channel_key) else { return };
        let (name, created) = (channel.name.clone(), channel.created);
        let member = channel.members.get(&caller.user);
        if changes.is_empty() {
            let _ = refused;
            return;
        }
        match member.map(crate::server::channel::Member::is_operator) {
            None => return self.not_on_channel(caller, &name),
            Some(false) => return self.not_operator(caller, &name),
            Some(true) => {}
        }
        let Some(by) = self.users.get(&caller.user).map(crate::server::user::User::mask) else { return };
        let stamp = self.stamp();
        self.happen(Event::Modes { channel: name, created, by, changes, stamp });
    }

    fn plain_change<'a>(
        &mut self,
        caller: Caller,
        channel_key: &Key,
        letter: u8,
        on: bool,
        parameters: &mut impl Iterator<Item = &'a [u8]>,
    ) -> Option<Change> {
        let id = caller.id;
        match letter {
            b'k' => {
                let given = parameters.next();
                if !on {
                    return Some(Change::Key(None));
                }
                let longest = self.settings.limits.key_length;
                let harmless = |key: &&[u8]| {
                    !key.is_empty()
                        && key.len() <= longest
                        && !key.contains(&b' ')
                        && !key.contains(&b',')
                        && key[0] != b':'
                };
                let key = given.filter(harmless);
                if key.is_none() {
                    let name = self.channels.get(channel_key).map(|channel| channel.name.clone()).unwrap_or_default();
                    match given {
                        Some(_) => self.numeric(id, numeric::ERR_INVALIDKEY, |line| {
                            line.param(name).trailing("Key is not well-formed")
                        }),
                        None => self.need_more(id, "MODE"),
                    }
                }
                key.map(|key| Change::Key(Some(key.into())))
            }
            b'l' if !on => Some(Change::Limit(None)),
            b'l' => {
                let given = parameters.next();
                let limit = given.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u32>().ok());
                let limit = limit.filter(|&limit| limit > 0);
                if limit.is_none() {
                    match given {
                        Some(text) => {
                            let name =
                                self.channels.get(channel_key).map(|channel| channel.name.clone()).unwrap_or_default();
                            self.numeric(id, numeric::ERR_INVALIDMODEPARAM, |line| {
                                line.param(name).param("l").param(or_star(text)).trailing("A limit is a number")
                            });
                        }
                        None => self.need_more(id, "MODE"),
                    }
                }
                limit.map(|limit| Change::Limit(Some(limit)))
            }
            _ if FLAGS.contains(&letter) => Some(Change::Flag(letter, on)),
            _ if STATUSES.iter().any(|&(status, _)| status == letter) => {
                let Some(nick) = parameters.next() else {
                    self.need_more(id, "MODE");
                    return None;
                };
                let Some(&user) = self.nicks.get(&key(nick)) else {
                    self.no_such_nick(id, nick);
                    return None;
                };
                let channel = self.channels.get(channel_key)?;
                if channel.members.contains_key(&user) {
                    return Some(Change::Status(letter, user, on));
                }
                let name = channel.name.clone();
                self.numeric(id, numeric::ERR_USERNOTINCHANNEL, |line| {
                    line.param(nick).param(name).trailing("They aren't on that channel")
                });
                None
            }
            _ => {
                self.numeric(id, numeric::ERR_UNKNOWNMODE, |line| {
                    line.param([letter]).trailing("is not a recognised channel mode")
                });
                None
            }
        }
    }

    fn list_change(
        &mut self,
        caller: Caller,
        channel_key: &Key,
        letter: u8,
        mask: &[u8],
        on: bool,
        so_far: &[Change],
    ) -> Option<Change> {
        let mask = whole_mask(mask);
        let channel = self.channels.get(channel_key)?;
        let known =
            channel.list(letter).find(|(known, _)| known.eq_ignore_ascii_case(&mask)).map(|(known, _)| known.clone());
        let more = so_far.iter().filter(|change| matches!(change, Change::List(_, _, true))).count();
        match (on, known) {
            (true, Some(_)) | (false, None) => None,
            (false, Some(known)) => Some(Change::List(letter, known, false)),
            (true, None) if channel.list_entries() + more >= self.settings.limits.list_entries => {
                let name = channel.name.clone();
                self.numeric(caller.id, numeric::ERR_BANLISTFULL, |line| {
                    line.param(name).param([letter]).trailing("Channel list is full")
                });
                None
            }
            (true, None) => Some(Change::List(letter, mask, true)),
        }
    }

    /// Anybody may see the bans; the other lists are for operators.
    fn tell_list(&mut self, caller: Caller, channel_key: &Key, letter: u8) {
        let Some(channel) = self.channels.get(channel_key) else { return };
        let name = channel.name.clone();
        let (entry, end, title) = match letter {
            b'e' => (numeric::RPL_EXCEPTLIST, numeric::RPL_ENDOFEXCEPTLIST, "End of channel exception list"),
            b'I' => (numeric::RPL_INVEXLIST, numeric::RPL_ENDOFINVEXLIST, "End of channel invite exception list"),
            _ => (numeric::RPL_BANLIST, numeric::RPL_ENDOFBANLIST, "End of channel ban list"),
        };
        let member = channel.members.get(&caller.user);
        let may = match letter {
            b'b' => member.is_some() || !channel.is(b's'),
            _ => member.is_some_and(crate::server::channel::Member::is_operator),
        };
        if !may {
            return self.not_operator(caller, &name);
        }
        let entries: Vec<_> = channel.list(letter).map(|(mask, setter)| (mask.clone(), setter.clone())).collect();
        for (mask, setter) in entries {
            self.numeric(caller.id, entry, |line| {
                line.param(&name).param(mask).param(setter.by).param(setter.at.seconds().to_string())
            });
        }
        self.numeric(caller.id, end, |line| line.param(&name).trailing(title));
    }
}

/// The most bytes of an entry of a list.
const LONGEST_MASK: usize = 200;

/// A mask with all its parts: `alice` means `alice!*@*`, and `*.example.org` any user there.
fn whole_mask(mask: &[u8]) -> Name {
    let mask: Vec<u8> = mask.iter().copied().filter(|&byte| byte != b' ' && byte != b':').collect();
    let mask = cut(&mask, LONGEST_MASK);
    let (has_user, has_host) = (mask.contains(&b'!'), mask.contains(&b'@'));
    match (has_user, has_host) {
        (true, true) => mask,
        (true, false) => [&*mask, b"@*"].concat().into(),
        (false, true) => [b"*!", &*mask].concat().into(),
        (false, false) if mask.contains(&b'.') || mask.contains(&b':') => [b"*!*@", &*mask].concat().into(),
        (false, false) => [&*mask, b"!*@*"].concat().into(),
    }
}
