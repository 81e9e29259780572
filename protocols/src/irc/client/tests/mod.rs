mod happenings;
mod registering;
mod sending;
mod simulated;

use std::cell::RefCell;
use std::rc::Rc;

use reactor::testing::StringTransport;
use reactor::{CloseReason, Factory};

use crate::irc::{
    Ctcp, IrcClient, IrcClientFactory, IrcClientHandler, IrcClientReceiver, Message, ModeChanges, OnCtcpQuery, Source,
};

type Log = Rc<RefCell<Vec<String>>>;

/// Writes down each callback.
struct Recorder {
    irc: IrcClient,
    log: Log,
}

impl Recorder {
    fn note(&self, callback: &str, what: &[&[u8]]) {
        let what: Vec<_> = what.iter().map(|bytes| bytes.escape_ascii().to_string()).collect();
        self.log.borrow_mut().push(format!("{callback} {}", what.join("|")).trim_end().to_owned());
    }
}

impl IrcClientHandler for Recorder {
    fn message_received(&mut self, message: &Message<'_>) {
        if message.is_command("NOTE") {
            self.note("message", message.params());
        }
    }

    fn signed_on(&mut self) {
        self.note("signed_on", &[&self.irc.nick()]);
    }

    fn nick_changed(&mut self, nick: &[u8]) {
        assert_eq!(self.irc.nick(), nick);
        self.note("nick_changed", &[nick]);
    }

    fn joined(&mut self, channel: &[u8]) {
        self.note("joined", &[channel]);
    }

    fn left(&mut self, channel: &[u8]) {
        self.note("left", &[channel]);
    }

    fn kicked_from(&mut self, channel: &[u8], kicker: Source<'_>, text: &[u8]) {
        self.note("kicked_from", &[channel, kicker.name(), text]);
    }

    fn privmsg(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {
        self.note("privmsg", &[user.as_bytes(), target, text]);
    }

    fn noticed(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {
        self.note("noticed", &[user.as_bytes(), target, text]);
    }

    fn action(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {
        self.note("action", &[user.name(), target, text]);
    }

    fn user_joined(&mut self, user: Source<'_>, channel: &[u8]) {
        self.note("user_joined", &[user.name(), channel]);
    }

    fn user_left(&mut self, user: Source<'_>, channel: &[u8], text: &[u8]) {
        self.note("user_left", &[user.name(), channel, text]);
    }

    fn user_quit(&mut self, user: Source<'_>, text: &[u8]) {
        self.note("user_quit", &[user.name(), text]);
    }

    fn user_kicked(&mut self, nick: &[u8], channel: &[u8], kicker: Source<'_>, text: &[u8]) {
        self.note("user_kicked", &[nick, channel, kicker.name(), text]);
    }

    fn user_renamed(&mut self, user: Source<'_>, nick: &[u8]) {
        self.note("user_renamed", &[user.name(), nick]);
    }

    fn topic_updated(&mut self, user: Source<'_>, channel: &[u8], topic: &[u8]) {
        self.note("topic_updated", &[user.name(), channel, topic]);
    }

    fn mode_changed(&mut self, user: Source<'_>, target: &[u8], changes: ModeChanges<'_>) {
        for change in changes {
            let sign = if change.is_set { b'+' } else { b'-' };
            let param = change.param.unwrap_or_default();
            self.note("mode_changed", &[user.name(), target, &[sign, change.mode], param]);
        }
    }

    fn invited(&mut self, user: Source<'_>, channel: &[u8]) {
        self.note("invited", &[user.name(), channel]);
    }

    fn ctcp_query(&mut self, user: Source<'_>, target: &[u8], query: Ctcp<'_>) -> OnCtcpQuery {
        self.note("ctcp_query", &[user.name(), target, query.command(), query.params()]);
        if query.is_command("DCC") { OnCtcpQuery::Nothing } else { OnCtcpQuery::AnswerAsUsual }
    }

    fn ctcp_reply(&mut self, user: Source<'_>, target: &[u8], reply: Ctcp<'_>) {
        self.note("ctcp_reply", &[user.name(), target, reply.command(), reply.params()]);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.borrow_mut().push(format!("lost {reason}"));
    }
}

/// A client on its wire, which has not signed on.
struct Test {
    wire: StringTransport,
    irc: IrcClient,
    log: Log,
}

impl Test {
    /// With what `change` does to the factory.
    fn start<F: Factory>(change: impl FnOnce(IrcClientFactory<Build>) -> F) -> Self {
        let log = Log::default();
        let wire = StringTransport::connect(change(client(&log)));
        let irc = wire.transport().handle().expect("a client's");
        Self { wire, irc, log }
    }

    /// One that has signed on, and said all that it says of itself.
    fn signed_on() -> Self {
        let mut test = Self::start(|factory| factory);
        test.receive(":irc.example.org 001 polly :Welcome");
        test.sent();
        test
    }

    /// The callbacks that this line leads to.
    fn receive(&mut self, line: &str) -> Vec<String> {
        self.wire.receive(format!("{line}\r\n"));
        self.log.take()
    }

    /// The lines that were sent since the last call.
    fn sent(&mut self) -> Vec<String> {
        self.wire.settle();
        self.wire.take_written_text().split_terminator("\r\n").map(str::to_owned).collect()
    }
}

type Build = Box<dyn FnMut(IrcClient) -> Recorder>;

fn client(log: &Log) -> IrcClientFactory<Build> {
    let log = Rc::clone(log);
    IrcClientReceiver::factory("polly", Box::new(move |irc| Recorder { irc, log: Rc::clone(&log) }))
}
