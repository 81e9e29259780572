//! What operators of the network may do.

use protocols::irc::{Message, numeric};

use crate::server::commands::{Caller, cut, or_star};
use crate::server::effect::Effect;
use crate::server::event::{Event, Plea};
use crate::server::request::Request;
use crate::server::tables::client::Waiting;
use crate::server::tables::user::UserModes;
use crate::server::values::ban_mask::normal_form;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::names::{Name, key};
use crate::server::values::timestamp::Timestamp;
use crate::server::{Server, ServerBan};
use crate::settings::Privilege;

impl Server {
    pub(super) fn oper(&mut self, caller: Caller, message: &Message<'_>) {
        let [name, password, ..] = message.params() else { return self.need_more(caller.id, "OPER") };
        let request = Request::Oper { name: (*name).into(), password: password.to_vec() };
        self.ask(caller.id, Waiting::Oper((*name).into()), request);
    }

    pub(super) fn oper_checked(&mut self, id: ClientId, _name: &Name, privileges: Option<Vec<Privilege>>) {
        let Some(privileges) = privileges else {
            self.numeric(id, numeric::ERR_PASSWDMISMATCH, |line| line.trailing("Password incorrect"));
            return;
        };
        let Some(client) = self.client_mut(id) else { return };
        client.privileges = privileges;
        let Some(user) = client.user else { return };
        let Some(mut modes) = self.users.get(&user).map(|user| user.about.modes) else { return };
        modes.set(UserModes::OPERATOR, true);
        modes.set(UserModes::WALLOPS, true);
        self.set_user_modes(user, modes);
        self.numeric(id, numeric::RPL_YOUREOPER, |line| line.trailing("You are now an IRC operator"));
    }

    /// Whether this is an operator; else says that they are not.
    fn is_operator(&mut self, caller: Caller) -> bool {
        let is_operator = self.client(caller.id).is_some_and(|client| !client.privileges.is_empty());
        if !is_operator {
            self.numeric(caller.id, numeric::ERR_NOPRIVILEGES, |line| {
                line.trailing("Permission Denied- You're not an IRC operator")
            });
        }
        is_operator
    }

    /// Whether an operator may do this; else says that they may not.
    fn allowed(&mut self, caller: Caller, privilege: Privilege) -> bool {
        if !self.is_operator(caller) {
            return false;
        }
        let may = self.client(caller.id).is_some_and(|client| client.may(privilege));
        if !may {
            self.numeric(caller.id, numeric::ERR_NOPRIVS, |line| {
                line.param(privilege.name()).trailing("Insufficient oper privileges")
            });
        }
        may
    }

    pub(super) fn kill_command(&mut self, caller: Caller, message: &Message<'_>) {
        if !self.allowed(caller, Privilege::Kill) {
            return;
        }
        let [nick, rest @ ..] = message.params() else { return self.need_more(caller.id, "KILL") };
        let Some(&user) = self.nicks.get(&key(nick)) else { return self.no_such_nick(caller.id, nick) };
        let Some(by) = self.users.get(&caller.user).map(crate::server::tables::user::User::mask) else { return };
        let reason = cut(rest.first().unwrap_or(&&b"No reason"[..]), self.settings.limits.kick_length);
        self.have_killed(user, by, reason);
    }

    /// Disconnects a user of whatever node.
    pub(super) fn have_killed(&mut self, user: Uid, by: Name, reason: Name) {
        if user.node == self.node {
            self.kill(user, &by, &reason);
        } else {
            self.happen(Event::Please { user, plea: Plea::Kill { by, reason } });
        }
    }

    /// `CHGHOST nick host`.
    pub(super) fn chghost(&mut self, caller: Caller, message: &Message<'_>) {
        if !self.allowed(caller, Privilege::Host) {
            return;
        }
        let [nick, host, ..] = message.params() else { return self.need_more(caller.id, "CHGHOST") };
        let Some(&user) = self.nicks.get(&key(nick)) else { return self.no_such_nick(caller.id, nick) };
        if !is_shown_host(host) {
            return self.notice(caller.id, "A host has letters, digits, dots, hyphens and slashes, 63 at most");
        }
        let host: Name = (*host).into();
        if user.node == self.node {
            self.show_host(user, host);
        } else {
            self.happen(Event::Please { user, plea: Plea::Host { host } });
        }
    }

    /// Shows another host of a user of this node, and tells them.
    pub(in crate::server) fn show_host(&mut self, user: Uid, host: Name) {
        let Some(known) = self.users.get(&user) else { return };
        let (ident, client) = (known.about.ident.clone(), known.client);
        self.happen(Event::Host { user, ident, host: host.clone() });
        if let Some(client) = client {
            self.numeric(client, numeric::RPL_VISIBLEHOST, |line| {
                line.param(host).trailing("is now your visible host")
            });
        }
    }

