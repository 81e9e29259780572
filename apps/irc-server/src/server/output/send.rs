//! Lines to clients, and the labels of responses.

use protocols::irc::{Message, MessageBuilder};

use crate::server::Server;
use crate::server::effect::Effect;
use crate::server::output::batch::{Label, Sent};
use crate::server::output::capabilities::Caps;
use crate::server::output::line::{Line, Rendered};
use crate::server::values::ids::{ClientId, Uid};
use crate::server::values::names;
use crate::server::values::names::Name;

impl Server {
    /// A line to one client. If it answers the client's own command, it carries the command's label.
    pub(in crate::server) fn send(&mut self, id: ClientId, line: &Line) {
        let current = self.current == Some(id);
        let Some(client) = self.clients.get_mut(id.slot as usize).filter(|client| client.id == id && !client.closing)
        else {
            return;
        };
        let caps = client.caps;
        let Some(label) = client.label.as_mut().filter(|_| current) else {
            self.effects.push(Effect::Send(id, line.render(caps, None)));
            return;
        };
        match &label.sent {
            Sent::Nothing => label.sent = Sent::One(line.clone()),
            Sent::One(first) => {
                let batch: Name = label.batch.clone();
                let begin = MessageBuilder::new("BATCH")
                    .source(&self.settings.server_name)
                    .param([b"+", &*batch].concat())
                    .param("labeled-response");
                let begin = Line::new(begin, self.now).render(caps, Some(&label.label));
                let lines = [first, line].map(|line| within(line, &batch).render(caps, None));
                label.sent = Sent::Batch;
                self.effects.push(Effect::Send(id, begin));
                self.effects.extend(lines.map(|bytes| Effect::Send(id, bytes)));
            }
            Sent::Batch => {
                let bytes = within(line, &label.batch).render(caps, None);
                self.effects.push(Effect::Send(id, bytes));
            }
        }
    }

    /// A line of the server to one client.
    pub(in crate::server) fn send_message(&mut self, id: ClientId, message: MessageBuilder) {
        self.send(id, &Line::new(message, self.now));
    }

    /// A line to many clients.
    pub(in crate::server) fn send_all(&mut self, to: &[ClientId], line: &Line) {
        self.begin_node_batch(to);
        let in_batch = self.node_batch.as_ref().map(|batch| line.clone().in_batch(&batch.name));
        let line = in_batch.as_ref().unwrap_or(line);
        let mut rendered = Rendered::new(line);
        for &id in to {
            if self.current == Some(id) {
                self.send(id, line);
            } else if let Some(client) = self.client(id).filter(|client| !client.closing) {
                let bytes = rendered.bytes(client.caps);
                self.effects.push(Effect::Send(id, bytes));
            }
        }
    }

    /// A numeric reply: `build` adds what follows the nick.
    pub(in crate::server) fn numeric(
        &mut self,
        id: ClientId,
        numeric: &str,
        build: impl FnOnce(MessageBuilder) -> MessageBuilder,
    ) {
        let Some(client) = self.client(id) else { return };
        let message = MessageBuilder::new(numeric).source(&self.settings.server_name).param(client.shown_nick());
        self.send_message(id, build(message));
    }

    /// A standard reply of IRCv3: a command failed.
    pub(in crate::server) fn fail(
        &mut self,
        id: ClientId,
        command: impl AsRef<[u8]>,
        code: &str,
        context: &[&[u8]],
        text: &str,
    ) {
        let message = MessageBuilder::new("FAIL").source(&self.settings.server_name).param(command).param(code);
        let message = context.iter().fold(message, MessageBuilder::param);
        self.send_message(id, message.trailing(text));
    }

    /// A notice of the server.
    pub(in crate::server) fn notice(&mut self, id: ClientId, text: impl AsRef<[u8]>) {
        let Some(client) = self.client(id) else { return };
        let message = MessageBuilder::new("NOTICE").source(&self.settings.server_name).param(client.shown_nick());
        self.send_message(id, message.trailing(text));
    }

