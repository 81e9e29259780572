//! What is said.

use crate::server::Server;
use crate::server::event::Target;
use crate::server::output::capabilities::Caps;
use crate::server::output::line::Line;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::names::{Name, key};
use crate::server::values::speech::{Kind, Speech};

use super::Builder;

impl Server {
    /// Tells all whom it is said to, but not the speaker.
    pub(super) fn apply_speech(&mut self, user: Uid, to: &Target, speech: &Speech) {
        let speaker = self.users.get(&user).and_then(|user| user.client);
        let Some((mut clients, shown)) = self.listeners(to) else { return };
        if matches!(to, Target::Channel { .. }) {
            clients.retain(|&client| Some(client) != speaker);
        }
        let clients = match speech.kind {
            Kind::Tagmsg => self.with_caps(&clients, Caps::MESSAGE_TAGS),
            Kind::Privmsg | Kind::Notice => clients,
        };
        let line = said(speech, &shown);
        // Those that talk to themselves hear it as if somebody else had said it; the echo alone answers their command.
        let current = self.current.take();
        self.send_all(&clients, &line);
        self.current = current;
    }

    /// The clients of this node that hear what is said to a target, and how the target is written.
    fn listeners(&self, to: &Target) -> Option<(Vec<ClientId>, Name)> {
        match to {
            Target::User(user) => {
                let user = self.users.get(user)?;
                Some((user.client.into_iter().collect(), user.about.nick.clone()))
            }
            Target::Channel { name, prefix: None } => Some((self.clients_in(&key(name)), name.clone())),
            Target::Channel { name, prefix: Some(prefix) } => {
                let members = self.channels.get(&key(name))?.members.values();
                let clients = members.filter(|member| member.has_at_least(*prefix)).filter_map(|member| member.client);
                Some((clients.collect(), [&[*prefix], &**name].concat().into()))
            }
        }
    }
}

/// The line that tells it.
pub(in crate::server) fn said(speech: &Speech, target: &Name) -> Line {
    let message = Builder::new(speech.kind.name()).source(&speech.source).param(target);
    let message = match speech.kind {
        Kind::Tagmsg => message,
        Kind::Privmsg | Kind::Notice => message.trailing(&speech.text),
    };
    Line::said(message, speech)
}
