//! What clients may ask for: one file for each group of commands. A command checks, and makes an [`Event`](super::Event).

mod channels;
mod connection;
mod information;
mod operators;
mod people;
mod talk;

pub(in crate::server) use connection::nickserv;
pub(in crate::server) use people::whowas;
pub(in crate::server) use talk::history;

use protocols::irc::{Message, numeric};

use crate::server::request::{Answer, LoginFailure, Request};
use crate::server::tables::client::Waiting;
use crate::server::values::ids::{ClientId, Uid};
use crate::server::{Effect, Name, Server, key};

/// A client that is registered, and its user.
#[derive(Clone, Copy, Debug)]
struct Caller {
    id: ClientId,
    user: Uid,
}

/// Carries out what a client has sent.
pub(super) fn dispatch(server: &mut Server, id: ClientId, message: &Message<'_>) {
    let command = message.command().to_ascii_uppercase();
    if message.params().iter().any(|param| str::from_utf8(param).is_err()) {
        server.fail(id, &command, "INVALID_UTF8", &[], "Message rejected, because it is not UTF-8");
        return;
    }
    match &*command {
        b"CAP" => return server.cap(id, message),
        b"NICK" => return server.nick(id, message),
        b"USER" => return server.user(id, message),
        b"PASS" => return server.pass(id, message),
        b"AUTHENTICATE" => return server.authenticate(id, message),
        b"REGISTER" => return server.register(id, message),
        b"VERIFY" => return server.verify(id, message),
        b"PING" => return server.ping(id, message),
        b"QUIT" => return server.quit_command(id, message),
        b"PONG" | b"ERROR" => return,
        _ => {}
    }
    let Some(user) = server.client(id).and_then(|client| client.user) else {
        server.numeric(id, numeric::ERR_NOTREGISTERED, |line| line.trailing("You have not registered"));
        return;
    };
    let caller = Caller { id, user };
    match &*command {
        b"ADMIN" => server.admin(caller, message),
        b"AWAY" => server.away(caller, message),
        b"CHGHOST" => server.chghost(caller, message),
        b"CHATHISTORY" => server.chathistory(caller, message),
        b"HELP" | b"HELPOP" => server.help(caller, message),
        b"INFO" => server.info(caller, message),
        b"INVITE" => server.invite(caller, message),
        b"ISON" => server.ison(caller, message),
        b"JOIN" => server.join(caller, message),
        b"KICK" => server.kick(caller, message),
        b"KILL" => server.kill_command(caller, message),
        b"KLINE" => server.kline(caller, message),
        b"LINKS" => server.links(caller, message),
        b"LIST" => server.list(caller, message),
        b"LUSERS" => server.lusers(id),
        b"MODE" => server.mode(caller, message),
        b"MONITOR" => server.monitor(caller, message),
        b"MOTD" => server.motd_command(caller, message),
        b"NAMES" => server.names(caller, message),
        b"NICKSERV" | b"NS" => server.nickserv(caller, &message.params().join(&b' ')),
        b"NOTICE" | b"PRIVMSG" | b"TAGMSG" => server.say(caller, message),
        b"OPER" => server.oper(caller, message),
        b"PART" => server.part(caller, message),
        b"REHASH" => server.rehash(caller),
        b"SETNAME" => server.setname(caller, message),
        b"STATS" => server.stats(caller, message),
        b"TIME" => server.time(caller, message),
        b"TOPIC" => server.topic(caller, message),
        b"UNKLINE" => server.unkline(caller, message),
        b"USERHOST" => server.userhost(caller, message),
        b"VERSION" => server.version(caller, message),
        b"WALLOPS" => server.wallops(caller, message),
        b"WHO" => server.who(caller, message),
        b"WHOIS" => server.whois(caller, message),
        b"WHOWAS" => server.whowas(caller, message),
        _ => server.numeric(id, numeric::ERR_UNKNOWNCOMMAND, |line| line.param(&command).trailing("Unknown command")),
    }
}

