//! Logs what is said in a channel of IRC to a file, and answers those who speak to it:
//! `irc_log_bot [SERVER [CHANNEL [FILE]]]`. Those who say `logbot: hello!` in the channel are told that it is one.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::rc::Rc;
use std::{env, io};

use chrono::{DateTime, Utc};
use protocols::irc::{IrcClient, IrcClientFactory, IrcClientHandler, IrcClientReceiver, Source};
use reactor::connect::Backoff;
use reactor::text::escaped;
use reactor::{CloseReason, Reactor};

/// Writes what happens to a file, with the time.
#[derive(Clone)]
struct MessageLogger {
    reactor: Reactor,
    file: Rc<File>,
}

impl MessageLogger {
    fn log(&self, message: impl Display) {
        let time = DateTime::<Utc>::from(self.reactor.time_of_day()).format("[%H:%M:%S]");
        if let Err(error) = writeln!(&*self.file, "{time} {message}") {
            eprintln!("cannot write the log: {error}");
        }
    }
}

struct LogBot {
    irc: IrcClient,
    channel: String,
    logger: MessageLogger,
}

impl IrcClientHandler for LogBot {
    fn connection_made(&mut self) {
        self.logger.log("[connected]");
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.logger.log(format_args!("[disconnected: {reason}]"));
    }

    fn signed_on(&mut self) {
        self.irc.join(&self.channel);
    }

    fn joined(&mut self, channel: &[u8]) {
        self.logger.log(format_args!("[I have joined {}]", escaped(channel)));
    }

    fn privmsg(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {
        let (name, me) = (user.name(), self.irc.nick());
        self.logger.log(format_args!("<{}> {}", escaped(name), escaped(text)));
        if self.irc.is_me(target) {
            self.irc.msg(name, "It isn't nice to whisper!  Play nice with the group.");
        } else if text.strip_prefix(&me[..]).is_some_and(|rest| rest.starts_with(b":")) {
            let answer = [name, b": I am a log bot"].concat();
            self.irc.msg(target, &answer);
            self.logger.log(format_args!("<{}> {}", escaped(&me), escaped(&answer)));
        }
    }

    fn action(&mut self, user: Source<'_>, _target: &[u8], text: &[u8]) {
        self.logger.log(format_args!("* {} {}", escaped(user.name()), escaped(text)));
    }

    fn user_renamed(&mut self, user: Source<'_>, nick: &[u8]) {
        self.logger.log(format_args!("{} is now known as {}", escaped(user.name()), escaped(nick)));
    }

    // For fun: the default appends an underscore.
    fn alter_collided_nick(&mut self, nick: &[u8]) -> Vec<u8> {
        [nick, b"^"].concat()
    }
}

fn bots(channel: String, logger: MessageLogger) -> IrcClientFactory<impl FnMut(IrcClient) -> LogBot> {
    let bot = move |irc| LogBot { irc, channel: channel.clone(), logger: logger.clone() };
    IrcClientReceiver::factory("logbot", bot)
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let (server, channel, path) = (argument("localhost:6667"), argument("#test"), argument("test.log"));
    let reactor = Reactor::new()?;
    let file = Rc::new(OpenOptions::new().append(true).create(true).open(path)?);
    reactor
        .connect_tcp(server, bots(channel, MessageLogger { reactor: reactor.clone(), file }))
        .on_failed(|_, error| println!("connection failed: {error}"))
        .retry(Backoff::new());
    reactor.run()
}
