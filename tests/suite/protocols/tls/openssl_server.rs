//! OpenSSL as a server: one that reverses each line.

use std::net::SocketAddr;
use std::process::Command;

use protocols::tls::Client;
use rcgen::date_time_ymd;

use crate::apps::program::Program;
use crate::protocols::tls::authority::Issued;
use crate::protocols::tls::openssl::openssl;
use crate::protocols::tls::{Authority, NAME, talk, talked};

/// A server at a port that the system has chosen.
#[track_caller]
fn start(presented: &Issued, options: &[&str]) -> (Program, SocketAddr) {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-cert"]).arg(&presented.chain);
    command.arg("-key").arg(&presented.key).args(options);
    let mut server = Program::start(&mut command);
    let address = loop {
        if let Some(address) = server.line().strip_prefix("ACCEPT ") {
            break address.parse().unwrap();
        }
    };
    (server, address)
}

#[track_caller]
fn refusal(presented: &Issued, client: &Client) -> String {
    let (_server, address) = start(presented, &[]);
    let error = talk(client, address).unwrap_err();
    error.strip_prefix(&format!("cannot connect to {address}: ")).expect(&error).to_owned()
}

#[test]
fn a_client_talks_with_openssl_by_both_versions() {
    if !openssl("a_client_talks_with_openssl_by_both_versions") {
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue("server", &[NAME]);
    for (options, expected) in [
        (&["-tls1_3"][..], "TLS 1.3 with a certificate"),
        (&["-tls1_2"], "TLS 1.2 with a certificate"),
        (&["-tls1_3", "-alpn", "h2,chat"], "TLS 1.3 by chat with a certificate"),
    ] {
        let (_server, address) = start(&issued, options);
        let reversed = talked(expected)
            .map(|lines| lines.iter().map(|line| line.replace("hello", "olleh").replace("last", "tsal")).collect());
        assert_eq!(talk(&authority.client().alpn(&["chat"]), address), reversed);
    }
}

#[test]
fn a_client_says_what_is_wrong_with_the_servers_certificate() {
    if !openssl("a_client_says_what_is_wrong_with_the_servers_certificate") {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let of_server = |rest: &str| format!("the certificate of server.example {rest}");
    let unknown =
        of_server("was not issued by an authority that this side trusts, or intermediate certificates were not sent");
    let client = authority.client();
    assert_eq!(refusal(&other.issue("other", &[NAME]), &client), unknown);
    assert_eq!(refusal(&authority.self_signed("self", &[NAME]), &client), unknown);
    assert_eq!(refusal(&authority.issue("server", &[NAME]), &Client::new()), unknown, "the system trusts it");
    let [one, another] = ["the same"; 2].map(Authority::called);
    let expected = "has a wrong signature: another authority of that name has issued it, or it was changed on the way";
    assert_eq!(refusal(&one.issue("server", &[NAME]), &another.client()), of_server(expected));
    let wrong = authority.issue("wrong", &["other.example", "more.example"]);
    assert_eq!(refusal(&wrong, &client), of_server("is for other names: other.example, more.example"));
    let expired = authority.issue_with("expired", &[NAME], |params| params.not_after = date_time_ymd(2021, 1, 1));
    let expected = of_server("expired at 2021-01-01T00:00:00Z; it is ");
    assert!(refusal(&expired, &client).starts_with(&expected));
    let early = authority.issue_with("early", &[NAME], |params| params.not_before = date_time_ymd(3000, 1, 1));
    let expected = of_server("is not valid before 3000-01-01T00:00:00Z; it is ");
    assert!(refusal(&early, &client).starts_with(&expected));
}

#[test]
fn a_client_shows_its_certificate_to_openssl_if_it_has_one() {
    if !openssl("a_client_shows_its_certificate_to_openssl_if_it_has_one") {
        return;
    }
    let authority = Authority::new();
    let (server, own) = (authority.issue("server", &[NAME]), authority.issue("own", &["me.example"]));
    let required =
        ["-Verify", "1", "-verify_return_error", "-CAfile", authority.path().to_str().unwrap()].map(str::to_owned);
    for version in ["-tls1_2", "-tls1_3"] {
        let options: Vec<&str> = required.iter().map(String::as_str).chain([version]).collect();
        let (_server, address) = start(&server, &options);
        let shown = talk(&authority.client().certificates(own.certificates()), address).unwrap();
        assert!(shown.contains(&"lost Done".to_owned()), "{shown:?}");

        let (_server, address) = start(&server, &options);
        let refused = match talk(&authority.client(), address) {
            // It is established for the client before the server has looked.
            Ok(lines) => lines.concat(),
            Err(error) => error,
        };
        assert!(refused.contains("server.example ended the connection: "), "{refused}");
    }
}
