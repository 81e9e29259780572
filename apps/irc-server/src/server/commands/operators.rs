//! What operators of the network may do.

use protocols::irc::{Message, numeric};

use crate::server::commands::{Caller, cut};
use crate::server::effect::Effect;
use crate::server::event::{Event, Plea};
use crate::server::request::Request;
use crate::server::tables::client::Waiting;
use crate::server::tables::user::UserModes;
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

    /// Whether an operator may do this; else says that they may not.
    fn allowed(&mut self, caller: Caller, privilege: Privilege) -> bool {
        let client = self.client(caller.id);
        let (is_operator, may) =
            client.map_or((false, false), |client| (!client.privileges.is_empty(), client.may(privilege)));
        if !is_operator {
            self.numeric(caller.id, numeric::ERR_NOPRIVILEGES, |line| {
                line.trailing("Permission Denied- You're not an IRC operator")
            });
        } else if !may {
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

    /// `KLINE [minutes] user@host :reason`.
    pub(super) fn kline(&mut self, caller: Caller, message: &Message<'_>) {
        if !self.allowed(caller, Privilege::Ban) {
            return;
        }
        let minutes = message.param(0).and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
        let rest = &message.params()[usize::from(minutes.is_some())..];
        let [mask, rest @ ..] = rest else { return self.need_more(caller.id, "KLINE") };
        let reason = cut(rest.first().unwrap_or(&&b"No reason"[..]), self.settings.limits.kick_length);
        if mask.iter().all(|byte| matches!(byte, b'*' | b'?' | b'@' | b'.')) {
            return self.notice(caller.id, "That would keep everybody out");
        }
        let Some(by) = self.users.get(&caller.user).map(crate::server::tables::user::User::mask) else { return };
        let until = minutes.map(|minutes| Timestamp(self.now.0.saturating_add(minutes.saturating_mul(60_000))));
        let ban = ServerBan { mask: (*mask).into(), reason, by, at: self.now, until };
        self.replace_ban(ban.clone());
        self.effects.push(Effect::Ban(Box::new(ban)));
        self.notice(caller.id, [b"Banned: ", *mask].concat());
        self.let_all_banned_go();
    }

    pub(super) fn unkline(&mut self, caller: Caller, message: &Message<'_>) {
        if !self.allowed(caller, Privilege::Ban) {
            return;
        }
        let [mask, ..] = message.params() else { return self.need_more(caller.id, "UNKLINE") };
        if self.lift_ban(mask) {
            self.effects.push(Effect::Unban((*mask).into()));
            self.notice(caller.id, [b"No longer banned: ", *mask].concat());
        } else {
            self.notice(caller.id, [b"There is no such ban: ", *mask].concat());
        }
    }

    /// Disconnects those that a ban applies to.
    pub(in crate::server) fn let_all_banned_go(&mut self) {
        let mut banned = Vec::new();
        for (_, client) in &self.clients {
            if let Some(reason) = self.banned(client.ident.as_deref(), client.peer.host().as_bytes()) {
                banned.push((client.id, reason));
            }
        }
        for (id, reason) in banned {
            self.let_banned_go(id, &reason);
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

fn is_shown_host(host: &[u8]) -> bool {
    let is_part = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'/');
    !host.is_empty() && host.len() <= 63 && host.iter().all(is_part)
}
