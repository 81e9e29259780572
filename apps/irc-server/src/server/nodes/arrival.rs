use std::collections::BTreeSet;

use crate::server::Server;
use crate::server::event::Introduction;
use crate::server::nodes::Snapshot;
use crate::server::tables::channel::{Channel, Member};
use crate::server::values::ids::{NodeId, Uid};
use crate::server::values::names::{Key, Name, key};
use crate::server::values::timestamp::Timestamp;

impl Server {
    /// A node is there, in this state, or still there, and what was missed of it is in this state.
    ///
    /// Clients are told what is otherwise: first who is gone, as a netsplit, then who has come, as its end.
    pub fn node_up(&mut self, now: Timestamp, name: &str, snapshot: &Snapshot) {
        self.now = now;
        let node = NodeId::of(name.as_bytes());
        let there: BTreeSet<_> = snapshot.users.iter().map(|about| about.user).collect();
        let gone = self.users_of(node).filter(|user| !there.contains(user)).collect();
        self.split(name, gone);
        for about in snapshot.users.iter().filter(|about| about.user.node == node) {
            self.introduce(about);
        }
        self.leave_others(node, snapshot);
        self.in_batch("netjoin", name, |this| {
            for channel in &snapshot.channels {
                this.join_those_of(node, channel);
            }
        });
    }

    /// A node is not reached any more, or was started again: its users are gone.
    pub fn node_down(&mut self, now: Timestamp, name: &str) {
        self.now = now;
        let gone = self.users_of(NodeId::of(name.as_bytes())).collect();
        self.split(name, gone);
    }

    fn users_of(&self, node: NodeId) -> impl Iterator<Item = Uid> {
        let (first, last) = (Uid { node, number: 0 }, Uid { node, number: u64::MAX });
        self.users.range(first..=last).map(|(&user, _)| user)
    }

    fn split(&mut self, node: &str, gone: Vec<Uid>) {
        let reason: Name = format!("{} {node}", self.settings.server_name).into_bytes().into();
        self.in_batch("netsplit", node, |this| {
            for user in gone {
                this.apply_quit(user, &reason);
            }
        });
    }

    /// Somebody is there and looks like this, known or not.
    fn introduce(&mut self, about: &Introduction) {
        let user = about.user;
        let Some(known) = self.users.get(&user).map(|user| user.about.clone()) else {
            return self.apply_connected(about);
        };
        // Also if it has had another nick meanwhile, and has this one later.
        if (&known.nick, known.since) != (&about.nick, about.since) {
            self.apply_nick(user, &about.nick, about.since);
        }
        if (&known.ident, &known.host) != (&about.ident, &about.host) {
            self.apply_host(user, &about.ident, &about.host);
        }
        if known.realname != about.realname {
            self.apply_realname(user, &about.realname);
        }
        if known.account != about.account {
            self.apply_account(user, about.account.as_ref());
        }
        self.apply_away(user, about.away.as_ref());
        self.apply_user_modes(user, about.modes);
    }

    /// The users of a node leave the channels in which they no longer are.
    fn leave_others(&mut self, node: NodeId, snapshot: &Snapshot) {
        let channels = snapshot.channels.iter();
        let there: BTreeSet<(Uid, Key)> = channels
            .flat_map(|channel| channel.members.keys().map(|&user| (user, key(&channel.name))))
            .filter(|(user, _)| user.node == node)
            .collect();
        let left: Vec<_> = self
            .users_of(node)
            .flat_map(|user| self.users[&user].channels.iter().map(move |channel| (user, channel.clone())))
            .filter(|member| !there.contains(member))
            .collect();
        for (user, channel) in left {
            self.apply_part(user, &channel, None);
        }
    }

    /// Merges a channel, and those of a node that are in it join.
    fn join_those_of(&mut self, node: NodeId, theirs: &Channel) {
        let key = key(&theirs.name);
        let members = theirs.members.iter().filter(|(user, _)| user.node == node && self.users.contains_key(user));
        let members: Vec<_> = members.map(|(&user, member)| (user, member.statuses.clone())).collect();
        if members.is_empty() {
            return;
        }
        if !self.channels.contains_key(&key) {
            self.channels.insert(key.clone(), theirs.without_members());
        }
        self.merge_channel(&key, theirs);
        for (user, statuses) in members {
            let (Some(channel), Some(about)) = (self.channels.get_mut(&key), self.users.get_mut(&user)) else {
                continue;
            };
            if channel.members.contains_key(&user) {
                continue;
            }
            // In a younger channel of that name they had the status of that one.
            let statuses = if channel.created == theirs.created { statuses } else { Default::default() };
            channel.members.insert(user, Member { client: None, statuses });
            about.channels.push(key.clone());
            self.tell_of_join(user, &key);
        }
    }
}
