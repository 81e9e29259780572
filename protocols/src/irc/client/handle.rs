use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;

use reactor::Transport;

use crate::irc::client::line_queue::{GoOnLater, LineQueue};
use crate::irc::client::settings::ClientSettings;
use crate::irc::client::split::split;
use crate::irc::ctcp::Ctcp;
use crate::irc::message::builder::{MAX_BODY, MessageBuilder};
use crate::irc::message::source::Source;
use crate::irc::server_support::ServerSupport;
use crate::receiver::handle::Handle;

/// A handle of one connection of an IRC client, by which an [`IrcClientHandler`](crate::irc::IrcClientHandler) talks, joins
/// channels and asks. [`Handle`] has what all handles share: closing, pausing, timers.
///
/// Its methods have the names of Twisted's `IRCClient`. All of them send a message and return at once; the server's answer
/// comes to a callback. A text or name that is given to them can add no line and no parameter: see [`MessageBuilder`].
pub type IrcClient = Handle<IrcClientKind>;

/// The kind of [`Handle`] behind [`IrcClient`], for code that is generic over handles.
pub struct IrcClientKind {
    pub(crate) settings: Rc<ClientSettings>,
    pub(crate) nick: RefCell<Vec<u8>>,
    /// The length of `nick!user@host`, as others last saw it.
    source_len: Cell<Option<usize>>,
    pub(crate) support: RefCell<Rc<ServerSupport>>,
    pub(crate) capabilities: RefCell<BTreeSet<Vec<u8>>>,
    queue: RefCell<LineQueue>,
    go_on_later: GoOnLater,
}

impl IrcClientKind {
    pub(crate) fn new(settings: Rc<ClientSettings>, transport: &Transport, go_on_later: GoOnLater) -> Self {
        Self {
            nick: RefCell::new(settings.nick.clone()),
            source_len: Cell::new(None),
            support: RefCell::default(),
            capabilities: RefCell::default(),
            queue: RefCell::new(LineQueue::new(transport)),
            go_on_later,
            settings,
        }
    }
}

impl IrcClient {
    /// The nick that this client has, or, before it has signed on, asks for.
    pub fn nick(&self) -> Vec<u8> {
        self.0.kind.nick.borrow().clone()
    }

    /// Whether a nick is this client's own.
    pub fn is_me(&self, nick: &[u8]) -> bool {
        self.0.kind.support.borrow().case_mapping().eq(nick, &self.0.kind.nick.borrow())
    }

    /// What the server has said so far of what it supports. Twisted's `supported`.
    pub fn support(&self) -> Rc<ServerSupport> {
        Rc::clone(&self.0.kind.support.borrow())
    }

    /// Whether a capability has been agreed on, one of [those wished](crate::irc::IrcClientFactory::capabilities).
    pub fn has_capability(&self, name: &str) -> bool {
        self.0.kind.capabilities.borrow().contains(name.as_bytes())
    }

    /// Joins a channel. Twisted's `join`.
    pub fn join(&self, channel: impl AsRef<[u8]>) {
        self.command("JOIN", &[channel.as_ref()], b"");
    }

    /// Joins a channel that has a key.
    pub fn join_with_key(&self, channel: impl AsRef<[u8]>, key: impl AsRef<[u8]>) {
        self.command("JOIN", &[channel.as_ref(), key.as_ref()], b"");
    }

    /// Leaves a channel; the reason may be empty. Twisted's `leave`.
    pub fn leave(&self, channel: impl AsRef<[u8]>, reason: impl AsRef<[u8]>) {
        self.command("PART", &[channel.as_ref()], reason.as_ref());
    }

    /// Removes somebody from a channel; the reason may be empty. Twisted's `kick`.
    pub fn kick(&self, channel: impl AsRef<[u8]>, nick: impl AsRef<[u8]>, reason: impl AsRef<[u8]>) {
        self.command("KICK", &[channel.as_ref(), nick.as_ref()], reason.as_ref());
    }

    /// Invites somebody to a channel. Twisted's `invite`.
    pub fn invite(&self, nick: impl AsRef<[u8]>, channel: impl AsRef<[u8]>) {
        self.command("INVITE", &[nick.as_ref(), channel.as_ref()], b"");
    }

    /// Asks for a channel's topic, which comes to
    /// [`topic_updated`](crate::irc::IrcClientHandler::topic_updated).
    pub fn topic(&self, channel: impl AsRef<[u8]>) {
        self.command("TOPIC", &[channel.as_ref()], b"");
    }

    /// Sets a channel's topic; empty for none. Twisted's `topic`.
    pub fn set_topic(&self, channel: impl AsRef<[u8]>, topic: impl AsRef<[u8]>) {
        self.send(MessageBuilder::new("TOPIC").param(channel).trailing(topic));
    }

    /// Changes modes of a channel or of oneself: `irc.mode("#rust", "+o-v", ["ann", "bob"])`. Twisted's `mode`.
    pub fn mode<P: AsRef<[u8]>>(
        &self,
        target: impl AsRef<[u8]>,
        modes: impl AsRef<[u8]>,
        params: impl IntoIterator<Item = P>,
    ) {
        let message = MessageBuilder::new("MODE").param(target).param(modes);
        self.send(params.into_iter().fold(message, MessageBuilder::param));
    }

    /// Says something in a channel, or to somebody. Each line of the text is a message, or several, if it is longer than
    /// what others could receive in one. Twisted's `say` and `msg`.
    pub fn msg(&self, target: impl AsRef<[u8]>, text: impl AsRef<[u8]>) {
        self.send_text("PRIVMSG", target.as_ref(), text.as_ref());
    }

