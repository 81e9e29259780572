//! `NAMES`.

use protocols::irc::{Message, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, entries, lines_of, or_star};
use crate::server::output::capabilities::Caps;
use crate::server::tables::user::UserModes;
use crate::server::values::names::key;

/// Room for names in one line, whatever the server, the nick and the channel.
const ROOM: usize = 300;

impl Server {
    pub(in crate::server::commands) fn names(&mut self, caller: Caller, message: &Message<'_>) {
        let Some(channels) = message.param(0) else {
            return self.end_of_names(caller, b"*");
        };
        // One channel a command, as `TARGMAX` says.
        if let Some(channel) = entries(channels).next() {
            self.tell_names(caller, channel);
        }
    }

    pub(super) fn tell_names(&mut self, caller: Caller, name: &[u8]) {
        let caps = self.client(caller.id).map(|client| client.caps).unwrap_or_default();
        let Some(channel) = self.channels.get(&key(name)) else { return self.end_of_names(caller, name) };
        let inside = channel.members.contains_key(&caller.user);
        let (shown, secret) = (channel.name.clone(), channel.is(b's'));
        if secret && !inside {
            return self.end_of_names(caller, name);
        }
        let entries = channel.members.iter().filter_map(|(uid, member)| {
            let user = self.users.get(uid).filter(|user| inside || !user.is(UserModes::INVISIBLE))?;
            let mut entry = member.prefixes(caps);
            if caps.has(Caps::USERHOST_IN_NAMES) {
                entry.extend_from_slice(&user.mask());
            } else {
                entry.extend_from_slice(&user.about.nick);
            }
            Some(entry)
        });
        let lines = lines_of(entries, b' ', ROOM);
        let symbol = if secret { "@" } else { "=" };
        for line in lines {
            self.numeric(caller.id, numeric::RPL_NAMREPLY, |reply| reply.param(symbol).param(&shown).trailing(line));
        }
        self.end_of_names(caller, &shown);
    }

    fn end_of_names(&mut self, caller: Caller, channel: &[u8]) {
        self.numeric(caller.id, numeric::RPL_ENDOFNAMES, |line| {
            line.param(or_star(channel)).trailing("End of /NAMES list")
        });
    }
}
