//! The only place that changes what others see, for events of this node and of others alike. It tells the clients of this node.

pub(in crate::server) mod channels;
pub(in crate::server) mod speech;
mod users;

use protocols::irc::MessageBuilder as Builder;

use crate::server::Server;
use crate::server::event::{Event, Plea};
use crate::server::output::line::Line;
use crate::server::tables::user::UserModes;
use crate::server::values::ids::Uid;

impl Server {
    /// Carries an event out. One that comes too late, for somebody who has left, changes nothing.
    pub(in crate::server) fn apply(&mut self, event: &Event) {
        match event {
            Event::Connected(introduction) => self.apply_connected(introduction),
            Event::Quit { user, reason } => self.apply_quit(*user, reason),
            Event::Nick { user, nick, since } => self.apply_nick(*user, nick, *since),
            Event::Host { user, ident, host } => self.apply_host(*user, ident, host),
            Event::RealName { user, realname } => self.apply_realname(*user, realname),
            Event::Account { user, account } => self.apply_account(*user, account.as_ref()),
            Event::Away { user, message } => self.apply_away(*user, message.as_ref()),
            Event::UserModes { user, modes } => self.apply_user_modes(*user, *modes),
            Event::Join { user, channel, created, stamp, operator } => {
                self.apply_join(*user, channel, *created, *stamp, *operator);
            }
            Event::Part { user, channel, reason } => self.apply_part(*user, channel, reason.as_ref()),
            Event::Kick { user, channel, by, reason } => self.apply_kick(*user, channel, by, reason),
            Event::Topic { channel, created, by, topic, stamp } => {
                self.apply_topic(channel, *created, by, topic, *stamp);
            }
            Event::Modes { channel, created, by, changes, stamp } => {
                self.apply_modes(channel, *created, by, changes, *stamp);
            }
            Event::Speech { user, to, speech } => self.apply_speech(*user, to, speech),
            Event::Invite { by, user, channel } => self.apply_invite(*by, *user, channel),
            Event::Wallops { user, text } => self.apply_wallops(*user, text),
            Event::Please { user, plea } => self.apply_plea(*user, plea),
        }
    }

    /// Another node asks something of this one.
    fn apply_plea(&mut self, user: Uid, plea: &Plea) {
        if user.node != self.node || !self.users.contains_key(&user) {
            return;
        }
        match plea.clone() {
            Plea::Kick { channel, by, reason } => self.happen(Event::Kick { user, channel, by, reason }),
            Plea::Host { host } => self.show_host(user, host),
            Plea::Kill { by, reason } => self.kill(user, &by, &reason),
        }
    }

    /// A line that a user is the source of.
    fn line_of(&self, user: Uid, command: &str, build: impl FnOnce(Builder) -> Builder) -> Option<Line> {
        let user = self.users.get(&user)?;
        let message = build(Builder::new(command).source(user.mask()));
        Some(Line::new(message, self.now).by(user.about.account.as_ref(), user.is(UserModes::BOT)))
    }
}
