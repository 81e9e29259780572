//! `CAP`: what client and server both know. <https://ircv3.net/specs/extensions/capability-negotiation>

use protocols::irc::{Message, MessageBuilder, numeric};

use crate::server::Server;
use crate::server::commands::lines_of;
use crate::server::output::capabilities::Caps;
use crate::server::values::ids::ClientId;

use super::sasl::mechanisms;

/// Room for names in one line, whatever the nick.
const ROOM: usize = 400;

impl Server {
    pub(in crate::server::commands) fn cap(&mut self, id: ClientId, message: &Message<'_>) {
        let Some(subcommand) = message.param(0) else { return self.need_more(id, "CAP") };
        let Some(client) = self.client_mut(id) else { return };
        let registered = client.user.is_some();
        let names = message.param(1).unwrap_or_default();
        match &*subcommand.to_ascii_uppercase() {
            b"LS" => {
                client.negotiating |= !registered;
                let version = std::str::from_utf8(names).ok().and_then(|version| version.parse().ok()).unwrap_or(301);
                client.cap_version = client.cap_version.max(version);
                if client.cap_version >= 302 {
                    client.caps.set(Caps::CAP_NOTIFY, true);
                }
                let (version, mechanisms) = (client.cap_version, mechanisms(&client.peer).join(","));
                let listed = self.offered().map(|(cap, name)| with_value(cap, name, version, &mechanisms));
                let listed = listed.collect();
                self.list_caps(id, "LS", version, listed);
            }
            b"LIST" => {
                let (caps, version) = (client.caps, client.cap_version);
                let mine = Caps::ALL.iter().filter(|(cap, _)| caps.has(*cap)).map(|(_, name)| (*name).to_owned());
                self.list_caps(id, "LIST", version, mine.collect());
            }
            b"REQ" => {
                client.negotiating |= !registered;
                self.request_caps(id, names);
            }
            b"END" => {
                client.negotiating = false;
                self.try_to_register(id);
            }
            _ => self.numeric(id, numeric::ERR_INVALIDCAPCMD, |line| {
                line.param(super::super::or_star(subcommand)).trailing("Invalid CAP command")
            }),
        }
    }

    /// All that the settings allow.
    fn offered(&self) -> impl Iterator<Item = (Caps, &'static str)> {
        Caps::ALL.iter().copied().filter(|&(cap, _)| match cap {
            Caps::CHATHISTORY => self.settings.history.enabled,
            Caps::SASL => self.settings.database.is_some(),
            Caps::ACCOUNT_REGISTRATION => self.settings.accounts.registration && self.settings.database.is_some(),
            _ => true,
        })
    }

    fn list_caps(&mut self, id: ClientId, subcommand: &str, version: u32, names: Vec<String>) {
        // Old clients read one line.
        let mut lines = lines_of(names, b' ', if version >= 302 { ROOM } else { usize::MAX });
        if lines.is_empty() {
            lines.push(Vec::new());
        }
        let last = lines.len() - 1;
        for (number, line) in lines.iter().enumerate() {
            let reply = self.cap_reply(id, subcommand);
            let reply = if number < last { reply.param("*") } else { reply };
            self.send_message(id, reply.trailing(line));
        }
    }

    /// All of these are put in, or taken out with a minus in front; or none.
    fn request_caps(&mut self, id: ClientId, names: &[u8]) {
        let Some(mut caps) = self.client(id).map(|client| client.caps) else { return };
        let mut known = true;
        for name in names.split(|&byte| byte == b' ').filter(|name| !name.is_empty()) {
            let (name, on) = name.strip_prefix(b"-").map_or((name, true), |name| (name, false));
            let cap = Caps::named(name).filter(|cap| self.offered().any(|(offered, _)| offered == *cap));
            match cap {
                // It comes with version 302, and stays.
                Some(Caps::CAP_NOTIFY) if !on && self.client(id).is_some_and(|client| client.cap_version >= 302) => {
                    known = false;
                }
                Some(cap) => caps.set(cap, on),
                None => known = false,
            }
        }
        if known && let Some(client) = self.client_mut(id) {
            client.caps = caps;
        }
        let reply = self.cap_reply(id, if known { "ACK" } else { "NAK" }).trailing(names);
        self.send_message(id, reply);
    }

    fn cap_reply(&self, id: ClientId, subcommand: &str) -> MessageBuilder {
        let nick = self.client(id).map_or(&b"*"[..], |client| client.shown_nick());
        MessageBuilder::new("CAP").source(&self.settings.server_name).param(nick).param(subcommand)
    }
}

fn with_value(cap: Caps, name: &str, version: u32, mechanisms: &str) -> String {
    match cap {
        Caps::SASL if version >= 302 => format!("{name}={mechanisms}"),
        Caps::ACCOUNT_REGISTRATION if version >= 302 => format!("{name}=before-connect"),
        _ => name.to_owned(),
    }
}
