use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use data_encoding::BASE64;
use protocols::auth::{Password, SaslClient, ScramVerifier};
use protocols::{LineHandler, LineReceiver, Lines};

use super::{Talk, World};
use crate::settings::{Oper, Privilege};

const CAPABILITIES: &str = "sasl draft/account-registration standard-replies";

/// A user with an account.
fn registered<'a>(world: &'a World, nick: &str) -> Talk<'a> {
    let talk = world.user(nick, CAPABILITIES);
    talk.send("REGISTER * * sesame-open");
    talk.until("You are now logged in");
    talk
}

fn plain(name: &str, password: &str) -> String {
    format!("AUTHENTICATE {}", BASE64.encode(format!("\0{name}\0{password}").as_bytes()))
}

#[test]
fn a_registered_account_is_logged_in_to_by_its_password_in_whatever_case() {
    let world = World::new();
    registered(&world, "Ann");
    // From the machine itself: nobody else hears the password.
    for (name, password, answer) in [("ann", "sesame-open", " 903 "), ("ann", "wrong", " 904 "), ("bob", "x", " 904 ")]
    {
        let talk = world.connect_locally();
        talk.send("CAP REQ :sasl");
        talk.send("AUTHENTICATE PLAIN");
        talk.until("AUTHENTICATE +");
        talk.send(&plain(name, password));
        let lines = talk.until(answer);
        assert_eq!(lines.iter().any(|line| line.contains(" 900 * *!*@* Ann ")), answer == " 903 ", "{lines:?}");
    }
}

#[test]
fn a_password_that_others_could_read_is_not_asked_for() {
    let world = World::new();
    let talk = world.connect();
    talk.send("CAP LS 302");
    assert!(talk.line(" LS ").contains("sasl=SCRAM-SHA-256 "));
    talk.send("CAP REQ :sasl");
    talk.send("AUTHENTICATE PLAIN");
    assert!(talk.line(" 908 ").contains(" SCRAM-SHA-256 "));
}

/// A client that logs in by SCRAM, and keeps how that ended.
struct Scram {
    lines: Lines,
    sasl: SaslClient,
    end: Rc<RefCell<String>>,
}

impl LineHandler for Scram {
    fn connection_made(&mut self) {
        self.lines.send_line("CAP REQ :sasl");
        self.lines.send_line("AUTHENTICATE SCRAM-SHA-256");
    }

    fn line_received(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        if line == "AUTHENTICATE +" {
            self.lines.send_line(format!("AUTHENTICATE {}", BASE64.encode(&self.sasl.first_message())));
        } else if let Some(challenge) = line.strip_prefix("AUTHENTICATE ") {
            let challenge = BASE64.decode(challenge.as_bytes()).unwrap();
            self.sasl.respond(self.lines.transport(), &challenge, |this: &mut Self, answer| {
                let answer = answer.unwrap();
                let answer = if answer.is_empty() { "+".to_owned() } else { BASE64.encode(&answer) };
                this.lines.send_line(format!("AUTHENTICATE {answer}"));
            });
        } else if line.contains(" 903 ") || line.contains(" 904 ") {
            let proof = if self.sasl.finish().is_ok() { "proven" } else { "unproven" };
            self.end.replace(format!("{} {proof}", &line[..18]));
        }
    }
}

#[test]
fn a_client_shows_by_scram_that_it_knows_the_password_and_so_does_the_server() {
    let world = World::new();
    registered(&world, "ann");
    for (name, password, expected) in [
        ("ANN", "sesame-open", ":irc.localhost 903 proven"),
        ("ann", "wrong", ":irc.localhost 904 unproven"),
        ("nobody", "sesame-open", ":irc.localhost 904 unproven"),
    ] {
        let end = Rc::new(RefCell::new(String::new()));
        let (telling, password) = (Rc::clone(&end), Password::new(name, password));
        let client = LineReceiver::factory(move |lines| Scram {
            lines,
            sasl: SaslClient::scram(&password),
            end: Rc::clone(&telling),
        });
        let _connector = world.sim.host("client").connect_tcp("server:6667", client.delimiter("\r\n"));
        assert!(world.sim.run_until(|| !end.borrow().is_empty()));
        assert_eq!(*end.borrow(), expected, "{name}");
    }
}

