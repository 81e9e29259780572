//! `WHOIS`.

use protocols::irc::{Message, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, lines_of, or_star};
use crate::server::tables::user::UserModes;
use crate::server::values::ids::Uid;
use crate::server::values::names::key;
use crate::settings::Privilege;

/// Room for channels in one line.
const ROOM: usize = 300;

impl Server {
    pub(in crate::server::commands) fn whois(&mut self, caller: Caller, message: &Message<'_>) {
        let nick = match message.params() {
            [] | [b"", ..] => {
                self.numeric(caller.id, numeric::ERR_NONICKNAMEGIVEN, |line| line.trailing("No nickname given"));
                return;
            }
            [nick] => nick,
            [server, nick, ..] => {
                if key(server) != key(nick) && !self.is_for_this_server(caller, Some(server)) {
                    return;
                }
                nick
            }
        };
        let nick = nick.split(|&byte| byte == b',').next().unwrap_or_default();
        match self.nicks.get(&key(nick)) {
            Some(&user) => self.tell_whois(caller, user),
            None => self.no_such_nick(caller.id, nick),
        }
        self.numeric(caller.id, numeric::RPL_ENDOFWHOIS, |line| {
            line.param(or_star(nick)).trailing("End of /WHOIS list")
        });
    }

    fn tell_whois(&mut self, caller: Caller, uid: Uid) {
        let id = caller.id;
        let Some(user) = self.users.get(&uid) else { return };
        let caps = self.client(id).map(|client| client.caps).unwrap_or_default();
        let may_see = self.client(id).is_some_and(|client| client.may(Privilege::See)) || uid == caller.user;
        let (about, active) = (user.about.clone(), user.active);
        let nick = &about.nick;
        let channels = user.channels.iter().filter_map(|name| {
            let channel = self.channels.get(name).filter(|channel| self.sees(caller, channel))?;
            let shared = channel.members.contains_key(&caller.user);
            if user.is(UserModes::INVISIBLE) && !shared && !may_see {
                return None;
            }
            let mut entry = channel.members.get(&uid)?.prefixes(caps);
            entry.extend_from_slice(&channel.name);
            Some(entry)
        });
        let channels = lines_of(channels, b' ', ROOM);
        let client = user.client.and_then(|client| self.client(client));
        let address = client.and_then(|client| client.peer.address).map(|address| address.to_string());
        let fingerprint = client.and_then(|client| client.peer.fingerprint.clone());
        let (is_operator, is_bot, is_secure) =
            (user.is(UserModes::OPERATOR), user.is(UserModes::BOT), user.is(UserModes::SECURE));
        let network = self.settings.network.clone();
        let description = self.settings.description.clone();
        self.numeric(id, numeric::RPL_WHOISUSER, |line| {
            line.param(nick).param(&about.ident).param(&about.host).param("*").trailing(&about.realname)
        });
        for line in channels {
            self.numeric(id, numeric::RPL_WHOISCHANNELS, |reply| reply.param(nick).trailing(line));
        }
        self.numeric(id, numeric::RPL_WHOISSERVER, |line| line.param(nick).param(&about.server).trailing(description));
        if let Some(away) = &about.away {
            self.numeric(id, numeric::RPL_AWAY, |line| line.param(nick).trailing(away));
        }
        if is_operator {
            self.numeric(id, numeric::RPL_WHOISOPERATOR, |line| line.param(nick).trailing("is an IRC operator"));
        }
        if let Some(account) = &about.account {
            self.numeric(id, numeric::RPL_WHOISACCOUNT, |line| {
                line.param(nick).param(account).trailing("is logged in as")
            });
        }
        if is_bot {
            self.numeric(id, numeric::RPL_WHOISBOT, |line| line.param(nick).trailing(format!("is a bot on {network}")));
        }
        if is_secure {
            self.numeric(id, numeric::RPL_WHOISSECURE, |line| {
                line.param(nick).trailing("is using a secure connection")
            });
        }
        if let Some(fingerprint) = fingerprint.filter(|_| may_see) {
            self.numeric(id, numeric::RPL_WHOISCERTFP, |line| {
                line.param(nick).trailing(format!("has client certificate fingerprint {fingerprint}"))
            });
        }
        if let Some(address) = address.filter(|_| may_see) {
            self.numeric(id, numeric::RPL_WHOISACTUALLY, |line| {
                // A colon in front would end the line.
                let address = if address.starts_with(':') { format!("0{address}") } else { address };
                line.param(nick).param(address).trailing("is actually using host")
            });
        }
        if uid.node == self.node {
            let idle = self.now.since(active) / 1_000;
            self.numeric(id, numeric::RPL_WHOISIDLE, |line| {
                line.param(nick)
                    .param(idle.to_string())
                    .param(about.connected.seconds().to_string())
                    .trailing("seconds idle, signon time")
            });
        }
    }
}
