//! From the first line to `signed_on`.

use data_encoding::BASE64;
use reactor::testing::{Pair, every_cut};

use super::*;
use crate::auth::{
    AttemptLimit, Identity, Login, Password, PasswordTable, Portal, SaslClient, SaslExchange, SaslStep, ScramExchange,
    ScramVerifier,
};
use crate::irc::{Irc, IrcHandler, IrcReceiver, MessageBuilder};

#[test]
fn a_client_says_its_password_nick_and_name() {
    let mut test = Test::start(|client| client.password("secret").user_name("p").real_name("A parrot"));
    assert_eq!(test.sent(), ["PASS secret", "NICK polly", "USER p 0 * :A parrot"]);
    assert_eq!(test.receive(":irc.example.org 001 polly :Welcome"), ["signed_on polly"]);
    assert!(test.receive(":irc.example.org 001 polly :Welcome").is_empty());
    assert!(test.sent().is_empty());
}

#[test]
fn the_server_says_which_nick_a_client_has() {
    let mut test = Test::start(|client| client);
    assert_eq!(test.receive(":irc.example.org 001 poll :Welcome"), ["signed_on poll"]);
    assert!(test.irc.is_me(b"POLL") && !test.irc.is_me(b"polly"));
}

#[test]
fn a_nick_that_is_in_use_is_altered_until_one_is_free() {
    let mut test = Test::start(|client| client);
    test.sent();
    test.receive(":irc.example.org 433 * polly :Nickname is already in use");
    test.receive(":irc.example.org 433 * polly_ :Nickname is already in use");
    assert_eq!(test.sent(), ["NICK polly_", "NICK polly__"]);
    assert_eq!(test.receive(":irc.example.org 001 polly__ :Welcome"), ["signed_on polly__"]);
    // Later it is the program's affair.
    test.receive(":irc.example.org 433 polly__ polly :Nickname is already in use");
    assert!(test.sent().is_empty());
}

#[test]
fn a_server_where_no_nick_is_free_is_left() {
    let mut test = Test::start(|client| client);
    for _ in 0..20 {
        assert!(test.receive("433 * polly :in use").is_empty());
    }
    assert_eq!(test.receive("433 * polly :in use"), ["lost no nick of 20 is free: in use"]);
}

#[test]
fn a_client_that_is_refused_says_so() {
    for numeric in ["432", "464", "465"] {
        let mut test = Test::start(|client| client);
        let lost = test.receive(&format!(":irc.example.org {numeric} * :no \x1b[2J way"));
        assert_eq!(lost, [r"lost the server refuses the client: no \x1b[2J way"], "{numeric}");
    }
}

#[test]
fn capabilities_that_are_wished_and_offered_are_requested() {
    let mut test = Test::start(|client| client.capabilities(["server-time", "echo-message", "batch"]));
    assert_eq!(test.sent()[0], "CAP LS 302");
    test.receive(":irc.example.org CAP * LS * :multi-prefix server-time sasl=PLAIN");
    assert!(test.sent().is_empty());
    test.receive(":irc.example.org CAP * LS :batch");
    assert_eq!(test.sent(), ["CAP REQ :batch server-time"]);
    test.receive(":irc.example.org CAP * ACK :batch other");
    assert!(test.sent().is_empty());
    test.receive(":irc.example.org CAP * NAK :server-time");
    assert_eq!(test.sent(), ["CAP END"]);
    let has = |test: &Test| ["batch", "server-time", "other"].map(|name| test.irc.has_capability(name));
    assert_eq!(has(&test), [true, false, false]);
    test.receive(":irc.example.org 001 polly :Welcome");
    // What comes and goes later.
    test.receive(":irc.example.org CAP polly NEW :echo-message=x sasl");
    assert_eq!(test.sent(), ["CAP REQ :echo-message"]);
    test.receive(":irc.example.org CAP polly ACK :echo-message");
    test.receive(":irc.example.org CAP polly DEL :batch");
    assert!(test.sent().is_empty() && test.irc.has_capability("echo-message"));
    assert_eq!(has(&test), [false; 3]);
}

#[test]
fn a_server_that_offers_nothing_or_knows_no_capabilities_will_do() {
    let mut test = Test::start(|client| client.capabilities(["batch"]));
    test.sent();
    test.receive(":irc.example.org CAP * LS :");
    assert_eq!(test.sent(), ["CAP END"]);
    let mut test = Test::start(|client| client.capabilities(["batch"]));
    test.receive(":irc.example.org 421 * CAP :Unknown command");
    assert_eq!(test.receive(":irc.example.org 001 polly :Welcome"), ["signed_on polly"]);
}