#[test]
fn a_client_can_give_up_a_login_and_begin_another() {
    let world = World::new();
    let talk = world.connect_locally();
    talk.send("CAP REQ :sasl");
    for _ in 0..2 {
        talk.send("AUTHENTICATE PLAIN");
        talk.until("AUTHENTICATE +");
        talk.send("AUTHENTICATE *");
        talk.until(" 906 ");
    }
}

#[test]
fn who_fails_too_often_has_to_wait_and_the_password_is_not_looked_at() {
    let world = World::new();
    registered(&world, "ann");
    let talk = world.user("bob", CAPABILITIES);
    for _ in 0..10 {
        talk.send("PRIVMSG NickServ :IDENTIFY ann wrong");
        talk.until("Wrong account or password");
    }
    talk.send("PRIVMSG NickServ :IDENTIFY ann sesame-open");
    talk.until("Try again later");
}

#[test]
fn an_address_registers_so_many_accounts_an_hour() {
    let world = World::with(|settings| settings.accounts.registrations_per_hour = 1);
    registered(&world, "ann");
    let talk = world.user("bob", CAPABILITIES);
    talk.send("REGISTER * * sesame-open");
    talk.until("FAIL REGISTER TEMPORARILY_UNAVAILABLE");
}

#[test]
fn the_nick_of_an_account_is_its_owners() {
    let world = World::new();
    registered(&world, "ann").send("QUIT");
    let talk = world.connect();
    talk.send("NICK ann");
    talk.send("USER ann 0 * :ann");
    talk.until(" 433 ");
    talk.send("NICK ann_");
    talk.until(" 376 ");
    talk.send("NS IDENTIFY ann sesame-open");
    talk.until("You are logged in as ann");
    talk.send("NICK ann");
    talk.until(" NICK ann");
}

#[test]
fn an_account_is_managed_by_messages_to_nickserv() {
    let world = World::new();
    let talk = world.user("ann", "sasl");
    for (command, answer) in [
        ("HELP", "HELP: this"),
        ("nonsense", "HELP: this"),
        ("PASSWD a bcdefghi", "Log in first"),
        ("REGISTER short", "too short"),
        ("REGISTER sesame-open", "is yours"),
        ("REGISTER sesame-open", "already logged in"),
        ("PASSWD wrong sesame-close", "Wrong account or password"),
        ("PASSWD sesame-open short", "too short"),
        ("PASSWD sesame-open sesame-close", "is changed"),
        ("CERT ADD", "no certificate"),
        ("CERT DEL xyz", "no such certificate"),
        ("CERT LIST", "has none"),
        ("DROP sesame-open", "Wrong account or password"),
        ("DROP sesame-close", "is removed"),
        ("IDENTIFY sesame-close", "Wrong account or password"),
        ("REGISTER sesame-open", "is yours"),
    ] {
        talk.send(&format!("PRIVMSG NickServ :{command}"));
        let line = talk.line(answer);
        assert!(line.starts_with(":NickServ!NickServ@irc.localhost NOTICE ann :"), "{line}");
    }
}

#[test]
fn an_operator_is_who_knows_the_password() {
    let world = World::with(|settings| {
        let password = ScramVerifier::with_iterations("opensesame", 1).into();
        settings.opers = vec![Oper { name: "root".into(), password, privileges: vec![Privilege::Kill] }];
    });
    let talk = world.user("ann", "sasl");
    for (command, answer) in [("x opensesame", " 464 "), ("root wrong", " 464 "), ("root opensesame", " 381 ")] {
        talk.send(&format!("OPER {command}"));
        talk.until(answer);
    }
}

#[test]
fn the_servers_password_lets_clients_in() {
    let world = World::with(|settings| {
        settings.password = Some(ScramVerifier::with_iterations("opensesame", 1).into());
    });
    for (password, answer) in [(None, " 464 "), (Some("wrong"), " 464 "), (Some("opensesame"), " 001 ")] {
        let talk = world.connect();
        if let Some(password) = password {
            talk.send(&format!("PASS {password}"));
        }
        talk.send("NICK ann");
        talk.send("USER ann 0 * :ann");
        talk.until(answer);
        talk.send("QUIT");
        talk.within(Duration::from_secs(1));
    }
}
