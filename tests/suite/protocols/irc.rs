//! IRC with real others: clients at ngircd and at Twisted's server, and Twisted's client at a server of this crate.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::Command;
use std::{fs, iter};

use protocols::irc::{
    Ctcp, Irc, IrcClient, IrcClientFactory, IrcClientHandler, IrcClientReceiver, IrcHandler, IrcReceiver, Message,
    MessageBuilder, ModeChanges, Source, numeric,
};
use reactor::{CloseReason, Reactor};
use rig::peer::serve;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::apps::net::listen;
use crate::apps::peers;
use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::support::{in_time, test_reactor};

/// A client that tells what it hears from others.
struct Listener {
    irc: IrcClient,
    heard: UnboundedSender<String>,
}

impl Listener {
    fn tell(&self, callback: &str, what: &[&[u8]]) {
        let what: Vec<_> = what.iter().map(|bytes| String::from_utf8_lossy(bytes)).collect();
        // The test may have ended.
        let _ = self.heard.send(format!("{callback} {}", what.join("|")));
    }
}

impl IrcClientHandler for Listener {
    fn signed_on(&mut self) {
        self.tell("signed on", &[&self.irc.nick()]);
    }

    fn joined(&mut self, channel: &[u8]) {
        self.tell("joined", &[channel]);
    }

    fn left(&mut self, channel: &[u8]) {
        self.tell("left", &[channel]);
    }

    fn privmsg(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {
        self.tell("said", &[user.name(), target, text]);
    }

    fn action(&mut self, user: Source<'_>, target: &[u8], text: &[u8]) {
        self.tell("did", &[user.name(), target, text]);
    }

    fn user_joined(&mut self, user: Source<'_>, channel: &[u8]) {
        self.tell("user joined", &[user.name(), channel]);
    }

    fn user_left(&mut self, user: Source<'_>, channel: &[u8], text: &[u8]) {
        self.tell("user left", &[user.name(), channel, text]);
    }

    fn user_quit(&mut self, user: Source<'_>, _text: &[u8]) {
        self.tell("user quit", &[user.name()]);
    }

    fn kicked_from(&mut self, channel: &[u8], kicker: Source<'_>, text: &[u8]) {
        self.tell("kicked", &[channel, kicker.name(), text]);
    }

    fn user_renamed(&mut self, user: Source<'_>, nick: &[u8]) {
        self.tell("user renamed", &[user.name(), nick]);
    }

    fn nick_changed(&mut self, nick: &[u8]) {
        self.tell("renamed", &[nick]);
    }

    fn topic_updated(&mut self, _user: Source<'_>, channel: &[u8], topic: &[u8]) {
        self.tell("topic", &[channel, topic]);
    }

    fn mode_changed(&mut self, _user: Source<'_>, target: &[u8], changes: ModeChanges<'_>) {
        if target.starts_with(b"#") {
            for change in changes {
                let mode = [if change.is_set { b'+' } else { b'-' }, change.mode];
                self.tell("mode", &[target, &mode, change.param.unwrap_or_default()]);
            }
        }
    }

    fn invited(&mut self, user: Source<'_>, channel: &[u8]) {
        self.tell("invited", &[user.name(), channel]);
    }

    fn ctcp_reply(&mut self, user: Source<'_>, _target: &[u8], reply: Ctcp<'_>) {
        self.tell("replied", &[user.name(), reply.command(), reply.params()]);
    }

    fn connection_lost(&mut self, _reason: CloseReason) {
        self.tell("lost", &[]);
    }
}

/// One who has signed on.
struct Person {
    irc: IrcClient,
    heard: UnboundedReceiver<String>,
}

impl Person {
    async fn sign_on(reactor: &Reactor, server: SocketAddr, nick: &str) -> Self {
        Self::sign_on_with(reactor, server, nick, |client| client).await
    }

    async fn sign_on_with(
        reactor: &Reactor,
        server: SocketAddr,
        nick: &str,
        change: impl FnOnce(IrcClientFactory<Build>) -> IrcClientFactory<Build>,
    ) -> Self {
        let (tell, heard) = unbounded_channel();
        let build: Build = Box::new(move |irc| Listener { irc, heard: tell.clone() });
        let factory = change(IrcClientReceiver::factory(nick, build).version("parrot 1"));
        let transport = reactor.connect_tcp(server, factory).connected().await.expect("to connect");
        let mut person = Self { irc: transport.handle().expect("a client's"), heard };
        let signed_on = person.next().await;
        assert!(signed_on.starts_with(&format!("signed on {nick}")), "{signed_on}");
        person
    }

    async fn next(&mut self) -> String {
        self.heard.recv().await.expect("the client is there")
    }

    async fn hears(&mut self, expected: impl AsRef<str>) {
        assert_eq!(self.next().await, expected.as_ref());
    }

