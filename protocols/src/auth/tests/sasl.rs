use reactor::testing::{Pair, StringTransport, every_cut};

use super::*;
use crate::auth::{AllowAnonymous, AttemptLimit, PasswordTable, SaslClient, ScramExchange, ScramVerifier};

/// Accounts `ann`, who can log in by SCRAM, and `bob`, who cannot.
fn accounts() -> PasswordTable {
    let accounts = PasswordTable::new();
    accounts.insert("ann", ScramVerifier::with_iterations("right", 4096));
    accounts.insert("a,b=c", ScramVerifier::with_iterations("pass, word=", 4096));
    accounts.insert("bob", cheap("right"));
    accounts
}

fn portal() -> Portal<Member> {
    let portal = Portal::new(Members::default());
    portal.register_checker::<Password>(accounts());
    portal.register_checker::<ScramExchange>(accounts());
    portal.set_attempt_limit(AttemptLimit::none());
    portal
}

/// A client that logs in when it is told to, and says how it was.
struct Client {
    lines: Lines,
    sasl: Option<SaslClient>,
    outcome: Option<Result<String, String>>,
}

impl Client {
    fn factory() -> impl Factory {
        LineReceiver::factory(|lines| Self { lines, sasl: None, outcome: None })
    }

    fn begin(&mut self, sasl: SaslClient, with_name: bool) {
        let first = BASE64.encode(&sasl.first_message());
        let first = if first.is_empty() { "=" } else { &first };
        match with_name {
            true => self.lines.send_line(format!("AUTH {} {first}", sasl.mechanism())),
            false => self.lines.send_line(format!("AUTH {}", sasl.mechanism())),
        }
        (self.sasl, self.outcome) = (Some(sasl), None);
    }
}

impl LineHandler for Client {
    fn line_received(&mut self, line: &[u8]) {
        let sasl = self.sasl.as_ref().unwrap();
        if let Some(name) = line.strip_prefix(b"OK ") {
            let finished = sasl.finish().map(|()| String::from_utf8_lossy(name).into_owned());
            self.outcome = Some(finished.map_err(|error| error.to_string()));
        } else if let Some(error) = line.strip_prefix(b"NO ") {
            self.outcome = Some(Err(String::from_utf8_lossy(error).into_owned()));
        } else {
            let challenge = BASE64.decode(line.strip_prefix(b"+ ").unwrap()).unwrap();
            if challenge.is_empty() {
                return self.lines.send_line(BASE64.encode(&sasl.first_message()));
            }
            sasl.respond(self.lines.transport(), &challenge, |this: &mut Self, answer| match answer {
                Ok(answer) => this.lines.send_line(BASE64.encode(&answer)),
                Err(error) => {
                    this.outcome = Some(Err(error.to_string()));
                    this.lines.send_line("*");
                }
            });
        }
    }
}

/// How logins of one connection end.
fn outcomes(portal: &Portal<Member>, clients: impl IntoIterator<Item = SaslClient>) -> Vec<Result<String, String>> {
    let mut pair = Pair::connect(Client::factory(), serve(portal));
    let mut outcomes = Vec::new();
    for (number, sasl) in clients.into_iter().enumerate() {
        pair.client.protocol::<Client>().begin(sasl, number % 2 == 0);
        pair.run_until_quiet();
        outcomes.push(pair.client.protocol::<Client>().outcome.take().unwrap());
    }
    outcomes
}

#[test]
fn a_client_logs_in_by_scram_and_so_does_one_with_commas_in_its_name() {
    let names = [("ann", "right"), ("a,b=c", "pass, word="), ("ann", "right")];
    let clients = names.map(|(name, password)| SaslClient::scram(&Password::new(name, password)));
    assert_eq!(outcomes(&portal(), clients), names.map(|(name, _)| Ok(name.to_owned())));
}

