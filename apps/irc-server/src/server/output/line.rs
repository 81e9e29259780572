//! Lines to clients: one body, and the tags that each client has asked for.

use bytes::{BufMut, Bytes, BytesMut};
use protocols::irc::MessageBuilder;

use crate::server::output::capabilities::Caps;
use crate::server::values::names::Name;
use crate::server::values::speech::Speech;
use crate::server::values::timestamp::Timestamp;

/// A line to one client or to many.
#[derive(Clone, Debug)]
pub(in crate::server) struct Line {
    body: Bytes,
    time: Timestamp,
    msgid: Option<Name>,
    account: Option<Name>,
    bot: bool,
    client_tags: Option<Name>,
    batch: Option<Name>,
}

/// The capabilities that make a line look different.
const VISIBLE: [Caps; 4] = [Caps::SERVER_TIME, Caps::MESSAGE_TAGS, Caps::ACCOUNT_TAG, Caps::BATCH];

impl Line {
    /// A line of the server itself, or of a user whose account does not matter.
    pub(in crate::server) fn new(message: MessageBuilder, time: Timestamp) -> Self {
        let body = message.to_bytes();
        Self { body, time, msgid: None, account: None, bot: false, client_tags: None, batch: None }
    }

    /// A line that somebody has said.
    pub(in crate::server) fn said(message: MessageBuilder, speech: &Speech) -> Self {
        Self {
            msgid: Some(speech.msgid.clone()),
            account: speech.account.clone(),
            bot: speech.bot,
            client_tags: speech.tags.clone(),
            ..Self::new(message, speech.at)
        }
    }

    /// The same line of somebody with an account.
    pub(in crate::server) fn by(mut self, account: Option<&Name>, bot: bool) -> Self {
        self.account = account.cloned();
        self.bot = bot;
        self
    }

    /// The same line as part of a batch.
    pub(in crate::server) fn in_batch(mut self, batch: &Name) -> Self {
        self.batch = Some(batch.clone());
        self
    }

    /// Whether it is part of a batch.
    pub(in crate::server) fn is_in_batch(&self) -> bool {
        self.batch.is_some()
    }

    /// The bytes for a client with these capabilities.
    pub(in crate::server) fn render(&self, caps: Caps, label: Option<&[u8]>) -> Bytes {
        let mut tags = Tags(BytesMut::new());
        if let Some(label) = label {
            tags.put(b"label", label);
        }
        if let Some(batch) = self.batch.as_ref().filter(|_| caps.has(Caps::BATCH)) {
            tags.put(b"batch", batch);
        }
        if caps.has(Caps::SERVER_TIME) {
            tags.put(b"time", self.time.to_iso().as_bytes());
        }
        if let Some(account) = self.account.as_ref().filter(|_| caps.has(Caps::ACCOUNT_TAG)) {
            tags.put(b"account", account);
        }
        if caps.has(Caps::MESSAGE_TAGS) {
            if let Some(msgid) = &self.msgid {
                tags.put(b"msgid", msgid);
            }
            if self.bot {
                tags.put(b"bot", b"");
            }
            if let Some(client_tags) = &self.client_tags {
                tags.put(client_tags, b"");
            }
        }
        let mut bytes = tags.0;
        if bytes.is_empty() {
            return self.body.clone();
        }
        bytes.put_u8(b' ');
        bytes.extend_from_slice(&self.body);
        bytes.freeze()
    }
}

struct Tags(BytesMut);

impl Tags {
    /// Adds a tag whose value needs no escape.
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.put_u8(if self.0.is_empty() { b'@' } else { b';' });
        self.0.extend_from_slice(key);
        if !value.is_empty() {
            self.0.put_u8(b'=');
            self.0.extend_from_slice(value);
        }
    }
}

/// A line to many: rendered once for all that see it alike.
pub(in crate::server) struct Rendered<'a> {
    line: &'a Line,
    variants: [Option<Bytes>; 1 << VISIBLE.len()],
}

impl<'a> Rendered<'a> {
    /// Renders nothing yet.
    pub(in crate::server) fn new(line: &'a Line) -> Self {
        Self { line, variants: Default::default() }
    }

    /// The bytes for a client with these capabilities, shared with all that see the same.
    pub(in crate::server) fn bytes(&mut self, caps: Caps) -> Bytes {
        let bits = VISIBLE.iter().enumerate().map(|(bit, cap)| usize::from(caps.has(*cap)) << bit).sum::<usize>();
        self.variants[bits].get_or_insert_with(|| self.line.render(caps, None)).clone()
    }
}