    async fn join(&mut self, channel: &str) {
        self.irc.join(channel);
        self.hears(format!("joined {channel}")).await;
    }
}

type Build = Box<dyn FnMut(IrcClient) -> Listener>;

/// An ngircd on a socket of the test's own.
#[track_caller]
fn ngircd() -> (TempDir, Program, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("ngircd.conf");
    let text = "[Global]\nName = irc.example.org\nInfo = test\nMotdPhrase = welcome\n\
                [Options]\nPAM = no\nIdent = no\nDNS = no\n[Limits]\nMaxConnectionsIP = 0\nMaxNickLength = 20\nMaxPenaltyTime = 0\n";
    fs::write(&configuration, text).unwrap();
    let (listener, address) = listen();
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ exec ngircd --nodaemon --config \"$0\""])
        .arg(&configuration)
        .env("LISTEN_FDS", "1");
    (folder, Program::start_with(OwnedFd::from(listener), &mut command), address)
}

#[test]
fn two_clients_meet_at_ngircd() {
    if !is_there("ngircd", Command::new("ngircd").arg("--version"), "two_clients_meet_at_ngircd") {
        return;
    }
    let (_folder, _server, address) = ngircd();
    in_time(move || {
        let reactor = test_reactor();
        let meeting = {
            let reactor = reactor.clone();
            async move {
                let mut polly = Person::sign_on(&reactor, address, "polly").await;
                let mut ann = Person::sign_on_with(&reactor, address, "polly", |client| {
                    client.user_name("ann").real_name("Ann Other").capabilities(["multi-prefix"])
                })
                .await;
                assert_eq!(ann.irc.nick(), b"polly_");
                ann.irc.set_nick("ann");
                ann.hears("renamed ann").await;
                polly.join("#birds").await;
                polly.irc.set_topic("#birds", "colours: red & green");
                polly.hears("topic #birds|colours: red & green").await;
                ann.join("#birds").await;
                ann.hears("topic #birds|colours: red & green").await;
                polly.hears("user joined ann|#birds").await;
                assert!(ann.irc.has_capability("multi-prefix") && !ann.irc.has_capability("batch"));
                assert_eq!(ann.irc.support().number(b"NICKLEN"), Some(20));
                // All of a long text arrives, in pieces that are as long as can be.
                let long = vec!["cracker"; 200].join(" ");
                polly.irc.msg("#birds", &long);
                let mut arrived = Vec::new();
                while arrived.join(" ").len() < long.len() {
                    let said = ann.next().await;
                    arrived.push(said.strip_prefix("said polly|#birds|").expect(&said).to_owned());
                }
                assert_eq!((arrived.join(" "), arrived.len()), (long, 4));
                ann.irc.describe("#birds", "listens");
                polly.hears("did ann|#birds|listens").await;
                ann.irc.ctcp_query("polly", "VERSION", "");
                ann.hears("replied polly|VERSION|parrot 1").await;
                polly.irc.mode("#birds", "+ovt", ["ann", "polly"]);
                for person in [&mut polly, &mut ann] {
                    for mode in ["+o|ann", "+v|polly", "+t|"] {
                        person.hears(format!("mode #birds|{mode}")).await;
                    }
                }
                polly.irc.set_nick("poll");
                polly.hears("renamed poll").await;
                ann.hears("user renamed polly|poll").await;
                ann.irc.kick("#birds", "poll", "too loud");
                polly.hears("kicked #birds|ann|too loud").await;
                ann.irc.invite("poll", "#birds");
                polly.hears("invited ann|#birds").await;
                polly.join("#birds").await;
                polly.hears("topic #birds|colours: red & green").await;
                ann.hears("user joined poll|#birds").await;
                ann.irc.leave("#birds", "bye");
                ann.hears("left #birds").await;
                polly.hears("user left ann|#birds|bye").await;
                ann.join("#birds").await;
                ann.irc.quit("gone");
                polly.hears("user joined ann|#birds").await;
                polly.hears("user quit ann").await;
                polly.irc.lose_connection();
                polly.hears("lost ").await;
            }
        };
        reactor.run_until(meeting).unwrap();
    });
}

#[test]
fn two_clients_meet_at_the_server_of_twisteds_words() {
    if !peers::twisted("two_clients_meet_at_the_server_of_twisteds_words") {
        return;
    }
    let (_server, address) = peers::serve("twisted_irc_server.py");
    in_time(move || {
        let reactor = test_reactor();
        let meeting = {
            let reactor = reactor.clone();
            async move {
                let with_password = |client: IrcClientFactory<Build>| client.password("secret");
                let mut polly = Person::sign_on_with(&reactor, address, "polly", with_password).await;
                let mut ann = Person::sign_on_with(&reactor, address, "ann", with_password).await;
                polly.join("#birds").await;
                ann.join("#birds").await;
                polly.hears("user joined ann|#birds").await;
                polly.irc.msg("#birds", "pieces of eight");
                ann.hears("said polly|#birds|pieces of eight").await;
                ann.irc.msg("polly", "hush");
                polly.hears("said ann|polly|hush").await;
                ann.irc.describe("#birds", "laughs");
                polly.hears("did ann|#birds|laughs").await;
                ann.irc.leave("#birds", "bye");
                ann.hears("left #birds").await;
                polly.hears("user left ann|#birds|bye").await;
                polly.irc.quit("");
                polly.hears("lost ").await;
            }
        };
        reactor.run_until(meeting).unwrap();
    });
}