#[test]
fn all_whose_password_is_wrong_or_who_are_unknown_or_have_no_verifier_see_the_same() {
    let clients = [("ann", "wrong"), ("nobody", "right"), ("bob", "right")]
        .map(|(name, password)| SaslClient::scram(&Password::new(name, password)));
    assert_eq!(outcomes(&portal(), clients), [(); 3].map(|()| Err("wrong name or password".to_owned())));
    let challenge = |name: &str| {
        let mut wire = StringTransport::connect(serve(&portal()));
        wire.receive(format!("AUTH SCRAM-SHA-256 {}\r\n", BASE64.encode(format!("n,,n={name},r=x").as_bytes())));
        let challenge = wire.written_text().strip_prefix("+ ").unwrap().trim_end().to_owned();
        let text = String::from_utf8(BASE64.decode(challenge.as_bytes()).unwrap()).unwrap();
        text.split_once(",s=").unwrap().1.to_owned()
    };
    // With one salt for one name, as an account has; another for another; and as long.
    let portal_salts = ["nobody", "no-one"].map(challenge);
    assert!(portal_salts[0] != portal_salts[1] && portal_salts[0].len() == challenge("ann").len());
    assert!(portal_salts.iter().all(|salt| salt.ends_with(",i=4096")));
}

#[test]
fn an_unknown_name_keeps_its_salt() {
    let portal = portal();
    let salts: Vec<_> = [(); 2]
        .iter()
        .map(|()| {
            let mut wire = StringTransport::connect(serve(&portal));
            wire.receive(format!("AUTH SCRAM-SHA-256 {}\r\n", BASE64.encode(b"n,,n=nobody,r=x")));
            let text = BASE64.decode(wire.written_text()[2..].trim_end().as_bytes()).unwrap();
            String::from_utf8(text).unwrap().split_once(",s=").unwrap().1.to_owned()
        })
        .collect();
    assert_eq!(salts[0], salts[1]);
}

#[test]
fn passwords_as_they_are_are_taken_only_where_nobody_listens() {
    let portal = portal();
    let plain = |password| SaslClient::plain(Password::new("bob", password));
    let refused = Err("logins by this mechanism are not accepted here".to_owned());
    assert_eq!(outcomes(&portal, [plain("right")]), [refused]);
    let mut wire = StringTransport::connect(serve(&portal));
    wire.receive("MECHANISMS\r\n");
    portal.allow_plain_text();
    portal.register_checker(AllowAnonymous);
    wire.receive("MECHANISMS\r\n");
    assert_eq!(wire.written_text(), "SCRAM-SHA-256\r\nSCRAM-SHA-256 PLAIN ANONYMOUS\r\n");
    let expected = [Ok("bob".to_owned()), Err("wrong name or password".to_owned()), Ok("bob".to_owned())];
    assert_eq!(outcomes(&portal, [plain("right"), plain("wrong"), plain("right")]), expected);
    assert_eq!(outcomes(&portal, [SaslClient::anonymous()]), [Ok("(anonymous)".to_owned())]);
    let nobody = SaslClient::external();
    assert!(outcomes(&portal, [nobody])[0].is_err());
}

#[test]
fn a_client_takes_the_safest_of_what_is_offered() {
    let wire = StringTransport::connect(Client::factory());
    let password = Password::new("ann", "right");
    let choose = |offered: &str| {
        let chosen = SaslClient::choose(offered.split(' '), &password, wire.transport());
        chosen.map(|sasl| sasl.mechanism())
    };
    assert_eq!(choose("PLAIN LOGIN scram-sha-256"), Some("SCRAM-SHA-256"));
    assert_eq!(choose("SCRAM-SHA-256-PLUS SCRAM-SHA-256"), Some("SCRAM-SHA-256"));
    assert_eq!((choose("PLAIN"), choose("")), (None, None));
}

