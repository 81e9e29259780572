//! OpenSSL as a client.

use std::path::Path;
use std::process::Command;

use protocols::tls::{Certificates, ClientCertificates, Server};
use rig::peer::Serving;

use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::protocols::tls::{Authority, NAME, serve};

pub(super) fn openssl(test: &str) -> bool {
    is_there("OpenSSL", Command::new("openssl").arg("version"), test)
}

/// A client that verifies the server, and ends when its standard input does.
fn client(authority: &Authority, server: &Serving, name: &str) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-brief", "-verify_return_error", "-connect", &server.address().to_string()]);
    command.args(["-servername", name, "-verify_hostname", name, "-CAfile"]).arg(authority.path());
    command
}

/// One of TLS 1.2 that says more than in brief, and takes commands.
fn without_brief(authority: &Authority, server: &Serving) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-tls1_2", "-connect", &server.address().to_string(), "-CAfile"]).arg(authority.path());
    command
}

/// Sends a line, has it back, and ends in order.
#[track_caller]
fn talk(command: &mut Command) {
    let mut client = Program::start(command);
    client.type_in("hello\n");
    assert_eq!(client.line(), "hello");
    client.close_and_finish().with_code(0);
}

const IN_ORDER: [&str; 4] = ["data hello\n", "eof", "lost Done", "dropped"];

#[test]
fn openssl_talks_with_a_server_by_both_versions() {
    if !openssl("openssl_talks_with_a_server_by_both_versions") {
        return;
    }
    let authority = Authority::new();
    let (server, log) = serve(&authority.issue("server", &[NAME]).server().alpn(&["h2", "chat"]));
    for (options, expected) in [
        (&["-tls1_3"][..], "TLS 1.3 for server.example without a certificate"),
        (&["-tls1_2"], "TLS 1.2 for server.example without a certificate"),
        (&["-tls1_3", "-alpn", "chat,other"], "TLS 1.3 for server.example by chat without a certificate"),
        (&["-tls1_2", "-alpn", "other,chat,h2"], "TLS 1.2 for server.example by h2 without a certificate"),
    ] {
        talk(client(&authority, &server, NAME).args(options));
        log.wait_for("dropped");
        assert_eq!(log.take(), [&["made", expected][..], &IN_ORDER].concat());
    }
}