/// Just enough of a server for one client.
struct Server {
    irc: Irc,
    heard: UnboundedSender<String>,
}

const NAME: &str = "irc.example.org";

impl Server {
    fn send(&self, command: &str, params: &[&str]) {
        let message = MessageBuilder::new(command).source(NAME);
        self.irc.send(params.iter().fold(message, MessageBuilder::param));
    }
}

impl IrcHandler for Server {
    fn message_received(&mut self, message: &Message<'_>) {
        let params: Vec<_> = message.params().iter().map(|param| String::from_utf8_lossy(param)).collect();
        let _ = self.heard.send(format!("{} {params:?}", message.command().escape_ascii()));
        match message.command() {
            b"USER" => {
                self.send(numeric::RPL_WELCOME, &["twisty", "Welcome to the network"]);
                self.send(numeric::RPL_ISUPPORT, &["twisty", "NICKLEN=20", "CHANMODES=b,k,l,imnst", "are supported"]);
                self.send(numeric::ERR_NOMOTD, &["twisty", "There is no message of the day"]);
            }
            b"JOIN" => {
                self.irc.send(MessageBuilder::new("JOIN").source("twisty!t@here").param(message.params()[0]));
                self.send(numeric::RPL_TOPIC, &["twisty", "#test", "what we test"]);
                let ann = MessageBuilder::new("JOIN").source("ann!a@there").param("#test");
                self.irc.send_raw(ann.to_bytes());
                self.irc
                    .send(MessageBuilder::new("MODE").source("ann!a@there").param("#test").param("+k-n").param("key"));
            }
            b"PRIVMSG" if params[1].starts_with("\x01PING") => {
                let answer = MessageBuilder::new("NOTICE").source("server!s@here").param("twisty");
                self.irc.send(answer.trailing(message.params()[1]));
                let query = MessageBuilder::new("PRIVMSG").source("ann!a@there").param("twisty");
                self.irc.send(query.trailing(Ctcp::text("VERSION", "")));
                let said = MessageBuilder::new("PRIVMSG").tag("time", "now").source("ann!a@there");
                // It knows no tags.
                let bytes = said.param("#test").trailing("that is all").to_bytes();
                self.irc.send_raw(bytes.slice("@time=now ".len()..));
            }
            b"QUIT" => self.irc.lose_connection(),
            _ => {}
        }
    }
}

#[test]
fn a_client_of_twisteds_understands_a_server_of_this_crate() {
    if !peers::twisted("a_client_of_twisteds_understands_a_server_of_this_crate") {
        return;
    }
    let (tell, mut heard) = unbounded_channel();
    let server = serve(move |reactor| {
        let factory = IrcReceiver::factory(move |irc| Server { irc, heard: tell.clone() });
        reactor.listen_tcp("127.0.0.1:0", factory)
    });
    let address = server.address();
    let arguments = [address.ip().to_string(), address.port().to_string()];
    let client = Program::start(peers::script("twisted_irc_client.py").args(arguments));
    let ended = client.close_and_finish().with_code(0);
    let told = [
        "signed on as twisty",
        "supported 20 k",
        "joined #test",
        "topic irc.example.org #test what we test",
        "user joined ann #test",
        "mode ann!a@there #test True k ('key',)",
        "mode ann!a@there #test False n (None,)",
        "pong server!s@here",
        "privmsg ann!a@there #test that is all",
        "lost",
    ];
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), told, "{}", ended.stderr);
    let mut heard: Vec<_> = iter::from_fn(|| heard.try_recv().ok()).collect();
    let ping = heard.remove(4); // with a text of chance
    assert!(ping.starts_with(r#"PRIVMSG ["server", "\u{1}PING "#), "{ping}");
    let expected = [
        r#"NICK ["twisty"]"#,
        r#"USER ["twisty", "foo", "bar", "None"]"#,
        r##"JOIN ["#test"]"##,
        r##"PRIVMSG ["#test", "\u{1}ACTION waves\u{1}"]"##,
        r#"NOTICE ["ann", "\u{1}VERSION twisty:1:here\u{1}"]"#,
        r#"QUIT ["enough"]"#,
    ];
    assert_eq!(heard, expected);
}