    /// Opens a batch to a client, if it knows batches. Its lines are sent by [`Line::in_batch`].
    pub(in crate::server) fn open_batch(&mut self, id: ClientId, kind: &str, parameters: &[&[u8]]) -> Option<Name> {
        self.client(id).filter(|client| client.caps.has(Caps::BATCH))?;
        let batch = self.name_batch();
        let message = MessageBuilder::new("BATCH").source(&self.settings.server_name).param([b"+", &*batch].concat());
        let message = parameters.iter().fold(message.param(kind), MessageBuilder::param);
        self.send_message(id, message);
        Some(batch)
    }

    /// Closes it.
    pub(in crate::server) fn close_batch(&mut self, id: ClientId, batch: Option<&Name>) {
        if let Some(batch) = batch {
            let message = MessageBuilder::new("BATCH").source(&self.settings.server_name);
            self.send_message(id, message.param([b"-", &**batch].concat()));
        }
    }

    pub(in crate::server) fn name_batch(&mut self) -> Name {
        format!("{:x}", self.next_number()).into_bytes().into()
    }

    /// A command begins: its answers carry its label.
    pub(in crate::server) fn begin(&mut self, id: ClientId, message: &Message<'_>) {
        self.current = Some(id);
        let both = Caps::LABELED_RESPONSE.and(Caps::BATCH);
        let label = message.tags().get_raw(b"label").filter(|label| !label.is_empty() && label.len() <= 64);
        let Some(label) = label.filter(|_| self.client(id).is_some_and(|client| client.caps.has(both))) else { return };
        let label = Label { label: label.into(), batch: self.name_batch(), sent: Sent::Nothing };
        if let Some(client) = self.client_mut(id) {
            client.label = Some(label);
        }
    }

    /// The command is done, unless it waits.
    pub(in crate::server) fn finish(&mut self, id: ClientId) {
        self.current = None;
        let now = self.now;
        let Some(client) = self.client_mut(id).filter(|client| client.waiting.is_none()) else { return };
        let Some(label) = client.label.take() else { return };
        if client.closing {
            return;
        }
        let caps = client.caps;
        let from_server = |command| MessageBuilder::new(command).source(&self.settings.server_name);
        let bytes = match &label.sent {
            Sent::Nothing => Line::new(from_server("ACK"), now).render(caps, Some(&label.label)),
            Sent::One(line) => line.render(caps, Some(&label.label)),
            Sent::Batch => {
                let end = from_server("BATCH").param([b"-", &*label.batch].concat());
                Line::new(end, now).render(caps, None)
            }
        };
        self.effects.push(Effect::Send(id, bytes));
    }

    /// The clients of this node in a channel.
    pub(in crate::server) fn clients_in(&self, channel: &names::Key) -> Vec<ClientId> {
        let members = self.channels.get(channel).map(|channel| &channel.members);
        members.into_iter().flatten().filter_map(|(_, member)| member.client).collect()
    }

    /// The clients of this node that see a user: itself, and all that share a channel with it.
    pub(in crate::server) fn clients_that_see(&self, user: Uid) -> Vec<ClientId> {
        let Some(user) = self.users.get(&user) else { return Vec::new() };
        let mut clients: Vec<_> = user.channels.iter().flat_map(|channel| self.clients_in(channel)).collect();
        clients.extend(user.client);
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    /// Those that have asked for these capabilities.
    pub(in crate::server) fn with_caps(&self, clients: &[ClientId], caps: Caps) -> Vec<ClientId> {
        let has = |id: &&ClientId| self.client(**id).is_some_and(|client| client.caps.has(caps));
        clients.iter().filter(has).copied().collect()
    }
}

/// The line as part of a response, unless it is part of a batch within it.
fn within(line: &Line, batch: &Name) -> Line {
    if line.is_in_batch() { line.clone() } else { line.clone().in_batch(batch) }
}