#[test]
fn openssl_cannot_talk_by_what_is_obsolete() {
    if !openssl("openssl_cannot_talk_by_what_is_obsolete") {
        return;
    }
    let authority = Authority::new();
    let tls = authority.issue("server", &[NAME]).server().alpn(&["chat"]);
    let (server, log) = serve(&tls);
    for options in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        // Without encryption or without certificates, without forward secrecy, without AEAD, with short tags, with SHA-1.
        &["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "kRSA"],
        &["-tls1_2", "-cipher", "kDHE"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8:CAMELLIA:ARIA"],
        &["-tls1_2", "-cipher", "DEFAULT:@SECLEVEL=0", "-sigalgs", "ECDSA+SHA1"],
        &["-tls1_3", "-alpn", "other"],
    ] {
        let before = tls.failed_handshakes();
        Program::start(client(&authority, &server, NAME).args(options)).close_and_finish().with_code(1);
        // The client may end before the server has counted it.
        log.wait_until("the count", |_| tls.failed_handshakes() > before);
    }
    assert_eq!(log.lines(), [""; 0]);
}

#[test]
fn openssl_finds_no_weakness_in_what_is_negotiated() {
    if !openssl("openssl_finds_no_weakness_in_what_is_negotiated") {
        return;
    }
    let authority = Authority::new();
    let (server, _log) = serve(&authority.issue("server", &[NAME]).server());
    let seen = Program::start(&mut without_brief(&authority, &server)).close_and_finish().with_code(0).stdout;
    for expected in [
        "Secure Renegotiation IS supported",
        "Compression: NONE",
        "Extended master secret: yes",
        "Server Temp Key: X25519",
    ] {
        assert!(seen.contains(expected), "{expected}: {seen}");
    }
}

#[test]
fn openssl_gets_the_certificate_of_the_name_that_it_asks_for() {
    if !openssl("openssl_gets_the_certificate_of_the_name_that_it_asks_for") {
        return;
    }
    let authority = Authority::new();
    for name in ["a.example", "b.example"] {
        let issued = authority.issue("server", &[name]);
        let pem = [issued.chain, issued.key].map(|path| std::fs::read_to_string(path).unwrap()).concat();
        std::fs::create_dir_all(authority.folder().join("servers")).unwrap();
        std::fs::write(authority.folder().join(format!("servers/{name}.pem")), pem).unwrap();
    }
    let (server, _log) = serve(&Server::new(Certificates::from_directory(authority.folder().join("servers")).unwrap()));
    talk(&mut client(&authority, &server, "a.example"));
    talk(&mut client(&authority, &server, "b.example"));
    let refused = Program::start(&mut client(&authority, &server, "c.example")).close_and_finish().with_code(1);
    assert!(refused.stderr.contains("hostname mismatch"), "{}", refused.stderr);
}

#[test]
fn openssl_resumes_its_session_also_after_new_certificates() {
    if !openssl("openssl_resumes_its_session_also_after_new_certificates") {
        return;
    }
    let authority = Authority::new();
    let tls = authority.issue("server", &[NAME]).server();
    let (server, log) = serve(&tls);
    for version in ["-tls1_3", "-tls1_2"] {
        let session = authority.folder().join(version);
        // A ticket of TLS 1.3 comes behind the handshake: it is there when the echo is.
        talk(client(&authority, &server, NAME).args([version, "-sess_out"]).arg(&session));
        tls.reload(authority.issue("renewed", &[NAME]).certificates());
        talk(client(&authority, &server, NAME).args([version, "-sess_in"]).arg(&session));
        log.wait_until("both ends", |log| log.count("dropped") == 2);
        let lines = log.take();
        assert!(lines[1].ends_with("a certificate") && lines[7].ends_with(", resumed"), "{lines:?}");
    }
}

#[test]
fn openssl_shows_its_own_certificate_or_is_refused() {
    if !openssl("openssl_shows_its_own_certificate_or_is_refused") {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let tls = authority.issue("server", &[NAME]).server();
    let tls = tls.client_certificates(ClientCertificates::required(authority.roots()));
    let (server, log) = serve(&tls);
    let (own, foreign) = (authority.issue("own", &["me.example"]), other.issue("own", &["me.example"]));
    let pair = |command: &mut Command, chain: &Path, key: &Path| {
        command.arg("-cert").arg(chain).arg("-key").arg(key);
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let mut accepted = client(&authority, &server, NAME);
        pair(accepted.arg(version), &own.chain, &own.key);
        talk(&mut accepted);
        log.wait_for("dropped");
        assert!(log.take()[1].ends_with(" with a certificate"));

        let mut wrong = client(&authority, &server, NAME);
        pair(wrong.arg(version), &foreign.chain, &foreign.key);
        let mut missing = client(&authority, &server, NAME);
        missing.arg(version);
        for (command, alert) in [(&mut wrong, "unknown ca"), (&mut missing, "certificate required")] {
            let before = tls.failed_handshakes();
            let mut refused = Program::start(command);
            refused.stderr_line_with(alert);
            drop(refused);
            log.wait_until("the count", |_| tls.failed_handshakes() > before);
        }
    }
    assert_eq!(log.lines(), [""; 0]);
}

#[test]
fn an_attempt_to_negotiate_anew_disturbs_nobody() {
    if !openssl("an_attempt_to_negotiate_anew_disturbs_nobody") {
        return;
    }
    let authority = Authority::new();
    let (server, log) = serve(&authority.issue("server", &[NAME]).server());
    let mut insisting = Program::start(&mut without_brief(&authority, &server));
    log.wait_for("made");
    insisting.type_in("R\n");
    insisting.stderr_line_with("RENEGOTIATING");
    log.wait_for("dropped");
    talk(&mut client(&authority, &server, NAME));
}

#[test]
fn openssl_changes_its_keys_in_the_middle() {
    if !openssl("openssl_changes_its_keys_in_the_middle") {
        return;
    }
    let authority = Authority::new();
    let (server, log) = serve(&authority.issue("server", &[NAME]).server());
    let mut command = Command::new("openssl");
    command.args(["s_client", "-tls1_3", "-connect", &server.address().to_string(), "-CAfile"]);
    let mut client = Program::start(command.arg(authority.path()));
    log.wait_for("made");
    // Its own, and those of both.
    for command in ["k\n", "K\n"] {
        client.type_in(command);
        client.stderr_line_with("KEYUPDATE");
        client.type_in("hello\n");
        while client.line() != "hello" {}
    }
    client.close_and_finish().with_code(0);
}