    /// `KLINE [MINUTES] USER@HOST [:REASON]`.
    pub(super) fn kline(&mut self, caller: Caller, message: &Message<'_>) {
        if !self.allowed(caller, Privilege::Ban) {
            return;
        }
        let (minutes, mask, rest) = match message.params() {
            [mask, rest @ ..] if mask.contains(&b'@') => (None, mask, rest),
            [minutes, mask, rest @ ..] => (Some(minutes), mask, rest),
            [mask] => (None, mask, &[][..]),
            [] => return self.need_more(caller.id, "KLINE"),
        };
        let until = match minutes.map(|text| whole_minutes(text)) {
            None => None,
            Some(Some(minutes)) => Some(Timestamp(self.now.0.saturating_add(minutes * 60_000))),
            Some(None) => {
                let of_minutes = format!("where MINUTES is a whole number from 1 to {MOST_MINUTES}");
                return self.notice(caller.id, format!("Usage: KLINE [MINUTES] USER@HOST [:REASON], {of_minutes}"));
            }
        };
        let mask = match normal_form(mask) {
            Ok(mask) => mask,
            Err(sentence) => return self.notice(caller.id, sentence),
        };
        let is_new = !self.bans.iter().any(|ban| ban.mask == mask);
        if is_new && self.bans.len() >= MOST_BANS {
            let text = format!("There are {MOST_BANS} bans already, the most there may be: lift some with UNKLINE");
            return self.notice(caller.id, text);
        }
        let reason = cut(rest.first().unwrap_or(&&b"No reason"[..]), self.settings.limits.kick_length);
        let Some(by) = self.users.get(&caller.user).map(crate::server::tables::user::User::mask) else { return };
        let ban = ServerBan { mask, reason, by, at: self.now, until };
        self.replace_ban(ban.clone());
        self.effects.push(Effect::Ban(Box::new(ban.clone())));
        self.notice(caller.id, [b"Banned: ", &*ban.mask].concat());
        self.let_go_those_banned_by(&ban);
    }

    pub(super) fn unkline(&mut self, caller: Caller, message: &Message<'_>) {
        if !self.allowed(caller, Privilege::Ban) {
            return;
        }
        let [mask, ..] = message.params() else { return self.need_more(caller.id, "UNKLINE") };
        // A mask that was stored before there was one form is found as it is written.
        let (as_written, normal) = (key(mask), normal_form(mask).ok());
        let is_wanted = |mask: &Name| key(mask) == as_written || Some(mask) == normal.as_ref();
        let lifted: Vec<_> = self.bans.iter().map(|ban| ban.mask.clone()).filter(is_wanted).collect();
        if lifted.is_empty() {
            return self.notice(caller.id, [b"There is no such ban: ", *mask].concat());
        }
        for mask in lifted {
            self.lift_ban(&mask);
            self.notice(caller.id, [b"No longer banned: ", &*mask].concat());
            self.effects.push(Effect::Unban(mask));
        }
    }

    /// `STATS k`: who is banned, by whom, and until when.
    pub(super) fn stats_of_bans(&mut self, caller: Caller) {
        if !self.is_operator(caller) {
            return;
        }
        let now = self.now;
        for ban in self.bans.clone().into_iter().filter(|ban| !ban.has_ended(now)) {
            let at = ban.mask.iter().position(|&byte| byte == b'@');
            let (user, host) = at.map_or((&b"*"[..], &*ban.mask), |at| (&ban.mask[..at], &ban.mask[at + 1..]));
            // No parameter but the last begins with a colon.
            let host = if host.starts_with(b":") { [b"0", host].concat() } else { host.to_vec() };
            let letter = if ban.until.is_some() { "k" } else { "K" };
            let until = ban.until.map_or_else(|| "for ever".into(), |until| format!("until {}", until.to_words()));
            let text = [&*ban.reason, b" (by ", &*ban.by, b", ", until.as_bytes(), b")"].concat();
            self.numeric(caller.id, numeric::RPL_STATSKLINE, |line| {
                line.param(letter).param(or_star(&host)).param("*").param(or_star(user)).trailing(text)
            });
        }
    }

    pub(super) fn rehash(&mut self, caller: Caller) {
        if self.allowed(caller, Privilege::Rehash) {
            self.effects.push(Effect::Reload);
            self.numeric(caller.id, numeric::RPL_REHASHING, |line| line.param("settings").trailing("Rehashing"));
        }
    }

    pub(super) fn wallops(&mut self, caller: Caller, message: &Message<'_>) {
        if !self.allowed(caller, Privilege::Wallops) {
            return;
        }
        let [text, ..] = message.params() else { return self.need_more(caller.id, "WALLOPS") };
        let text = (*text).into();
        self.happen(Event::Wallops { user: caller.user, text });
    }
}

/// The most bans that operators may set: each that connects is matched with all of them.
const MOST_BANS: usize = 1_000;

/// Ten years.
const MOST_MINUTES: u64 = 5_256_000;

fn whole_minutes(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|minutes| (1..=MOST_MINUTES).contains(minutes))
}

fn is_shown_host(host: &[u8]) -> bool {
    let is_part = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'/');
    !host.is_empty() && host.len() <= 63 && host.iter().all(is_part)
}
