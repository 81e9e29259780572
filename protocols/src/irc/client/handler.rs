use reactor::{CloseReason, OnEof};

use crate::irc::client::handle::IrcClient;
use crate::irc::ctcp::Ctcp;
use crate::irc::message::Message;
use crate::irc::message::source::Source;
use crate::irc::mode_changes::ModeChanges;
use crate::receiver::into_handler::IntoHandler;

/// What a user of [`IrcClientReceiver`](crate::irc::IrcClientReceiver) implements: a client, such as a bot. Twisted's
/// `IRCClient`.
///
/// It is built with its [`IrcClient`], by which it talks, and keeps it in a plain field. Every callback may be left out; each
/// has Twisted's name. The order is that of the stream, and messages wait as in [`LineHandler`](crate::LineHandler).
///
/// All names and texts are bytes, as others sent them: show them escaped, and do not take them for UTF-8.
///
/// ```
/// use protocols::irc::{IrcClient, IrcClientHandler, IrcClientReceiver, Source};
/// use reactor::testing::StringTransport;
///
/// struct Parrot { irc: IrcClient }
///
/// impl IrcClientHandler for Parrot {
///     fn signed_on(&mut self) {
///         self.irc.join("#birds");
///     }
///     fn privmsg(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {
///         let to = if self.irc.is_me(target) { user.name() } else { target };
///         self.irc.msg(to, text);
///     }
/// }
///
/// let mut wire = StringTransport::connect(IrcClientReceiver::factory("polly", |irc| Parrot { irc }));
/// assert_eq!(wire.take_written_text(), "NICK polly\r\nUSER polly 0 * :polly\r\n");
/// wire.receive(":irc.example.org 001 polly :Welcome\r\n");
/// assert_eq!(wire.take_written_text(), "JOIN #birds\r\n");
/// wire.receive(":ann!a@example.org PRIVMSG #birds :hello\r\n");
/// assert_eq!(wire.take_written_text(), "PRIVMSG #birds :hello\r\n");
/// ```
#[expect(unused_variables, reason = "the defaults do nothing")]
pub trait IrcClientHandler: 'static {
    /// The connection is established, and the client has begun to register. Twisted's `connectionMade`.
    fn connection_made(&mut self) {}

    /// The server has sent this message. Called for each, also those that other callbacks tell of, and before these.
    /// Twisted's `irc_unknown` and `handleCommand`.
    fn message_received(&mut self, message: &Message<'_>) {}

    /// The server has accepted this client: it may talk and join channels. What it supports is not known yet. Twisted's
    /// `signedOn`.
    fn signed_on(&mut self) {}

    /// The nick is in use: returns the one to ask for instead. Called until one is free, at most 20 times. Twisted's
    /// `alterCollidedNick`.
    fn alter_collided_nick(&mut self, nick: &[u8]) -> Vec<u8> {
        [nick, b"_"].concat()
    }

    /// This client has another nick. Twisted's `nickChanged`.
    fn nick_changed(&mut self, nick: &[u8]) {}

    /// This client has joined a channel. Twisted's `joined`.
    fn joined(&mut self, channel: &[u8]) {}

    /// This client has left a channel. Twisted's `left`.
    fn left(&mut self, channel: &[u8]) {}

    /// Somebody has removed this client from a channel. Twisted's `kickedFrom`.
    fn kicked_from(&mut self, channel: &[u8], kicker: Source<'_>, text: &[u8]) {}

    /// Somebody has said something in a channel, or to this client alone if `target` is its nick. Twisted's `privmsg`.
    fn privmsg(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {}

    /// The same as a notice, which a program must not answer. Twisted's `noticed`.
    fn noticed(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {}

    /// Somebody has said what they do: `/me waves`. Twisted's `action`.
    fn action(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {}

    /// Somebody else has joined a channel. Twisted's `userJoined`.
    fn user_joined(&mut self, user: Source<'_>, channel: &[u8]) {}

    /// Somebody else has left a channel. Twisted's `userLeft`.
    fn user_left(&mut self, user: Source<'_>, channel: &[u8], text: &[u8]) {}

    /// Somebody has left the network. Twisted's `userQuit`.
    fn user_quit(&mut self, user: Source<'_>, text: &[u8]) {}

    /// Somebody has removed somebody else from a channel. Twisted's `userKicked`.
    fn user_kicked(&mut self, nick: &[u8], channel: &[u8], kicker: Source<'_>, text: &[u8]) {}

    /// Somebody else has another nick. Twisted's `userRenamed`.
    fn user_renamed(&mut self, user: Source<'_>, nick: &[u8]) {}

    /// A channel's topic, when this client joins or asks for it, and when somebody changes it; empty if there is none. `user`
    /// is the server in the first two cases. Twisted's `topicUpdated`.
    fn topic_updated(&mut self, user: Source<'_>, channel: &[u8], topic: &[u8]) {}

    /// Somebody has changed modes of a channel, or of this client. Twisted's `modeChanged`.
    fn mode_changed(&mut self, user: Source<'_>, target: &[u8], changes: ModeChanges<'_>) {}

    /// Somebody invites this client to a channel.
    fn invited(&mut self, user: Source<'_>, channel: &[u8]) {}

    /// Somebody has sent a CTCP query that is no action; returns who answers it. Twisted's `ctcpQuery`.
    ///
    /// The usual answers are those to `PING`, `TIME`, `CLIENTINFO`, `ERRMSG` and, if the factory was told one, `VERSION`; there
    /// are at most five at once and then one in two seconds, so that others cannot make this client flood a server.
    fn ctcp_query(&mut self, user: Source<'_>, target: &[u8], query: Ctcp<'_>) -> OnCtcpQuery {
        OnCtcpQuery::AnswerAsUsual
    }

    /// Somebody has answered a CTCP query. Twisted's `ctcpReply`.
    fn ctcp_reply(&mut self, user: Source<'_>, target: &[u8], reply: Ctcp<'_>) {}

    /// The server has ended its stream; no message follows.
    fn eof_received(&mut self) -> OnEof {
        OnEof::Close
    }

    /// As [`Protocol::pause_writing`](reactor::Protocol::pause_writing).
    fn pause_writing(&mut self) {}

    /// As [`Protocol::resume_writing`](reactor::Protocol::resume_writing).
    fn resume_writing(&mut self) {}

    /// The connection has ended; this is the last callback. Twisted's `connectionLost`.
    fn connection_lost(&mut self, reason: CloseReason) {}
}

/// What to do about a CTCP query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnCtcpQuery {
    /// Answers it, if there is a usual answer.
    AnswerAsUsual,
    /// Does nothing: the handler has answered, or does not want to.
    Nothing,
}

impl<H: IrcClientHandler> IntoHandler<IrcClient> for H {
    type Handler = H;

    fn into_handler(self) -> Option<H> {
        Some(self)
    }
}
