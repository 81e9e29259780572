//! `NICK`, `USER`, `PASS`, `PING` and `QUIT`.

use std::net::IpAddr;

use protocols::irc::{Message, MessageBuilder, numeric};

use crate::server::Server;
use crate::server::event::{Event, Introduction};
use crate::server::request::Request;
use crate::server::tables::client::Waiting;
use crate::server::tables::user::UserModes;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::names::{Name, is_nick, key};
use crate::settings::Cloak;

use super::super::{cut, or_star};

impl Server {
    pub(in crate::server::commands) fn nick(&mut self, id: ClientId, message: &Message<'_>) {
        let Some(nick) = message.param(0).filter(|nick| !nick.is_empty()) else {
            self.numeric(id, numeric::ERR_NONICKNAMEGIVEN, |line| line.trailing("No nickname given"));
            return;
        };
        if !is_nick(nick, self.settings.limits.nick_length) {
            self.numeric(id, numeric::ERR_ERRONEUSNICKNAME, |line| {
                line.param(or_star(nick)).trailing("Erroneous nickname")
            });
            return;
        }
        let Some(client) = self.client(id) else { return };
        let (user, account) = (client.user, client.account.clone());
        let new = key(nick);
        let taken = self.nicks.get(&new).is_some_and(|&other| Some(other) != user);
        let reserved = self.settings.accounts.reserve_nicks
            && self.accounts.contains(&new)
            && account.is_none_or(|account| key(&account) != new);
        if taken || &*new == b"nickserv" {
            self.numeric(id, numeric::ERR_NICKNAMEINUSE, |line| {
                line.param(nick).trailing("Nickname is already in use")
            });
            return;
        }
        // Before registration the client may still log in: it is asked then.
        if reserved && user.is_some() {
            return self.refuse_reserved(id, nick);
        }
        match user {
            Some(user) => {
                let Some((old, held_since)) =
                    self.users.get(&user).map(|user| (user.about.nick.clone(), user.about.since))
                else {
                    return;
                };
                if *old != *nick {
                    // Written otherwise, it is the same nick.
                    let since = if key(&old) == new { held_since } else { self.stamp().at };
                    self.happen(Event::Nick { user, nick: nick.into(), since });
                }
            }
            None => {
                if let Some(client) = self.client_mut(id) {
                    client.nick = Some(nick.into());
                }
                self.try_to_register(id);
            }
        }
    }

    fn refuse_reserved(&mut self, id: ClientId, nick: &[u8]) {
        self.numeric(id, numeric::ERR_NICKNAMEINUSE, |line| {
            line.param(nick).trailing("Nickname is reserved: log in to the account of this name first")
        });
    }