#[test]
fn requests_are_of_several_lines_if_one_is_too_short() {
    let names: Vec<_> = (0..100).map(|n| format!("vendor.example/capability-{n:03}")).collect();
    let mut test = Test::start(|client| client.capabilities(names.clone()));
    test.sent();
    for half in names.chunks(10) {
        test.receive(&format!("CAP * LS * :{}", half.join(" ")));
    }
    test.receive("CAP * LS :");
    let requests = test.sent();
    let requested: Vec<_> = requests.iter().flat_map(|line| line["CAP REQ :".len()..].split(' ')).collect();
    assert_eq!(requested, names);
    for line in &requests {
        assert!(line.len() <= 510 && test.sent().is_empty());
        test.receive(&line.replace("REQ", "* ACK"));
    }
    assert_eq!(test.sent(), ["CAP END"]);
}

#[test]
fn plain_and_external_are_said_in_base64() {
    for (offer, sasl, sent) in [
        (
            "sasl=PLAIN",
            SaslClient::plain(Password::new("ann", "pw")),
            ["AUTHENTICATE PLAIN", "AUTHENTICATE AGFubgBwdw=="],
        ),
        ("sasl", SaslClient::external(), ["AUTHENTICATE EXTERNAL", "AUTHENTICATE +"]),
    ] {
        let sasl = RefCell::new(Some(sasl));
        let mut test = Test::start(|client| client.sasl(move |_, _| sasl.take()));
        test.sent();
        test.receive(&format!("CAP * LS :{offer}"));
        assert_eq!(test.sent(), ["CAP REQ :sasl"]);
        test.receive("CAP * ACK :sasl");
        test.receive("AUTHENTICATE +");
        assert_eq!(test.sent(), sent);
        test.receive(":irc.example.org 900 polly polly!p@h ann :You are now logged in");
        test.receive(":irc.example.org 903 polly :SASL authentication successful");
        assert_eq!(test.sent(), ["CAP END"]);
        assert_eq!(test.receive("001 polly :Welcome"), ["signed_on polly"]);
    }
}

#[test]
fn a_first_message_of_400_bytes_is_followed_by_an_empty_one() {
    for (length, chunks) in [(297, vec![396]), (300, vec![400, 1]), (301, vec![400, 4]), (600, vec![400, 400, 1])] {
        // Two NULs and a name of three bytes are in front of the password.
        let account = Password::new("ann", "p".repeat(length - 5));
        let mut test = Test::start(|client| client.sasl(move |_, _| Some(SaslClient::plain(account.clone()))));
        test.receive("CAP * LS :sasl");
        test.receive("CAP * ACK :sasl");
        test.sent();
        test.receive("AUTHENTICATE +");
        let sent: Vec<_> = test.sent().iter().map(|line| line.len() - "AUTHENTICATE ".len()).collect();
        assert_eq!(sent, chunks, "{length}");
    }
}

#[test]
fn a_client_that_cannot_log_in_does_not_stay() {
    let lost = |lines: &[&str]| {
        let choose = |offered: &[&str], _: &_| offered.contains(&"EXTERNAL").then(SaslClient::external);
        let mut test = Test::start(|client| client.sasl(choose));
        lines.iter().flat_map(|line| test.receive(line)).collect::<Vec<_>>()
    };
    let none = ["lost the server lets nobody log in to an account by SASL"];
    assert_eq!(lost(&["001 polly :Welcome"]), none);
    assert_eq!(lost(&["CAP * LS :batch"]), none);
    assert_eq!(lost(&["CAP * LS :sasl", "CAP * NAK :sasl"]), none);
    let begin = ["CAP * LS :sasl=EXTERNAL", "CAP * ACK :sasl"];
    let after = |line: &str| lost(&[begin[0], begin[1], line]);
    for numeric in ["902", "904", "905", "906", "907"] {
        assert_eq!(after(&format!("{numeric} polly :no")), ["lost the server refuses the account: no"]);
    }
    assert_eq!(after("001 polly :Welcome"), none);
    assert_eq!(after("AUTHENTICATE ?"), ["lost the server's challenge is not in Base64"]);
    assert_eq!(after("AUTHENTICATE eA=="), ["lost the server speaks first, which this mechanism does not allow"]);
    let mechanism = ["CAP * LS :sasl=PLAIN,\x07", "CAP * ACK :sasl"];
    assert_eq!(lost(&mechanism), [r"lost none of the server's mechanisms of SASL will do: PLAIN,\x07"]);
    let long = format!("AUTHENTICATE {}", "A".repeat(400));
    let endless: Vec<_> = begin.into_iter().chain([&long[..]; 50]).collect();
    assert_eq!(lost(&endless), ["lost the server's challenge is too long"]);
}

