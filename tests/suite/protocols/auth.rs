//! Logins with other programs: gsasl, and Python's argon2-cffi, passlib and scramp.

use std::cell::RefCell;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;

use data_encoding::BASE64;
use protocols::auth::{
    Identity, Login, LoginError, Password, PasswordFile, PasswordHash, Portal, SaslClient, SaslExchange, SaslStep,
    ScramExchange, ScramVerifier,
};
use protocols::tls::{Server, TlsInfo};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::Factory;
use rig::peer;
use rig::peer::Serving;
use tempfile::TempDir;

use crate::apps::peers::script;
use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::protocols::tls::Authority;
use crate::support::datagrams::LOOPBACK;
use crate::support::{in_time, test_reactor};

/// A file of accounts: `ann` with a verifier of SCRAM, and `bob` with a hash of Argon2. The password of both is `hunter2`.
fn portal() -> (Portal<Identity>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts");
    let bob = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMg$FGcBELUhOL9F2DLwjUdRfF4HipeCFxg1LZnptKDyEGs";
    let ann = ScramVerifier::with_iterations("hunter2", 4096).to_text();
    fs::write(&path, format!("ann:{ann}\nbob:{bob}\n")).unwrap();
    let accounts = PasswordFile::open(path).unwrap();
    let portal = Portal::new(|who: &Identity| who.clone());
    portal.register_checker::<Password>(accounts.clone());
    portal.register_checker::<ScramExchange>(accounts);
    (portal, folder)
}

/// A mail server, as far as logins go; or, for what is not mail, with `+ ` before challenges, and `OK` and `NO`.
struct Mail {
    lines: Lines,
    portal: Portal<Identity>,
    exchange: Option<SaslExchange>,
    login: Option<Login<Identity>>,
    is_mail: bool,
}

fn mail(portal: &Portal<Identity>, is_mail: bool) -> impl Factory + use<> {
    let portal = portal.clone();
    LineReceiver::factory(move |lines| Mail { lines, portal: portal.clone(), exchange: None, login: None, is_mail })
}

impl Mail {
    fn done(&mut self, result: Result<Login<Identity>, LoginError>) {
        self.exchange = None;
        let (welcome, refusal) = if self.is_mail { ("235", "535") } else { ("OK", "NO") };
        match result {
            Ok(login) => {
                self.lines.send_line(format!("{welcome} {}", *login));
                self.login = Some(login);
            }
            Err(error) => self.lines.send_line(format!("{refusal} {error}")),
        }
    }

    fn log_in(&mut self, mechanism: &str, initial: Option<&str>) {
        let initial = initial.map(|text| BASE64.decode(text.as_bytes()).unwrap());
        let step = |this: &mut Self, step| match step {
            SaslStep::Challenge(challenge) => {
                let code = if this.is_mail { "334" } else { "+" };
                this.lines.send_line(format!("{code} {}", BASE64.encode(&challenge)));
            }
            SaslStep::Done(result) => this.done(result),
        };
        self.exchange = Some(self.portal.start_sasl(self.lines.transport(), mechanism, initial.as_deref(), step));
    }
}

impl LineHandler for Mail {
    fn connection_made(&mut self) {
        if self.is_mail {
            self.lines.send_line("220 ready");
        }
    }

    fn line_received(&mut self, line: &[u8]) {
        if let Some(exchange) = &self.exchange {
            return exchange.respond(&BASE64.decode(line).unwrap());
        }
        match str::from_utf8(line).unwrap().split(' ').collect::<Vec<_>>()[..] {
            ["EHLO", _] => {
                let offered = self.portal.sasl_mechanisms(self.lines.transport()).join(" ");
                self.lines.send_line("250-here");
                if TlsInfo::of(self.lines.transport()).is_none() {
                    self.lines.send_line("250-STARTTLS");
                }
                self.lines.send_line(format!("250 AUTH {offered}"));
            }
            ["STARTTLS"] => {
                self.lines.send_line("220 go ahead");
                self.lines.start_tls(|_: &mut Self, _| {}).unwrap();
            }
            ["AUTH", mechanism] => self.log_in(mechanism, None),
            ["AUTH", mechanism, initial] => self.log_in(mechanism, Some(initial)),
            ["QUIT"] => self.lines.lose_connection(),
            _ => self.lines.send_line("500 what?"),
        }
    }
}

/// What GNU SASL says when it logs in to a mail server.
fn gsasl(server: &Serving, authority: &Authority, arguments: &[&str]) -> String {
    let mut command = Command::new("gsasl");
    command.args(["--smtp", "--connect", &format!("localhost:{}", server.address().port()), "--verbose"]);
    command.arg("--x509-ca-file").arg(authority.path()).args(arguments);
    let ended = Program::start(&mut command).close_and_finish();
    ended.stdout + &ended.stderr
}

#[test]
fn gsasl_logs_in_by_every_mechanism_and_binds_to_the_channel() {
    let test = "gsasl_logs_in_by_every_mechanism_and_binds_to_the_channel";
    if !is_there("gsasl", Command::new("gsasl").arg("--version"), test) {
        return;
    }
    let authority = Authority::new();
    let tls = authority.issue("server", &["localhost"]).server();
    let server = serve_mail(tls);
    for (mechanism, name, encrypted) in [
        ("SCRAM-SHA-256-PLUS", "ann", "--starttls"),
        ("SCRAM-SHA-256", "ann", "--no-starttls"),
        ("PLAIN", "ann", "--starttls"),
        ("PLAIN", "bob", "--starttls"),
    ] {
        for (password, succeeds) in [("hunter2", true), ("hunter3", false)] {
            let mut arguments = vec!["-m", mechanism, "-a", name, "-p", password, encrypted];
            if mechanism == "PLAIN" {
                // Or else it asks for the account to act for.
                arguments.extend(["-z", ""]);
            }
            let said = gsasl(&server, &authority, &arguments);
            // It would go on with data then, and fails because there is none.
            let expected = if succeeds { "\n235 " } else { "\n535 wrong name or password" };
            assert!(said.contains(expected), "{mechanism} of {name}: {said}");
            assert_eq!(said.contains("Client authentication finished"), succeeds, "{mechanism} of {name}: {said}");
        }
    }
}

