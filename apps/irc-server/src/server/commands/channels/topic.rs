//! `TOPIC`.

use protocols::irc::{Message, numeric};

use crate::server::Server;
use crate::server::commands::{Caller, cut};
use crate::server::event::Event;
use crate::server::tables::channel::Topic;
use crate::server::values::ids::ClientId;
use crate::server::values::names::{Name, key};

impl Server {
    pub(in crate::server::commands) fn topic(&mut self, caller: Caller, message: &Message<'_>) {
        let Some(name) = message.param(0) else { return self.need_more(caller.id, "TOPIC") };
        let Some(channel) = self.channels.get(&key(name)) else { return self.no_such_channel(caller.id, name) };
        let (shown, created) = (channel.name.clone(), channel.created);
        let member = channel.members.get(&caller.user);
        if member.is_none() && (message.param(1).is_some() || channel.is(b's')) {
            return self.not_on_channel(caller, name);
        }
        let Some(text) = message.param(1) else {
            let topic = channel.topic.get().clone();
            if topic.text.is_empty() {
                self.numeric(caller.id, numeric::RPL_NOTOPIC, |line| line.param(shown).trailing("No topic is set"));
            } else {
                self.tell_topic(caller.id, &shown, &topic);
            }
            return;
        };
        if channel.is(b't') && !member.is_some_and(crate::server::tables::channel::Member::is_operator) {
            return self.not_operator(caller, name);
        }
        let topic = cut(text, self.settings.limits.topic_length);
        let Some(by) = self.users.get(&caller.user).map(crate::server::tables::user::User::mask) else { return };
        let stamp = self.stamp();
        self.happen(Event::Topic { channel: shown, created, by, topic, stamp });
    }

    pub(super) fn tell_topic(&mut self, id: ClientId, channel: &Name, topic: &Topic) {
        self.numeric(id, numeric::RPL_TOPIC, |line| line.param(channel).trailing(&topic.text));
        self.numeric(id, numeric::RPL_TOPICWHOTIME, |line| {
            line.param(channel).param(&topic.by).param(topic.at.seconds().to_string())
        });
    }
}