    /// The same as a notice, which programs must not answer. Twisted's `notice`.
    pub fn notice(&self, target: impl AsRef<[u8]>, text: impl AsRef<[u8]>) {
        self.send_text("NOTICE", target.as_ref(), text.as_ref());
    }

    /// Says what one does: `/me waves` of other clients. Twisted's `describe`.
    pub fn describe(&self, target: impl AsRef<[u8]>, action: impl AsRef<[u8]>) {
        let target = target.as_ref();
        let room = self.room_for_text("PRIVMSG", target).saturating_sub(Ctcp::text("ACTION", " ").len());
        for piece in split(action.as_ref(), room) {
            self.ctcp_query(target, "ACTION", piece);
        }
    }

    /// Sends a CTCP query. The answer comes to [`ctcp_reply`](crate::irc::IrcClientHandler::ctcp_reply). Twisted's
    /// `ctcpMakeQuery`.
    pub fn ctcp_query(&self, target: impl AsRef<[u8]>, command: impl AsRef<[u8]>, params: impl AsRef<[u8]>) {
        self.command("PRIVMSG", &[target.as_ref()], &Ctcp::text(command, params));
    }

    /// Answers a CTCP query. Twisted's `ctcpMakeReply`.
    pub fn ctcp_reply(&self, nick: impl AsRef<[u8]>, command: impl AsRef<[u8]>, params: impl AsRef<[u8]>) {
        self.command("NOTICE", &[nick.as_ref()], &Ctcp::text(command, params));
    }

    /// Asks for another nick. Twisted's `setNick`.
    pub fn set_nick(&self, nick: impl AsRef<[u8]>) {
        self.command("NICK", &[nick.as_ref()], b"");
    }

    /// Says that one is away. Twisted's `away`.
    pub fn away(&self, text: impl AsRef<[u8]>) {
        self.command("AWAY", &[], text.as_ref());
    }

    /// Says that one is back. Twisted's `back`.
    pub fn back(&self) {
        self.command("AWAY", &[], b"");
    }

    /// Asks who somebody is; the answers come to
    /// [`message_received`](crate::irc::IrcClientHandler::message_received). Twisted's `whois`.
    pub fn whois(&self, nick: impl AsRef<[u8]>) {
        self.command("WHOIS", &[nick.as_ref()], b"");
    }

    /// Says goodbye; the server closes the connection. The reason may be empty. Twisted's `quit`.
    pub fn quit(&self, reason: impl AsRef<[u8]>) {
        self.command("QUIT", &[], reason.as_ref());
    }

    fn command(&self, command: &str, params: &[&[u8]], text: &[u8]) {
        let message = params.iter().fold(MessageBuilder::new(command), MessageBuilder::param);
        self.send(if text.is_empty() { message } else { message.trailing(text) });
    }

    fn send_text(&self, command: &str, target: &[u8], text: &[u8]) {
        for piece in split(text, self.room_for_text(command, target)) {
            self.command(command, &[target], piece);
        }
    }

    /// The bytes of text that fit a message as the server passes it on: with this client's name in front.
    fn room_for_text(&self, command: &str, target: &[u8]) -> usize {
        let source_len = self.0.kind.source_len.get().unwrap_or_else(|| {
            let nick_len = self.support().number(b"NICKLEN").unwrap_or_default().max(self.0.kind.nick.borrow().len());
            nick_len.saturating_add("!@".len() + MAX_USER_NAME + MAX_HOST)
        });
        let around = ":   :\r\n".len() + source_len + command.len() + target.len();
        MAX_BODY.saturating_sub(around).max(LEAST_ROOM)
    }

    /// Sends any other message, at the rate that the factory was told. Twisted's `sendCommand`.
    pub fn send(&self, message: MessageBuilder) {
        let kind = &self.0.kind;
        let Some(rate) = kind.settings.line_rate else { return self.send_now(&message) };
        if kind.queue.borrow_mut().send(message.to_bytes(), self.transport()) {
            (kind.go_on_later)(self.transport(), rate);
        }
    }

    /// Sends a message before those that wait: what keeps the connection alive, and what makes it.
    pub(crate) fn send_now(&self, message: &MessageBuilder) {
        self.transport().write_sequence(&message.pieces());
    }

    /// Sends the next line that waits.
    pub(crate) fn go_on(&self) {
        let kind = &self.0.kind;
        if let Some(rate) = kind.settings.line_rate
            && kind.queue.borrow_mut().go_on(self.transport())
        {
            (kind.go_on_later)(self.transport(), rate);
        }
    }

    pub(crate) fn drop_queue(&self) {
        self.0.kind.queue.borrow_mut().clear();
    }

    /// Records how others see this client.
    pub(crate) fn saw_myself(&self, source: Source<'_>) {
        if source.host().is_some() {
            self.0.kind.source_len.set(Some(source.as_bytes().len()));
        }
    }

    pub(crate) fn set_own_nick(&self, nick: &[u8]) {
        let kind = &self.0.kind;
        let before = kind.nick.replace(nick.to_vec());
        kind.source_len.set(kind.source_len.get().map(|len| len.saturating_sub(before.len()) + nick.len()));
    }
}

/// The longest user name that servers show, by observation.
const MAX_USER_NAME: usize = 11;

/// The longest name of a host (RFC 2812, section 2.3.1).
const MAX_HOST: usize = 63;

/// Some text is sent whatever the names in front of it.
const LEAST_ROOM: usize = 16;

impl fmt::Debug for IrcClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IrcClientKind").field("settings", &self.settings).finish_non_exhaustive()
    }
}
