//! `PRIVMSG`, `NOTICE` and `TAGMSG`.

use protocols::irc::{Message, numeric};

use crate::server::Server;
use crate::server::apply::speech::said;
use crate::server::commands::channels::is_banned;
use crate::server::commands::{Caller, entries, or_star};
use crate::server::effect::Effect;
use crate::server::event::{Event, Target};
use crate::server::output::capabilities::Caps;
use crate::server::output::line::Line;
use crate::server::request::Record;
use crate::server::tables::client::Waiting;
use crate::server::tables::user::UserModes;
use crate::server::values::ids::ClientId;
use crate::server::values::modes::STATUSES;
use crate::server::values::names::{Key, Name, key, looks_like_channel};
use crate::server::values::speech::{Kind, Speech};

/// The most bytes of tags that a client may send, as the specification has it.
const LONGEST_TAGS: usize = 4094;

impl Server {
    pub(in crate::server::commands) fn say(&mut self, caller: Caller, message: &Message<'_>) {
        let id = caller.id;
        let kind = match &*message.command().to_ascii_uppercase() {
            b"NOTICE" => Kind::Notice,
            b"TAGMSG" => Kind::Tagmsg,
            _ => Kind::Privmsg,
        };
        let Some(targets) = message.param(0).filter(|targets| !targets.is_empty()) else {
            if kind != Kind::Notice {
                self.numeric(id, numeric::ERR_NORECIPIENT, |line| {
                    line.trailing(format!("No recipient given ({})", kind.name()))
                });
            }
            return;
        };
        let text = message.param(1).unwrap_or_default();
        if text.is_empty() && kind != Kind::Tagmsg {
            if kind == Kind::Privmsg {
                self.numeric(id, numeric::ERR_NOTEXTTOSEND, |line| line.trailing("No text to send"));
            }
            return;
        }
        let has_tags = self.client(id).is_some_and(|client| client.caps.has(Caps::MESSAGE_TAGS));
        let tags = if has_tags { client_tags(message) } else { None };
        if kind == Kind::Tagmsg && tags.is_none() {
            return;
        }
        let most = self.settings.limits.targets;
        let (mut lines, mut records) = (Vec::new(), Vec::new());
        for (number, target) in entries(targets).enumerate() {
            if number >= most {
                self.numeric(id, numeric::ERR_TOOMANYTARGETS, |line| {
                    line.param(or_star(target)).trailing("Too many targets")
                });
                break;
            }
            let Some((line, record)) = self.say_to(caller, kind, target, text, tags.clone()) else { continue };
            lines.push(line);
            records.extend(record);
        }
        let wants_echo = self.client(id).is_some_and(|client| client.caps.has(Caps::ECHO_MESSAGE));
        if records.is_empty() {
            if wants_echo {
                lines.iter().for_each(|line| self.send(id, line));
            }
        } else if wants_echo {
            self.wait(id, Waiting::Echo(lines), Effect::Keep(records, Some(id)));
        } else {
            self.effects.push(Effect::Keep(records, None));
        }
    }

    /// Tells a target, and returns the line for the speaker's echo and what is kept of it, if that is kept.
    fn say_to(
        &mut self,
        caller: Caller,
        kind: Kind,
        target: &[u8],
        text: &[u8],
        tags: Option<Name>,
    ) -> Option<(Line, Option<Record>)> {
        let (to, shown, conversation) = self.find_target(caller, kind, target, text)?;
        let number = self.next_number();
        let now = self.now;
        let speaker = self.users.get_mut(&caller.user)?;
        speaker.active = now;
        let speech = Speech {
            msgid: format!("{:x}-{number:x}", self.node.0).into_bytes().into(),
            at: now,
            kind,
            source: speaker.mask(),
            account: speaker.about.account.clone(),
            bot: speaker.is(UserModes::BOT),
            tags,
            text: text.into(),
        };
        let line = said(&speech, &shown);
        let is_kept = kind != Kind::Tagmsg && self.settings.history.enabled;
        let record = is_kept.then(|| Record { target: conversation, speech: speech.clone(), shown });
        self.happen(Event::Speech { user: caller.user, to, speech: Box::new(speech) });
        Some((line, record))
    }

    /// What was said is kept: its speaker gets it back, and knows by that.
    pub(in crate::server::commands) fn echo(&mut self, id: ClientId, lines: &[Line], kept: bool) {
        if kept {
            lines.iter().for_each(|line| self.send(id, line));
        } else {
            self.fail(id, "PRIVMSG", "MESSAGE_NOT_KEPT", &[], "Others were told, but the history has not got it");
        }
    }