/// What a client was waiting for has come.
pub(super) fn go_on(server: &mut Server, id: ClientId, waiting: Waiting, answer: Answer) {
    match (waiting, answer) {
        (Waiting::ServerPassword, Answer::Password(right)) => server.password_checked(id, right),
        (Waiting::Oper(name), Answer::Oper(privileges)) => server.oper_checked(id, &name, privileges),
        (Waiting::Sasl, Answer::Challenge(challenge)) => server.challenge(id, &challenge),
        (Waiting::Sasl, Answer::Login(result)) => server.sasl_done(id, server.if_there(result)),
        (Waiting::Register(account), Answer::Registered(result)) => server.registered(id, &account, result),
        (Waiting::RegisterByNickServ(account), Answer::Registered(result)) => {
            server.registered_by_nickserv(id, &account, result);
        }
        (Waiting::Identify, Answer::Login(result)) => server.identified(id, server.if_there(result)),
        (Waiting::Account(asked), Answer::Account(result)) => server.account_changed(id, &asked, result),
        (Waiting::History(asked), Answer::History(records)) => server.tell_history(id, &asked, records),
        (Waiting::Targets, Answer::Targets(targets)) => server.tell_targets(id, &targets),
        (Waiting::Echo(lines), Answer::Kept(kept)) => server.echo(id, &lines, kept),
        // An answer to another question: the shell mixes none up.
        _ => {}
    }
}

impl Server {
    /// The account that somebody has logged in to, unless it is not there: it was removed meanwhile.
    fn if_there(&self, login: Result<Name, LoginFailure>) -> Result<Name, LoginFailure> {
        let account = login?;
        if self.accounts.contains(&key(&account)) { Ok(account) } else { Err(LoginFailure::Unavailable) }
    }

    /// Has something answered for a client, which waits.
    fn ask(&mut self, id: ClientId, waiting: Waiting, request: Request) {
        self.wait(id, waiting, Effect::Ask(id, request));
    }

    /// Has something done that a client waits for.
    fn wait(&mut self, id: ClientId, waiting: Waiting, effect: Effect) {
        if let Some(client) = self.client_mut(id) {
            client.waiting = Some(waiting);
            self.effects.push(effect);
        }
    }

    fn need_more(&mut self, id: ClientId, command: &str) {
        self.numeric(id, numeric::ERR_NEEDMOREPARAMS, |line| line.param(command).trailing("Not enough parameters"));
    }

    fn no_such_nick(&mut self, id: ClientId, nick: &[u8]) {
        self.numeric(id, numeric::ERR_NOSUCHNICK, |line| line.param(or_star(nick)).trailing("No such nick"));
    }

    fn no_such_channel(&mut self, id: ClientId, channel: &[u8]) {
        self.numeric(id, numeric::ERR_NOSUCHCHANNEL, |line| line.param(or_star(channel)).trailing("No such channel"));
    }
}

/// A parameter that a numeric repeats: one that cannot stand in the middle of a line is a star.
fn or_star(text: &[u8]) -> &[u8] {
    let cannot = text.is_empty() || text.contains(&b' ') || text[0] == b':' || str::from_utf8(text).is_err();
    if cannot { b"*" } else { text }
}

/// The entries of a list with commas, without empty ones.
fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').filter(|entry| !entry.is_empty())
}

/// Entries in lines of at most about `room` bytes, with a separator between.
fn lines_of<E: AsRef<[u8]>>(entries: impl IntoIterator<Item = E>, separator: u8, room: usize) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for entry in entries {
        let entry = entry.as_ref();
        match lines.last_mut() {
            Some(line) if line.len() + entry.len() < room => {
                line.push(separator);
                line.extend_from_slice(entry);
            }
            _ => lines.push(entry.to_vec()),
        }
    }
    lines
}

/// The first `most` bytes of a text, and no part of a character.
fn cut(text: &[u8], most: usize) -> Name {
    let Ok(text) = std::str::from_utf8(text) else { return Name::default() };
    text.as_bytes()[..text.floor_char_boundary(most)].into()
}