#[test]
fn a_server_that_does_not_know_the_password_is_found_out() {
    struct Impostor(Lines, bool);
    impl LineHandler for Impostor {
        fn line_received(&mut self, line: &[u8]) {
            if line == b"*" {
                return;
            }
            let Some(first) = line.strip_prefix(b"AUTH SCRAM-SHA-256 ") else {
                return self.0.send_line(match self.1 {
                    true => "OK ann".to_owned(),
                    false => format!("+ {}", BASE64.encode(format!("v={}", BASE64.encode(&[0; 32])).as_bytes())),
                });
            };
            let first = String::from_utf8(BASE64.decode(first).unwrap()).unwrap();
            let nonce = first.split_once(",r=").unwrap().1;
            self.0.send_line(format!("+ {}", BASE64.encode(format!("r={nonce}x,s=AAAA,i=4096").as_bytes())));
        }
    }
    for hides in [true, false] {
        let impostor = LineReceiver::factory(move |lines| Impostor(lines, hides));
        let mut pair = Pair::connect(Client::factory(), impostor);
        pair.client.protocol::<Client>().begin(SaslClient::scram(&Password::new("ann", "right")), true);
        pair.run_until_quiet();
        let outcome = pair.client.protocol::<Client>().outcome.take().unwrap();
        assert_eq!(outcome, Err("the server has not shown that it knows the password".to_owned()));
    }
}

#[test]
fn a_server_may_not_ask_for_too_little_or_too_much_work() {
    for (challenge, why) in [
        ("r=NONCEx,s=AAAA,i=4095", "iterations"),
        ("r=NONCEx,s=AAAA,i=10000001", "iterations"),
        ("r=NONCE,s=AAAA,i=4096", "nonce"),
        ("r=other,s=AAAA,i=4096", "nonce"),
        ("e=other-error", "nonce"),
    ] {
        let mut wire = StringTransport::connect(Client::factory());
        wire.protocol::<Client>().begin(SaslClient::scram(&Password::new("ann", "right")), true);
        wire.settle();
        let first = BASE64.decode(wire.written_text().trim_end().rsplit(' ').next().unwrap().as_bytes()).unwrap();
        let nonce = String::from_utf8(first).unwrap().split_once(",r=").unwrap().1.to_owned();
        wire.receive(format!("+ {}\r\n", BASE64.encode(challenge.replace("NONCE", &nonce).as_bytes())));
        let outcome = wire.protocol::<Client>().outcome.take().unwrap();
        assert!(outcome.unwrap_err().contains(why), "{challenge}");
    }
}

#[test]
fn what_is_no_message_of_the_mechanism_is_refused() {
    let portal = portal();
    portal.allow_plain_text();
    let too_long = BASE64.encode(&[b'x'; 8193]);
    for line in [
        "AUTH FOO".to_owned(),
        "AUTH PLAIN =".to_owned(),
        format!("AUTH PLAIN {too_long}"),
        format!("AUTH PLAIN\r\n{too_long}"),
        format!("AUTH SCRAM-SHA-256 {}", BASE64.encode(b"n,,n=ann")),
        format!("AUTH SCRAM-SHA-256 {}", BASE64.encode(b"p=tls-exporter,,n=ann,r=x")),
        format!("AUTH SCRAM-SHA-256 {}", BASE64.encode(b"n,a=bob,n=ann,r=x")),
        format!("AUTH SCRAM-SHA-256-PLUS {}", BASE64.encode(b"p=tls-exporter,,n=ann,r=x")),
        format!("AUTH SCRAM-SHA-256 {}\r\n{}", BASE64.encode(b"n,,n=ann,r=x"), BASE64.encode(b"c=biws,r=x,p=AAAA")),
        format!("AUTH SCRAM-SHA-256 {}\r\n", BASE64.encode(b"n,,n=ann,r=x")),
    ] {
        let mut wire = StringTransport::connect(serve(&portal));
        for line in line.split("\r\n") {
            wire.receive(format!("{line}\r\n"));
        }
        assert!(wire.written_text().lines().last().unwrap().starts_with("NO "), "{line}: {}", wire.written_text());
        // The connection goes on.
        wire.receive("WHO\r\n");
        assert!(wire.written_text().ends_with("nobody\r\n"));
    }
}

