//! Which callback is told of which message.

use std::rc::Rc;

use crate::irc::client::ctcp_answers::CtcpAnswers;
use crate::irc::client::handle::IrcClient;
use crate::irc::client::handler::{IrcClientHandler, OnCtcpQuery};
use crate::irc::ctcp::Ctcp;
use crate::irc::message::Message;
use crate::irc::message::builder::MessageBuilder;
use crate::irc::message::source::Source;
use crate::irc::mode_changes::{ModeChanges, ModeKinds};

/// Does what a message asks for, and tells the handler of it.
pub(crate) fn dispatch<H: IrcClientHandler>(
    message: &Message<'_>,
    handler: &mut H,
    irc: &IrcClient,
    answers: &mut CtcpAnswers,
) {
    let from = message.source().unwrap_or_else(|| Source::parse(b""));
    let is_mine = irc.is_me(from.name());
    if is_mine {
        irc.saw_myself(from);
    }
    let text = message.params().last().copied().unwrap_or_default();
    match (message.command().to_ascii_uppercase().as_slice(), message.params()) {
        (b"PING", [.., token]) => irc.send_now(&MessageBuilder::new("PONG").trailing(token)),
        (b"005", _) => Rc::make_mut(&mut irc.0.kind.support.borrow_mut()).update(message),
        (b"NICK", [nick, ..]) if is_mine => {
            irc.set_own_nick(nick);
            handler.nick_changed(nick);
        }
        (b"NICK", [nick, ..]) => handler.user_renamed(from, nick),
        (b"JOIN", [channel, ..]) if is_mine => handler.joined(channel),
        (b"JOIN", [channel, ..]) => handler.user_joined(from, channel),
        (b"PART", [channel, ..]) if is_mine => handler.left(channel),
        (b"PART", [channel, rest @ ..]) => handler.user_left(from, channel, rest.first().copied().unwrap_or_default()),
        (b"QUIT", _) if !is_mine => handler.user_quit(from, text),
        (b"KICK", [channel, nick, rest @ ..]) => {
            let text = rest.first().copied().unwrap_or_default();
            if irc.is_me(nick) {
                handler.kicked_from(channel, from, text);
            } else {
                handler.user_kicked(nick, channel, from, text);
            }
        }
        (b"TOPIC", [channel, topic]) | (b"332", [_, channel, topic]) => handler.topic_updated(from, channel, topic),
        (b"331", [_, channel, ..]) => handler.topic_updated(from, channel, b""),
        (b"MODE", [target, changes @ ..]) => {
            let support = irc.support();
            let kinds = if support.is_channel(target) { support.channel_modes() } else { ModeKinds::default() };
            handler.mode_changed(from, target, ModeChanges::parse(changes, &kinds));
        }
        (b"INVITE", [nick, channel, ..]) if irc.is_me(nick) => handler.invited(from, channel),
        (b"PRIVMSG", [target, text, ..]) => match Ctcp::parse(text) {
            Some(action) if action.is_command("ACTION") => handler.action(from, target, action.params()),
            // With `echo-message`, a query of one's own comes back.
            Some(_) if is_mine => {}
            Some(query) => match handler.ctcp_query(from, target, query) {
                OnCtcpQuery::AnswerAsUsual => answers.answer(from, query, irc),
                OnCtcpQuery::Nothing => {}
            },
            None => handler.privmsg(from, target, text),
        },
        (b"NOTICE", [target, text, ..]) => match Ctcp::parse(text) {
            Some(reply) => handler.ctcp_reply(from, target, reply),
            None => handler.noticed(from, target, text),
        },
        _ => {}
    }
}