fn serve_mail(tls: Server) -> Serving {
    peer::serve(move |reactor| {
        let (portal, folder) = portal();
        reactor.after_shutdown(move || drop(folder));
        reactor.listen_tcp(LOOPBACK, tls.upgradable(mail(&portal, true)))
    })
}

fn scramp(test: &str) -> bool {
    is_there("Python's scramp", Command::new("python3").args(["-c", "import scramp"]), test)
}

#[test]
fn pythons_scramp_logs_in_and_is_convinced_of_the_server() {
    if !scramp("pythons_scramp_logs_in_and_is_convinced_of_the_server") {
        return;
    }
    let server = peer::serve(move |reactor| {
        let (portal, folder) = portal();
        reactor.after_shutdown(move || drop(folder));
        reactor.listen_tcp(LOOPBACK, mail(&portal, false))
    });
    let address = server.address();
    for (name, password, expected) in [
        ("ann", "hunter2", "OK ann"),
        ("ann", "hunter3", "NO wrong name or password"),
        ("bob", "hunter2", "NO wrong name or password"),
        ("nobody", "hunter2", "NO wrong name or password"),
    ] {
        let mut command = script("scram_client.py");
        command.args([&address.ip().to_string(), &address.port().to_string(), name, password]);
        let ended = Program::start(&mut command).close_and_finish().with_code(0);
        assert_eq!(ended.stdout.trim_end(), expected);
    }
}

/// Logs in as `ann`, and keeps the outcome.
struct Client {
    lines: Lines,
    sasl: SaslClient,
    outcome: Outcome,
}

type Outcome = Rc<RefCell<Option<Result<String, String>>>>;

impl Client {
    fn end(&self, outcome: Result<String, String>) {
        self.outcome.replace(Some(outcome));
        self.lines.lose_connection();
    }
}

impl LineHandler for Client {
    fn connection_made(&mut self) {
        let first = BASE64.encode(&self.sasl.first_message());
        self.lines.send_line(format!("AUTH {} {first}", self.sasl.mechanism()));
    }

    fn line_received(&mut self, line: &[u8]) {
        let Some(challenge) = line.strip_prefix(b"+ ") else {
            let finished = self.sasl.finish().map_err(|error| error.to_string());
            return self.end(finished.map(|()| String::from_utf8_lossy(line).into_owned()));
        };
        let challenge = BASE64.decode(challenge).unwrap();
        self.sasl.respond(self.lines.transport(), &challenge, |this: &mut Self, answer| match answer {
            Ok(answer) => this.lines.send_line(BASE64.encode(&answer)),
            Err(error) => this.end(Err(error.to_string())),
        });
    }
}

fn log_in_at(server: SocketAddr) -> Result<String, String> {
    in_time(move || {
        let (reactor, outcome) = (test_reactor(), Outcome::default());
        let kept = Rc::clone(&outcome);
        let factory = LineReceiver::factory(move |lines| Client {
            lines,
            sasl: SaslClient::scram(&Password::new("ann", "hunter2")),
            outcome: Rc::clone(&kept),
        });
        let connector = reactor.connect_tcp(server, factory);
        reactor.run_until(connector.finished()).unwrap().unwrap();
        outcome.take().unwrap()
    })
}

#[test]
fn a_client_logs_in_at_pythons_scramp_if_the_password_is_right() {
    if !scramp("a_client_logs_in_at_pythons_scramp_if_the_password_is_right") {
        return;
    }
    for (password, expected) in
        [("hunter2", Ok("OK ann".to_owned())), ("hunter3", Err("the server has not shown".to_owned()))]
    {
        let mut server = Program::start(script("scram_server.py").arg(password));
        let port: u16 = server.line().parse().unwrap();
        let outcome = log_in_at(SocketAddr::from(([127, 0, 0, 1], port)));
        match expected {
            Ok(line) => assert_eq!(outcome, Ok(line)),
            Err(beginning) => assert!(outcome.unwrap_err().starts_with(&beginning)),
        }
        server.close_and_finish().with_code(0);
    }
}

#[test]
fn hashes_of_argon2_cffi_and_passlib_are_read_and_ours_by_them() {
    let test = "hashes_of_argon2_cffi_and_passlib_are_read_and_ours_by_them";
    let mut found = Command::new("python3");
    if !is_there("argon2-cffi or passlib", found.args(["-c", "import argon2, passlib"]), test) {
        return;
    }
    let ours = PasswordHash::new("hunter2").to_text();
    let mut python = Program::start(&mut script("password_hashes.py"));
    python.type_in(format!("{ours} hunter2\n{ours} hunter3\n"));
    python.close_stdin();
    assert_eq!([python.line(), python.line()], ["True True", "False False"]);
    for _ in 0..3 {
        let hash: PasswordHash = python.line().parse().unwrap();
        for (password, expected) in [("hunter2", true), ("hunter3", false)] {
            let password = Password::new("ann", password);
            let reactor = test_reactor();
            let matching = password.matches(&reactor, Some(&hash));
            assert_eq!(reactor.run_until(matching).unwrap().unwrap(), expected);
        }
    }
}
