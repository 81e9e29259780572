//! `CHATHISTORY`. <https://ircv3.net/specs/extensions/chathistory>

use protocols::irc::{Message, MessageBuilder};

use crate::server::Server;
use crate::server::apply::speech::said;
use crate::server::commands::{Caller, or_star};
use crate::server::output::line::Line;
use crate::server::request::{HistoryQuery, Place, Record, Request, Which};
use crate::server::tables::client::Waiting;
use crate::server::tables::user::User;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::names::{Key, Name, key, looks_like_channel};
use crate::server::values::timestamp::Timestamp;

use super::say::conversation_of;

/// What somebody wants to be told again.
#[derive(Debug)]
pub(in crate::server) struct Asked {
    subcommand: Name,
    /// The channel or nick, as the client has written it.
    target: Name,
}

impl Server {
    pub(in crate::server::commands) fn chathistory(&mut self, caller: Caller, message: &Message<'_>) {
        let id = caller.id;
        if !self.settings.history.enabled {
            return self.fail(id, "CHATHISTORY", "UNAVAILABLE", &[], "No history is kept here");
        }
        let [subcommand, rest @ ..] = message.params() else {
            return self.fail(id, "CHATHISTORY", "NEED_MORE_PARAMS", &[], "Missing parameters");
        };
        let subcommand: Name = subcommand.to_ascii_uppercase().into();
        match (&*subcommand, rest) {
            (b"TARGETS", [from, to, limit, ..]) => self.targets(caller, from, to, limit),
            (b"LATEST" | b"BEFORE" | b"AFTER" | b"AROUND", [target, place, limit, ..]) => {
                let which = match (&*subcommand, *place) {
                    (b"LATEST", b"*") => Some(Which::Latest(None)),
                    (b"LATEST", place) => parse_place(place).map(|place| Which::Latest(Some(place))),
                    (b"BEFORE", place) => parse_place(place).map(Which::Before),
                    (b"AFTER", place) => parse_place(place).map(Which::After),
                    (_, place) => parse_place(place).map(Which::Around),
                };
                self.recall(caller, subcommand, target, which, limit);
            }
            (b"BETWEEN", [target, from, to, limit, ..]) => {
                let which = parse_place(from).zip(parse_place(to)).map(|(from, to)| Which::Between(from, to));
                self.recall(caller, subcommand, target, which, limit);
            }
            (b"LATEST" | b"BEFORE" | b"AFTER" | b"AROUND" | b"BETWEEN" | b"TARGETS", _) => {
                self.fail(id, "CHATHISTORY", "NEED_MORE_PARAMS", &[&subcommand], "Missing parameters");
            }
            _ => self.fail(id, "CHATHISTORY", "INVALID_PARAMS", &[or_star(&subcommand)], "Unknown command"),
        }
    }

    fn recall(&mut self, caller: Caller, subcommand: Name, target: &[u8], which: Option<Which>, limit: &[u8]) {
        let id = caller.id;
        let Some(limit) = self.history_limit(limit) else {
            return self.fail(id, "CHATHISTORY", "INVALID_PARAMS", &[&subcommand], "Invalid limit");
        };
        let Some(which) = which else {
            let text = "Invalid message reference: timestamp=… or msgid=…";
            return self.fail(id, "CHATHISTORY", "INVALID_PARAMS", &[&subcommand], text);
        };
        let conversation = if looks_like_channel(target) {
            let channel = self.channels.get(&key(target));
            if !channel.is_some_and(|channel| channel.members.contains_key(&caller.user)) {
                let context = [&*subcommand, or_star(target)];
                return self.fail(id, "CHATHISTORY", "INVALID_TARGET", &context, "Messages could not be retrieved");
            }
            key(target)
        } else {
            let Some(own) = self.users.get(&caller.user).map(User::identity) else { return };
            conversation_of(&own, &self.identity_of(target))
        };
        let asked = Asked { subcommand, target: target.into() };
        let query = HistoryQuery { target: conversation, which, limit };
        self.ask(id, Waiting::History(asked), Request::History(query));
    }

    /// Who somebody is, or was if they have an account. Nobody else has had a conversation.
    fn identity_of(&self, nick: &[u8]) -> Key {
        let name = key(nick);
        match self.nicks.get(&name).and_then(|user| self.users.get(user)) {
            Some(user) => user.identity(),
            None if self.accounts.contains(&name) => name,
            None => Key::default(),
        }
    }

    pub(in crate::server::commands) fn tell_history(
        &mut self,
        id: ClientId,
        asked: &Asked,
        records: Option<Vec<Record>>,
    ) {
        let Some(records) = records else {
            let context = [&*asked.subcommand, or_star(&asked.target)];
            return self.fail(id, "CHATHISTORY", "MESSAGE_ERROR", &context, "Messages could not be retrieved");
        };
        let batch = self.open_batch(id, "chathistory", &[&asked.target]);
        for record in &records {
            let line = said(&record.speech, &record.shown);
            let line = batch.as_ref().map_or_else(|| line.clone(), |batch| line.clone().in_batch(batch));
            self.send(id, &line);
        }
        self.close_batch(id, batch.as_ref());
    }

    fn targets(&mut self, caller: Caller, from: &[u8], to: &[u8], limit: &[u8]) {
        let time = |text: &[u8]| match parse_place(text) {
            Some(Place::Time(time)) => Some(time),
            _ => None,
        };
        let (Some(from), Some(to), Some(limit)) = (time(from), time(to), self.history_limit(limit)) else {
            return self.fail(caller.id, "CHATHISTORY", "INVALID_PARAMS", &[b"TARGETS"], "Invalid times or limit");
        };
        let Some(user) = self.users.get(&caller.user) else { return };
        let request = Request::Targets {
            of: user.identity(),
            channels: user.channels.clone(),
            after: from.min(to),
            before: from.max(to),
            limit,
        };
        self.ask(caller.id, Waiting::Targets, request);
    }

    pub(in crate::server::commands) fn tell_targets(&mut self, id: ClientId, targets: &[(Name, Timestamp)]) {
        let batch = self.open_batch(id, "draft/chathistory-targets", &[]);
        for (target, time) in targets {
            let Some(target) = self.shown_target(target) else { continue };
            let message = MessageBuilder::new("CHATHISTORY").source(&self.settings.server_name).param("TARGETS");
            let line = Line::new(message.param(target).param(time.to_iso()), self.now);
            let line = batch.as_ref().map_or_else(|| line.clone(), |batch| line.clone().in_batch(batch));
            self.send(id, &line);
        }
        self.close_batch(id, batch.as_ref());
    }

    /// What a target of the history is called now; somebody without an account who has left is called nothing.
    fn shown_target(&self, target: &Name) -> Option<Name> {
        if !target.starts_with(b"!") {
            return Some(target.clone());
        }
        let user = self.users.get(&Uid::parse(target)?).filter(|user| user.identity() == *target)?;
        Some(user.about.nick.clone())
    }

    fn history_limit(&self, limit: &[u8]) -> Option<usize> {
        let limit = std::str::from_utf8(limit).ok()?.parse::<usize>().ok().filter(|&limit| limit > 0)?;
        Some(limit.min(self.settings.history.request))
    }
}

fn parse_place(text: &[u8]) -> Option<Place> {
    if let Some(msgid) = text.strip_prefix(b"msgid=") {
        return (!msgid.is_empty()).then(|| Place::Msgid(msgid.into()));
    }
    let time = text.strip_prefix(b"timestamp=")?;
    Timestamp::from_iso(std::str::from_utf8(time).ok()?).map(Place::Time)
}