/// A server that lets clients log in by SCRAM, and nothing else.
struct Server {
    irc: Irc,
    portal: Portal<Identity>,
    exchange: Option<SaslExchange>,
    login: Option<Login<Identity>>,
}

impl Server {
    fn authenticate(&mut self, step: SaslStep<Identity>) {
        match step {
            SaslStep::Challenge(challenge) => {
                let text = BASE64.encode(&challenge);
                let text = if text.is_empty() { "+" } else { &text };
                self.irc.send(MessageBuilder::new("AUTHENTICATE").param(text));
            }
            SaslStep::Done(result) => {
                let numeric = if result.is_ok() { "903" } else { "904" };
                self.irc.send(MessageBuilder::new(numeric).param("*").trailing("done"));
                self.login = result.ok();
            }
        }
    }
}

impl IrcHandler for Server {
    fn message_received(&mut self, message: &Message<'_>) {
        match (message.command(), message.params()) {
            (b"CAP", [b"LS", ..]) => self.irc.send_raw("CAP * LS :sasl=SCRAM-SHA-256\r\n"),
            (b"CAP", [b"REQ", ..]) => self.irc.send_raw("CAP * ACK :sasl\r\n"),
            (b"CAP", _) if self.login.is_some() => self.irc.send_raw(":irc.example.org 001 polly :Welcome\r\n"),
            (b"AUTHENTICATE", [answer]) => match &self.exchange {
                None => {
                    let mechanism = String::from_utf8_lossy(answer).into_owned();
                    let step = Self::authenticate;
                    self.exchange = Some(self.portal.start_sasl(self.irc.transport(), &mechanism, None, step));
                }
                Some(exchange) if *answer == b"+" => exchange.respond(b""),
                Some(exchange) => exchange.respond(&BASE64.decode(answer).expect("base64")),
            },
            _ => {}
        }
    }
}

#[test]
fn scram_logs_in_without_showing_the_password() {
    let accounts = PasswordTable::new();
    accounts.insert("ann", ScramVerifier::with_iterations("right", 4096));
    let portal = Portal::new(|who: &Identity| who.clone());
    portal.register_checker::<ScramExchange>(accounts);
    portal.set_attempt_limit(AttemptLimit::none());
    for (password, outcome) in [("right", "signed_on polly"), ("wrong", "lost the server refuses the account: done")] {
        let (log, portal) = (Log::default(), portal.clone());
        let account = Password::new("ann", password);
        let factory =
            client(&log).sasl(move |offered, wire| SaslClient::choose(offered.iter().copied(), &account, wire));
        let server = move |irc| Server { irc, portal: portal.clone(), exchange: None, login: None };
        let mut pair = Pair::connect(factory, IrcReceiver::factory(server));
        pair.run_until_quiet();
        assert_eq!(log.take(), [outcome]);
    }
}

#[test]
fn a_server_that_does_not_prove_that_it_knows_the_password_is_left() {
    let account = Password::new("ann", "right");
    let mut test = Test::start(|client| client.sasl(move |_, _| Some(SaslClient::scram(&account))));
    for line in ["CAP * LS :sasl=SCRAM-SHA-256", "CAP * ACK :sasl", "AUTHENTICATE +"] {
        assert!(test.receive(line).is_empty());
    }
    let lost = test.receive("903 polly :SASL authentication successful");
    assert!(lost[0].starts_with("lost the server does not know the account's password: "), "{lost:?}");
}

#[test]
fn a_registration_is_the_same_however_it_is_cut() {
    let stream = "CAP * LS * :batch\r\n:s CAP * LS :a=b sasl=EXTERNAL\r\n:s CAP * ACK :batch sasl\r\nAUTHENTICATE +\r\n\
                  903 * :ok\r\n433 * polly :in use\n:s 001 polly_ :hi\r\nPING 1\r\n:polly_!p@h JOIN #a\r\n";
    let log = every_cut(stream, |pieces| {
        let mut test = Test::start(|client| client.capabilities(["batch"]).sasl(|_, _| Some(SaslClient::external())));
        pieces.iter().for_each(|piece| test.wire.receive(piece));
        (test.log.take(), test.sent())
    });
    assert_eq!(log.0, ["signed_on polly_", "joined #a"]);
    let sent = ["CAP REQ :batch sasl", "AUTHENTICATE EXTERNAL", "AUTHENTICATE +", "CAP END", "NICK polly_", "PONG :1"];
    assert_eq!(log.1[3..], sent);
}
