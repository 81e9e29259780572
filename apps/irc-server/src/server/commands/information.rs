//! What the server says of itself.

use std::collections::BTreeSet;
use std::ops::Bound;

use protocols::irc::{CaseMapping, Message, mask_matches, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, or_star};
use crate::server::values::ids::Uid;
use crate::server::values::names::{Name, key};

/// What it calls itself.
pub(super) const VERSION: &str = concat!("irc-server-", env!("CARGO_PKG_VERSION"));

impl Server {
    /// The servers of the network that have users, and this one.
    pub(super) fn servers(&self) -> BTreeSet<Name> {
        let mut servers = BTreeSet::from([self.settings.server_name.as_bytes().into()]);
        // The users of a node stand together: one of each is enough.
        let mut next = self.users.first_key_value();
        while let Some((uid, user)) = next {
            servers.insert(user.about.server.clone());
            let last = Uid { number: u64::MAX, ..*uid };
            next = self.users.range((Bound::Excluded(last), Bound::Unbounded)).next();
        }
        servers
    }

    /// Whether a question is for this server: no server is named, or it is. Else says that there is none.
    pub(super) fn is_for_this_server(&mut self, caller: Caller, target: Option<&[u8]>) -> bool {
        let Some(target) = target else { return true };
        let own = self.settings.server_name.as_bytes();
        let ours = mask_matches(target, own, CaseMapping::Ascii)
            || self.nicks.get(&key(target)).is_some_and(|user| user.node == self.node);
        if !ours {
            self.numeric(caller.id, numeric::ERR_NOSUCHSERVER, |line| {
                line.param(or_star(target)).trailing("No such server")
            });
        }
        ours
    }

    pub(super) fn admin(&mut self, caller: Caller, message: &Message<'_>) {
        if !self.is_for_this_server(caller, message.param(0)) {
            return;
        }
        let settings = self.settings.clone();
        if settings.admin.is_empty() {
            self.numeric(caller.id, numeric::ERR_NOADMININFO, |line| {
                line.param(&settings.server_name).trailing("No administrative info available")
            });
            return;
        }
        self.numeric(caller.id, numeric::RPL_ADMINME, |line| {
            line.param(&settings.server_name).trailing("Administrative info")
        });
        let numerics = [numeric::RPL_ADMINLOC1, numeric::RPL_ADMINLOC2, numeric::RPL_ADMINEMAIL];
        for (text, numeric) in settings.admin.iter().zip(numerics) {
            self.numeric(caller.id, numeric, |line| line.trailing(text));
        }
    }

    pub(super) fn version(&mut self, caller: Caller, message: &Message<'_>) {
        if self.is_for_this_server(caller, message.param(0)) {
            let server = self.settings.server_name.clone();
            self.numeric(caller.id, numeric::RPL_VERSION, |line| line.param(VERSION).param(server).trailing(""));
            self.send_isupport(caller.id);
        }
    }

    pub(super) fn time(&mut self, caller: Caller, message: &Message<'_>) {
        if self.is_for_this_server(caller, message.param(0)) {
            let (server, now) = (self.settings.server_name.clone(), self.now);
            self.numeric(caller.id, numeric::RPL_TIME, |line| {
                line.param(server).param(now.seconds().to_string()).param("0").trailing(now.to_words())
            });
        }
    }

    pub(super) fn info(&mut self, caller: Caller, message: &Message<'_>) {
        if self.is_for_this_server(caller, message.param(0)) {
            let started = format!("Started {}", self.started.to_words());
            for text in [VERSION, "An IRC server written with a reactor in Rust", &started] {
                self.numeric(caller.id, numeric::RPL_INFO, |line| line.trailing(text));
            }
            self.numeric(caller.id, numeric::RPL_ENDOFINFO, |line| line.trailing("End of /INFO list"));
        }
    }

    pub(super) fn links(&mut self, caller: Caller, _: &Message<'_>) {
        let own = self.settings.clone();
        for server in self.servers() {
            let far = u8::from(*server != *own.server_name.as_bytes());
            self.numeric(caller.id, numeric::RPL_LINKS, |line| {
                line.param(&server).param(&own.server_name).trailing(format!("{far} {}", own.description))
            });
        }
        self.numeric(caller.id, numeric::RPL_ENDOFLINKS, |line| line.param("*").trailing("End of /LINKS list"));
    }

    pub(super) fn stats(&mut self, caller: Caller, message: &Message<'_>) {
        let letter = message.param(0).and_then(|query| query.first().copied()).unwrap_or(b'*');
        if letter == b'u' {
            let seconds = self.now.since(self.started) / 1_000;
            let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
            self.numeric(caller.id, numeric::RPL_STATSUPTIME, |line| {
                line.trailing(format!("Server Up {days} days {hours}:{minutes:02}:{:02}", seconds % 60))
            });
        }
        if matches!(letter, b'k' | b'K') {
            self.stats_of_bans(caller);
        }
        let letter = [letter];
        self.numeric(caller.id, numeric::RPL_ENDOFSTATS, |line| {
            line.param(or_star(&letter)).trailing("End of /STATS report")
        });
    }

    pub(super) fn help(&mut self, caller: Caller, message: &Message<'_>) {
        let subject = message.param(0).filter(|subject| !subject.is_empty()).unwrap_or(b"*").to_ascii_uppercase();
        let Some((_, text)) = HELP.iter().find(|(command, _)| command.as_bytes() == subject) else {
            self.numeric(caller.id, numeric::ERR_HELPNOTFOUND, |line| {
                line.param(or_star(&subject)).trailing("No help available on this topic")
            });
            return;
        };
        let (first, rest) = text.split_first().unwrap_or((&"", &[]));
        self.numeric(caller.id, numeric::RPL_HELPSTART, |line| line.param(or_star(&subject)).trailing(first));
        for text in rest {
            self.numeric(caller.id, numeric::RPL_HELPTXT, |line| line.param(or_star(&subject)).trailing(text));
        }
        self.numeric(caller.id, numeric::RPL_ENDOFHELP, |line| line.param(or_star(&subject)).trailing("End of /HELP"));
    }
}

const HELP: &[(&str, &[&str])] = &[
    (
        "*",
        &[
            "** Help **",
            "JOIN #channel: join it, or make it",
            "PART #channel: leave it",
            "PRIVMSG target :text: say something to a channel or to somebody",
            "NICK name: be called otherwise",
            "TOPIC #channel :text: say what a channel is about",
            "MODE #channel +o nick: make somebody a channel operator",
            "REGISTER * * password: keep your nick for yourself",
            "LIST, NAMES, WHO, WHOIS, WHOWAS: who is where",
        ],
    ),
    ("JOIN", &["JOIN #channel{,#channel} [key{,key}]", "Joins channels. Those that do not exist are made."]),
    ("NICK", &["NICK name", "Changes what you are called."]),
    ("PRIVMSG", &["PRIVMSG target{,target} :text", "Says something to channels or people."]),
    (
        "REGISTER",
        &["REGISTER * * password", "Makes an account of your nick's name, to log in to by SASL the next time."],
    ),
];
