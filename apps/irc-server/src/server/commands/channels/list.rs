//! `LIST`, with the conditions of `ELIST=CMNTU`.

use protocols::irc::{CaseMapping, Message, mask_matches, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, entries};
use crate::server::tables::channel::Channel;
use crate::server::values::timestamp::Timestamp;

/// What a channel must be to be listed.
enum Condition<'a> {
    Named(&'a [u8]),
    NotNamed(&'a [u8]),
    FewerMembers(usize),
    MoreMembers(usize),
    MadeAfter(Timestamp),
    MadeBefore(Timestamp),
    TopicAfter(Timestamp),
    TopicBefore(Timestamp),
}

impl<'a> Condition<'a> {
    fn parse(text: &'a [u8], now: Timestamp) -> Self {
        let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
        let ago =
            |text: &[u8]| number(text).map(|minutes| Timestamp(now.0.saturating_sub(minutes.saturating_mul(60_000))));
        let count = |text: &[u8]| number(text).and_then(|count| usize::try_from(count).ok());
        let condition = match text {
            [b'<', rest @ ..] => count(rest).map(Condition::FewerMembers),
            [b'>', rest @ ..] => count(rest).map(Condition::MoreMembers),
            [b'C' | b'c', b'<', rest @ ..] => ago(rest).map(Condition::MadeAfter),
            [b'C' | b'c', b'>', rest @ ..] => ago(rest).map(Condition::MadeBefore),
            [b'T' | b't', b'<', rest @ ..] => ago(rest).map(Condition::TopicAfter),
            [b'T' | b't', b'>', rest @ ..] => ago(rest).map(Condition::TopicBefore),
            [b'!', rest @ ..] => Some(Condition::NotNamed(rest)),
            _ => None,
        };
        condition.unwrap_or(Condition::Named(text))
    }

    fn holds(&self, channel: &Channel) -> bool {
        let topic = channel.topic.get();
        match self {
            Condition::Named(mask) => mask_matches(mask, &channel.name, CaseMapping::Ascii),
            Condition::NotNamed(mask) => !mask_matches(mask, &channel.name, CaseMapping::Ascii),
            Condition::FewerMembers(count) => channel.members.len() < *count,
            Condition::MoreMembers(count) => channel.members.len() > *count,
            Condition::MadeAfter(time) => channel.created > *time,
            Condition::MadeBefore(time) => channel.created < *time,
            Condition::TopicAfter(time) => !topic.text.is_empty() && topic.at > *time,
            Condition::TopicBefore(time) => !topic.text.is_empty() && topic.at < *time,
        }
    }
}

impl Server {
    pub(in crate::server::commands) fn list(&mut self, caller: Caller, message: &Message<'_>) {
        let id = caller.id;
        let conditions: Vec<_> =
            entries(message.param(0).unwrap_or_default()).map(|text| Condition::parse(text, self.now)).collect();
        // Of names one must fit, of all else everything.
        let (named, others): (Vec<_>, Vec<_>) =
            conditions.iter().partition(|condition| matches!(condition, Condition::Named(_)));
        let listed: Vec<_> = self
            .channels
            .values()
            .filter(|channel| !channel.is(b's') || channel.members.contains_key(&caller.user))
            .filter(|channel| named.is_empty() || named.iter().any(|condition| condition.holds(channel)))
            .filter(|channel| others.iter().all(|condition| condition.holds(channel)))
            .map(|channel| (channel.name.clone(), channel.members.len(), channel.topic.get().text.clone()))
            .collect();
        self.numeric(id, numeric::RPL_LISTSTART, |line| line.param("Channel").trailing("Users  Name"));
        for (name, members, topic) in listed {
            self.numeric(id, numeric::RPL_LIST, |line| line.param(name).param(members.to_string()).trailing(topic));
        }
        self.numeric(id, numeric::RPL_LISTEND, |line| line.trailing("End of /LIST"));
    }
}