    /// Where a line goes, how that is written, and the conversation it belongs to; or tells why it may not go there.
    fn find_target(&mut self, caller: Caller, kind: Kind, target: &[u8], text: &[u8]) -> Option<(Target, Name, Name)> {
        let (prefix, name) = match target.split_first() {
            Some((first, rest)) if STATUSES.iter().any(|&(_, prefix)| prefix == *first) && looks_like_channel(rest) => {
                (Some(*first), rest)
            }
            _ => (None, target),
        };
        if looks_like_channel(name) {
            return self.find_channel(caller, kind, prefix, name, text);
        }
        if &*key(name) == b"nickserv" {
            if kind == Kind::Privmsg {
                self.nickserv(caller, text);
            }
            return None;
        }
        let Some(&user) = self.nicks.get(&key(name)) else {
            if kind != Kind::Notice {
                self.no_such_nick(caller.id, name);
            }
            return None;
        };
        let (to, from) = (self.users.get(&user)?, self.users.get(&caller.user)?);
        let (nick, away) = (to.about.nick.clone(), to.about.away.clone());
        if to.is(UserModes::REGISTERED_ONLY) && from.about.account.is_none() && user != caller.user {
            if kind != Kind::Notice {
                self.numeric(caller.id, numeric::ERR_NEEDREGGEDNICK, |line| {
                    line.param(nick).trailing("They hear those only who are logged in to an account")
                });
            }
            return None;
        }
        let conversation = conversation_of(&from.identity(), &to.identity());
        if let Some(away) = away.filter(|_| kind == Kind::Privmsg) {
            self.numeric(caller.id, numeric::RPL_AWAY, |line| line.param(&nick).trailing(away));
        }
        Some((Target::User(user), nick, conversation))
    }

    fn find_channel(
        &mut self,
        caller: Caller,
        kind: Kind,
        prefix: Option<u8>,
        name: &[u8],
        text: &[u8],
    ) -> Option<(Target, Name, Name)> {
        let Some(channel) = self.channels.get(&key(name)) else {
            if kind != Kind::Notice {
                self.no_such_channel(caller.id, name);
            }
            return None;
        };
        let speaker = self.users.get(&caller.user)?;
        let member = channel.members.get(&caller.user);
        let has_voice = member.is_some_and(|member| member.has_at_least(b'+'));
        let is_ctcp = text.first() == Some(&1) && !text.starts_with(b"\x01ACTION");
        let refused = if member.is_none() && channel.is(b'n') {
            Some("Cannot send to channel (+n)")
        } else if channel.is(b'm') && !has_voice {
            Some("Cannot send to channel (+m)")
        } else if channel.is(b'M') && !has_voice && speaker.about.account.is_none() {
            Some("Cannot send to channel (+M): log in to an account first")
        } else if channel.is(b'C') && is_ctcp {
            Some("Cannot send CTCP to channel (+C)")
        } else if !has_voice && is_banned(channel, speaker) {
            Some("Cannot send to channel (+b)")
        } else {
            None
        };
        let shown = channel.name.clone();
        if let Some(text) = refused {
            if kind != Kind::Notice {
                self.numeric(caller.id, numeric::ERR_CANNOTSENDTOCHAN, |line| line.param(shown).trailing(text));
            }
            return None;
        }
        let written = prefix.map_or_else(|| shown.clone(), |prefix| [&[prefix], &*shown].concat().into());
        // What is for operators alone is kept apart, as if that were another channel.
        Some((Target::Channel { name: shown, prefix }, written.clone(), key(&written)))
    }
}

/// The key of a conversation of two, the same from both sides.
pub(super) fn conversation_of(one: &Key, other: &Key) -> Key {
    let (first, second) = if one <= other { (one, other) } else { (other, one) };
    [&**first, b",", &**second].concat().into()
}

/// The tags that are the client's own, as they came: those with a plus in front.
fn client_tags(message: &Message<'_>) -> Option<Name> {
    let raw = message.tags().as_bytes();
    let own: Vec<_> =
        raw.split(|&byte| byte == b';').filter(|tag| tag.len() > 1 && tag[0] == b'+' && tag[1] != b'=').collect();
    let tags = own.join(&b';');
    (!tags.is_empty() && tags.len() <= LONGEST_TAGS).then(|| tags.into())
}