#[test]
fn the_result_of_a_login_does_not_depend_on_how_the_network_cuts_it() {
    let portal = portal();
    portal.allow_plain_text();
    let login = format!("AUTH PLAIN {}\r\nWHO\r\n", BASE64.encode(b"\0bob\0right"));
    let said = every_cut(login, |pieces| {
        let mut wire = StringTransport::connect(serve(&portal));
        pieces.iter().for_each(|piece| wire.receive(piece));
        wire.written_text().contains("OK bob")
    });
    assert!(said);
}

#[test]
fn an_exchange_that_waits_for_its_client_does_not_keep_a_connection_from_finishing() {
    let mut wire = StringTransport::connect(serve(&portal()));
    wire.receive(format!("AUTH SCRAM-SHA-256 {}\r\n", BASE64.encode(b"n,,n=ann,r=x")));
    assert!(wire.written_text().starts_with("+ "));
    wire.transport().drain();
    wire.settle();
    wire.receive_eof();
    assert!(wire.close_reason().is_some_and(|reason| reason.is_clean()));
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::tls::{Certificates, Client as TlsClient, Roots, Server, TlsInfo};

    /// A client and a server with TLS between them.
    fn secured(portal: &Portal<Member>) -> Pair {
        let made = rcgen::generate_simple_self_signed(["server".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let server = Server::new(Certificates::from_pem(chain.as_bytes(), key.as_bytes()).unwrap());
        let client = TlsClient::new().roots(Roots::from_pem(chain.as_bytes()).unwrap());
        let mut pair = Pair::connect(client.around("server", Client::factory()), server.around(serve(portal)));
        pair.run_until_quiet();
        pair
    }

    fn log_in(pair: &mut Pair, sasl: impl FnOnce(&Lines) -> SaslClient) -> (&'static str, Result<String, String>) {
        let lines = pair.client.protocol::<Client>().lines.clone();
        let sasl = sasl(&lines);
        let mechanism = sasl.mechanism();
        pair.client.protocol::<Client>().begin(sasl, true);
        pair.run_until_quiet();
        (mechanism, pair.client.protocol::<Client>().outcome.take().unwrap())
    }

    #[test]
    fn inside_tls_a_login_binds_to_the_channel() {
        let portal = portal();
        let mut pair = secured(&portal);
        let password = Password::new("ann", "right");
        let offered = "PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS";
        let outcome =
            log_in(&mut pair, |lines| SaslClient::choose(offered.split(' '), &password, lines.transport()).unwrap());
        assert_eq!(outcome, ("SCRAM-SHA-256-PLUS", Ok("ann".to_owned())));
        let outcome = log_in(&mut pair, |_| SaslClient::scram(&password));
        assert_eq!(outcome, ("SCRAM-SHA-256", Ok("ann".to_owned())));
        let outcome = log_in(&mut pair, |_| SaslClient::plain(password.clone()));
        assert_eq!(outcome, ("PLAIN", Ok("ann".to_owned())));
    }

    #[test]
    fn an_offer_of_binding_that_was_taken_away_on_the_way_is_noticed() {
        let mut pair = secured(&portal());
        let password = Password::new("ann", "right");
        let outcome =
            log_in(&mut pair, |lines| SaslClient::choose(["SCRAM-SHA-256"], &password, lines.transport()).unwrap());
        let why = "the login is malformed: the client was not told of channel binding, which is offered".to_owned();
        assert_eq!(outcome, ("SCRAM-SHA-256", Err(why)));
    }

    #[test]
    fn a_login_that_is_bound_to_another_channel_is_refused() {
        let (mut one, mut other) = (secured(&portal()), secured(&portal()));
        let password = Password::new("ann", "right");
        let elsewhere = other.client.protocol::<Client>().lines.transport().clone();
        let bindings = [&one.client.protocol::<Client>().lines.transport().clone(), &elsewhere]
            .map(|transport| TlsInfo::of(transport).unwrap().channel_binding().unwrap().to_vec());
        assert_ne!(bindings[0], bindings[1]);
        let bound = SaslClient::choose(["SCRAM-SHA-256-PLUS"], &password, &elsewhere).unwrap();
        assert_eq!(log_in(&mut one, |_| bound), ("SCRAM-SHA-256-PLUS", Err("wrong name or password".to_owned())));
    }
}