    pub(in crate::server::commands) fn user(&mut self, id: ClientId, message: &Message<'_>) {
        let limits = &self.settings.limits;
        let (most_user, most_realname) = (limits.user_length, limits.realname_length);
        let Some(client) = self.client_mut(id) else { return };
        if client.user.is_some() || client.ident.is_some() {
            self.numeric(id, numeric::ERR_ALREADYREGISTERED, |line| line.trailing("You may not register again"));
            return;
        }
        let [ident, _, _, realname, ..] = message.params() else { return self.need_more(id, "USER") };
        if ident.is_empty() || realname.is_empty() {
            return self.need_more(id, "USER");
        }
        let harmless = |&&byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'[' | b']');
        // Nobody has asked the client's machine whether that is true.
        let ident: Vec<u8> = [&b'~'].into_iter().chain(ident.iter().filter(harmless)).copied().collect();
        client.ident = Some(cut(if ident.len() > 1 { &ident } else { b"~user" }, most_user));
        client.realname = Some(cut(realname, most_realname));
        self.try_to_register(id);
    }

    pub(in crate::server::commands) fn pass(&mut self, id: ClientId, message: &Message<'_>) {
        let Some(client) = self.client(id) else { return };
        if client.user.is_some() {
            self.numeric(id, numeric::ERR_ALREADYREGISTERED, |line| line.trailing("You may not register again"));
            return;
        }
        let Some(password) = message.param(0).filter(|password| !password.is_empty()) else {
            return self.need_more(id, "PASS");
        };
        if self.settings.password.is_some() {
            self.ask(id, Waiting::ServerPassword, Request::ServerPassword(password.to_vec()));
        }
    }

    pub(in crate::server::commands) fn password_checked(&mut self, id: ClientId, right: bool) {
        if right {
            if let Some(client) = self.client_mut(id) {
                client.password_shown = true;
            }
            self.try_to_register(id);
        } else {
            self.refuse_password(id);
        }
    }

    fn refuse_password(&mut self, id: ClientId) {
        self.numeric(id, numeric::ERR_PASSWDMISMATCH, |line| line.trailing("Password incorrect"));
        self.close(id, b"Password incorrect");
    }

    pub(in crate::server::commands) fn ping(&mut self, id: ClientId, message: &Message<'_>) {
        let Some(token) = message.param(0) else { return self.need_more(id, "PING") };
        if token.is_empty() {
            self.numeric(id, numeric::ERR_NOORIGIN, |line| line.trailing("No origin specified"));
            return;
        }
        let server = &self.settings.server_name;
        let pong = MessageBuilder::new("PONG").source(server).param(server).trailing(token);
        self.send_message(id, pong);
    }

    pub(in crate::server) fn ask_for_a_sign_of_life(&mut self, id: ClientId) {
        let now = self.now;
        if let Some(client) = self.client_mut(id) {
            client.pinged = Some(now);
        }
        self.send_message(id, MessageBuilder::new("PING").param(&self.settings.server_name));
    }

    pub(in crate::server::commands) fn quit_command(&mut self, id: ClientId, message: &Message<'_>) {
        let reason = message.param(0).unwrap_or_default();
        let reason = [b"Quit: ", &*cut(reason, self.settings.limits.kick_length)].concat();
        self.close(id, &reason);
    }

    /// Makes a client a user once it has told all that is needed, and may be one.
    pub(in crate::server::commands) fn try_to_register(&mut self, id: ClientId) {
        let Some(client) = self.client(id) else { return };
        let (Some(nick), Some(ident), Some(realname)) = (&client.nick, &client.ident, &client.realname) else { return };
        if client.negotiating || client.user.is_some() || client.closing || client.waiting.is_some() {
            return;
        }
        let (nick, ident, realname) = (nick.clone(), ident.clone(), realname.clone());
        let (account, secure, address) = (client.account.clone(), client.peer.secure, client.peer.address);
        let seen = client.peer.host();
        if self.settings.password.is_some() && !client.password_shown {
            return self.refuse_password(id);
        }
        if self.settings.accounts.required && account.is_none() {
            self.fail(id, "*", "ACCOUNT_REQUIRED", &[], "You must be logged in to an account by SASL");
            return self.close(id, b"You must be logged in to an account by SASL");
        }
        let own = account.as_ref().is_some_and(|account| key(account) == key(&nick));
        let reserved = self.settings.accounts.reserve_nicks && self.accounts.contains(&key(&nick)) && !own;
        // Somebody may have been faster.
        if reserved || self.nicks.contains_key(&key(&nick)) {
            if reserved {
                self.refuse_reserved(id, &nick);
            } else {
                self.numeric(id, numeric::ERR_NICKNAMEINUSE, |line| {
                    line.param(&nick).trailing("Nickname is already in use")
                });
            }
            if let Some(client) = self.client_mut(id) {
                client.nick = None;
            }
            return;
        }
        if let Some(reason) = self.banned(Some(&ident), seen.as_bytes()) {
            return self.let_banned_go(id, &reason);
        }
        let host = match address {
            Some(address) if self.settings.cloaks.enabled => self.cloak(address),
            // A colon in front would end the line.
            _ if seen.starts_with(':') => format!("0{seen}"),
            _ => seen,
        };
        let user = Uid { node: self.node, number: self.next_number() };
        let mut modes = UserModes::default();
        modes.set(UserModes::SECURE, secure);
        if let Some(client) = self.client_mut(id) {
            client.user = Some(user);
        }
        let since = self.stamp().at;
        let (host, server) = (host.into_bytes().into(), self.settings.server_name.as_bytes().into());
        let (away, connected) = (None, self.now);
        self.happen(Event::Connected(Box::new(Introduction {
            user,
            nick,
            since,
            ident,
            host,
            realname,
            account,
            away,
            modes,
            connected,
            secure,
            server,
        })));
        self.welcome(id);
    }

    /// What others see of an address.
    fn cloak(&self, address: IpAddr) -> String {
        let settings = &self.settings.cloaks;
        let key = settings.key.clone().unwrap_or_default().into_bytes();
        Cloak::new(key, &*settings.suffix).host(address)
    }

    /// Disconnects a client that a ban applies to.
    pub(in crate::server) fn let_banned_go(&mut self, id: ClientId, reason: &Name) {
        self.numeric(id, numeric::ERR_YOUREBANNEDCREEP, |line| line.trailing(reason));
        self.close(id, &[b"You are banned: ", &**reason].concat());
    }

    /// Why somebody may not connect, if so. Without a user name, those are not found that need one.
    pub(in crate::server) fn banned(&self, ident: Option<&[u8]>, host: &[u8]) -> Option<Name> {
        let mut bans = self.bans.iter().filter(|ban| !ban.has_ended(self.now));
        bans.find(|ban| ban.applies(ident, host)).map(|ban| ban.reason.clone())
    }
}
