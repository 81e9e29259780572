//! `WHO`, and its extension `WHOX`. <https://ircv3.net/specs/extensions/whox>

use protocols::irc::{CaseMapping, Message, mask_matches, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, or_star};
use crate::server::tables::channel::Channel;
use crate::server::tables::user::{User, UserModes};
use crate::server::values::ids::Uid;
use crate::server::values::names::{Name, key, looks_like_channel};
use crate::settings::Privilege;

/// The most users that a mask finds.
const MOST_FOUND: usize = 500;

/// What the client wants to be told of each: `%fields,token`.
struct Fields<'a> {
    fields: &'a [u8],
    token: &'a [u8],
}

impl Server {
    pub(in crate::server::commands) fn who(&mut self, caller: Caller, message: &Message<'_>) {
        let Some(mask) = message.param(0).filter(|mask| !mask.is_empty()) else {
            return self.need_more(caller.id, "WHO");
        };
        let options = message.param(1).unwrap_or_default();
        let (flags, fields) = match options.iter().position(|&byte| byte == b'%') {
            None => (options, None),
            Some(at) => {
                let mut parts = options[at + 1..].splitn(2, |&byte| byte == b',');
                let (fields, token) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(b"0"));
                let good = token.len() <= 3 && token.iter().all(u8::is_ascii_digit) && !token.is_empty();
                (&options[..at], Some(Fields { fields, token: if good { token } else { b"0" } }))
            }
        };
        let operators_only = flags.contains(&b'o');
        let mut channel = None;
        let found: Vec<Uid> = if looks_like_channel(mask) {
            let channel_key = key(mask);
            let members = self.channels.get(&channel_key).filter(|channel| self.sees(caller, channel));
            let members = members.map(|channel| channel.members.keys().copied().collect()).unwrap_or_default();
            channel = Some(channel_key);
            members
        } else if let Some(&user) = self.nicks.get(&key(mask)) {
            vec![user]
        } else {
            let everybody = self.users.values().filter(|user| self.finds(caller, user) && fits(mask, user));
            everybody.take(MOST_FOUND).map(User::uid).collect()
        };
        for user in found {
            let inside = channel.is_none() || self.finds(caller, &self.users[&user]);
            let is_operator = self.users.get(&user).is_some_and(|user| user.is(UserModes::OPERATOR));
            if inside && (!operators_only || is_operator) {
                self.tell_who(caller, user, channel.as_ref(), fields.as_ref());
            }
        }
        self.numeric(caller.id, numeric::RPL_ENDOFWHO, |line| line.param(or_star(mask)).trailing("End of WHO list"));
    }

    /// Whether somebody may know who is in a channel.
    pub(super) fn sees(&self, caller: Caller, channel: &Channel) -> bool {
        let may_see = self.client(caller.id).is_some_and(|client| client.may(Privilege::See));
        !channel.is(b's') || channel.members.contains_key(&caller.user) || may_see
    }

    /// Whether somebody finds a user without knowing the nick.
    fn finds(&self, caller: Caller, user: &User) -> bool {
        let shares = || {
            let own = self.users.get(&caller.user);
            own.is_some_and(|own| own.channels.iter().any(|channel| user.channels.contains(channel)))
        };
        user.uid() == caller.user || !user.is(UserModes::INVISIBLE) || shares()
    }

    fn tell_who(&mut self, caller: Caller, uid: Uid, channel: Option<&Name>, fields: Option<&Fields<'_>>) {
        let Some(user) = self.users.get(&uid) else { return };
        let caps = self.client(caller.id).map(|client| client.caps).unwrap_or_default();
        let may_see = self.client(caller.id).is_some_and(|client| client.may(Privilege::See));
        let about = user.about.clone();
        // Of several channels, one that the client may know of.
        let shown = channel.or_else(|| {
            user.channels.iter().find(|name| self.channels.get(*name).is_some_and(|channel| self.sees(caller, channel)))
        });
        let channel = shown.and_then(|name| self.channels.get(name));
        let channel_name = channel.map_or_else(|| (*b"*").into(), |channel| channel.name.clone());
        let member = channel.and_then(|channel| channel.members.get(&uid));
        let mut flags = vec![if about.away.is_some() { b'G' } else { b'H' }];
        if user.is(UserModes::OPERATOR) {
            flags.push(b'*');
        }
        if let Some(member) = member {
            flags.extend(member.prefixes(caps));
        }
        if user.is(UserModes::BOT) {
            flags.push(b'B');
        }
        let hops = if uid.node == self.node { "0" } else { "1" };
        let is_operator = member.is_some_and(crate::server::tables::channel::Member::is_operator);
        let address = user.client.and_then(|id| self.client(id)).and_then(|client| client.peer.address);
        let address = address.filter(|_| may_see || uid == caller.user).map(|address| address.to_string());
        let idle = if uid.node == self.node { self.now.since(user.active) / 1_000 } else { 0 };
        let Some(fields) = fields else {
            self.numeric(caller.id, numeric::RPL_WHOREPLY, |line| {
                line.param(channel_name)
                    .param(&about.ident)
                    .param(&about.host)
                    .param(&about.server)
                    .param(&about.nick)
                    .param(flags)
                    .trailing([hops.as_bytes(), b" ", &*about.realname].concat())
            });
            return;
        };
        self.numeric(caller.id, numeric::RPL_WHOSPCRPL, |mut line| {
            // In the order of the specification, whatever that of the request.
            for field in b"tcuihsnfdlaor".iter().filter(|field| fields.fields.contains(field)) {
                line = match field {
                    b't' => line.param(fields.token),
                    b'c' => line.param(&channel_name),
                    b'u' => line.param(&about.ident),
                    b'i' => line.param(address.as_deref().unwrap_or("255.255.255.255")),
                    b'h' => line.param(&about.host),
                    b's' => line.param(&about.server),
                    b'n' => line.param(&about.nick),
                    b'f' => line.param(&flags),
                    b'd' => line.param(hops),
                    b'l' => line.param(idle.to_string()),
                    b'a' => line.param(about.account.as_deref().unwrap_or(b"0")),
                    b'o' => line.param(if is_operator { "1" } else { "n/a" }),
                    _ => line.trailing(&about.realname),
                };
            }
            line
        });
    }
}

fn fits(mask: &[u8], user: &User) -> bool {
    let about = &user.about;
    let texts = [&about.nick, &about.ident, &about.host, &about.server, &about.realname];
    texts.iter().any(|text| mask_matches(mask, text, CaseMapping::Ascii))
        || mask_matches(mask, &user.mask(), CaseMapping::Ascii)
}
