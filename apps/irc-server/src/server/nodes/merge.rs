use protocols::irc::MessageBuilder;

use crate::server::Server;
use crate::server::nodes::Registers;
use crate::server::output::line::Line;
use crate::server::tables::channel::Channel;
use crate::server::values::ids::NodeId;
use crate::server::values::modes::{Change, STATUSES};
use crate::server::values::names::{Key, Name, key};
use crate::server::values::register::{Register, Stamp};
use crate::server::values::timestamp::Timestamp;

impl Server {
    /// Merges what another node knows of a channel into what this one knows: what was set in the older of two, and then what was
    /// set later, wins. A channel without members here is passed over.
    pub fn merge(&mut self, now: Timestamp, registers: &Registers) {
        self.now = now;
        self.merge_channel(&key(&registers.0.name), &registers.0);
    }

    pub(in crate::server) fn merge_channel(&mut self, key: &Key, theirs: &Channel) {
        self.latest = self.latest.max(theirs.latest());
        let Some(known) = self.channels.get(key).map(|channel| channel.created) else { return };
        if theirs.created > known {
            return;
        }
        if theirs.created < known {
            // Earlier than whatever was set in the older channel.
            self.give_way(key, theirs.created, Stamp { at: theirs.created, node: NodeId(0) });
        }
        let Some(ours) = self.channels.get_mut(key) else { return };
        let changes = ours.merge(theirs);
        let topic = ours.topic.merge(&theirs.topic).then(|| ours.topic.get().clone());
        let (name, server): (_, Name) = (ours.name.clone(), self.settings.server_name.as_bytes().into());
        self.tell_modes(key, &server, &changes);
        if let Some(topic) = topic {
            let by = if topic.by.is_empty() { server } else { topic.by };
            let line = Line::new(MessageBuilder::new("TOPIC").source(by).param(name).trailing(topic.text), self.now);
            let clients = self.clients_in(key);
            self.send_all(&clients, &line);
        }
    }
}

impl Channel {
    /// Takes over what was set later in the same channel elsewhere, but for the topic. Returns what is otherwise now.
    fn merge(&mut self, theirs: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (&letter, flag) in &theirs.flags {
            if self.flags.entry(letter).or_default().merge(flag) {
                changes.push(Change::Flag(letter, *flag.get()));
            }
        }
        if self.key.merge(&theirs.key) {
            changes.push(Change::Key(self.key.get().clone()));
        }
        if self.limit.merge(&theirs.limit) {
            changes.push(Change::Limit(*self.limit.get()));
        }
        for ((letter, mask), entry) in &theirs.lists {
            let ours = self.lists.entry((*letter, mask.clone())).or_default();
            let was = ours.get().is_some();
            let is = entry.get().is_some();
            if ours.merge(entry) && was != is {
                changes.push(Change::List(*letter, mask.clone(), is));
            }
        }
        for (&user, member) in &theirs.members {
            let Some(ours) = self.members.get_mut(&user) else { continue };
            for ((has, theirs), &(letter, _)) in ours.statuses.iter_mut().zip(&member.statuses).zip(STATUSES) {
                if has.merge(theirs) {
                    changes.push(Change::Status(letter, user, *has.get()));
                }
            }
        }
        changes
    }

    /// The time of the latest change.
    fn latest(&self) -> Timestamp {
        let statuses = self.members.values().flat_map(|member| &member.statuses);
        let times = [self.topic.time(), self.key.time(), self.limit.time()].into_iter();
        let times = times.chain(self.flags.values().chain(statuses).map(Register::time));
        times.chain(self.lists.values().map(Register::time)).max().unwrap_or_default()
    }
}
