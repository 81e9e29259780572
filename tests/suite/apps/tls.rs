//! The two apps over TLS, as their users drive them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::apps::peers::curl;
use crate::apps::program::Program;
use crate::apps::server::Server;
use crate::apps::stamps::is_stamped;
use crate::protocols::tls::Authority;

/// An authority, and a certificate for this machine in `server.pem` and `server.key`.
fn authority() -> Authority {
    let authority = Authority::new();
    authority.issue("server", &["localhost", "127.0.0.1"]);
    authority
}

/// An endpoint that presents that certificate.
fn endpoint(authority: &Authority) -> String {
    let path = |file: &str| authority.folder().join(file).display().to_string();
    format!("tls:0:interface=127.0.0.1:certificate={}:key={}", path("server.pem"), path("server.key"))
}

/// `time-client --tls`, which trusts the authorities in a file, if one is given.
#[track_caller]
fn client(server: SocketAddr, host: &str, authorities: Option<&Path>) -> Program {
    let ca = authorities.into_iter().flat_map(|path| ["--ca".to_owned(), path.display().to_string()]);
    let port = server.port().to_string();
    Program::app("time-client", ["--tls".to_owned()].into_iter().chain(ca).chain([host.to_owned(), port]))
}

#[track_caller]
fn is_answered(client: &mut Program) {
    client.type_in("hello\n");
    assert!(is_stamped(client.line(), "hello"));
}

#[test]
fn the_client_talks_with_the_server_over_tls() {
    let authority = authority();
    let server = Server::start(&format!("--tcp {}", endpoint(&authority)));
    for host in ["localhost", "127.0.0.1"] {
        let mut client = client(server.address(), host, Some(&authority.path()));
        is_answered(&mut client);
        let ended = client.close_and_finish().with_code(0);
        assert_eq!(ended.stderr, "");
    }
}

#[test]
fn the_client_says_why_it_does_not_trust_the_server() {
    let authority = authority();
    let server = Server::start(&format!("--tcp {}", endpoint(&authority)));
    let ended = client(server.address(), "localhost", None).finish().with_code(1);
    let expected = format!(
        "time-client: cannot connect to localhost:{}: the certificate of localhost was not issued by an authority that \
         this side trusts, or intermediate certificates were not sent\n",
        server.address().port()
    );
    assert_eq!(ended.stderr, expected);
    let missing = authority.folder().join("missing.pem");
    let ended = client(server.address(), "localhost", Some(&missing)).finish().with_code(1);
    assert!(ended.stderr.contains(&format!("cannot read {}: No such file", missing.display())), "{}", ended.stderr);
}

#[test]
fn a_server_does_not_start_with_a_wrong_certificate_and_says_what_is_wrong() {
    let authority = authority();
    fs::copy(authority.path(), authority.folder().join("server.pem")).unwrap();
    let ended = Program::app("time-server", ["--tcp", &endpoint(&authority)]).finish().with_code(1);
    assert!(ended.stderr.contains("server.key does not belong to the first certificate in "), "{}", ended.stderr);
}

#[test]
fn curl_gets_the_page_over_tls_and_plain_http_is_told_apart() {
    if !curl("curl_gets_the_page_over_tls_and_plain_http_is_told_apart") {
        return;
    }
    let authority = authority();
    let mut server = Server::start(&format!("--web {}", endpoint(&authority)));
    let get = |scheme: &str| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--noproxy", "*", "--max-time", "30", "--cacert"]).arg(authority.path());
        Program::start(command.arg(format!("{scheme}://localhost:{}/", server.address().port()))).finish()
    };
    let page = get("https").with_code(0);
    assert!(page.stdout.starts_with("<!DOCTYPE html>") && page.stdout.ends_with("</html>\n"), "{}", page.stdout);
    assert_ne!(get("http").status.code(), Some(0));
    let line = server.program.stderr_line_with("a TLS handshake failed");
    assert!(line.contains("the peer does not speak TLS: it sent \"GET / HTTP/1.1\\r\\nHost: "), "{line}");
}

#[test]
fn new_certificates_are_presented_after_a_signal_and_nobody_is_lost() {
    let (authority, later) = (authority(), Authority::new());
    let mut server = Server::start(&format!("-v --tcp {}", endpoint(&authority)));
    let mut before: Vec<_> = (0..20).map(|_| client(server.address(), "localhost", Some(&authority.path()))).collect();
    before.iter_mut().for_each(is_answered);

    // Half of a pair is wrong, and changes nothing.
    let renewed = later.issue("server", &["localhost"]);
    let path = |file: &str| authority.folder().join(file);
    fs::copy(&renewed.chain, path("server.pem")).unwrap();
    server.program.signal(Signal::SIGHUP);
    let line = server.program.stderr_line_with("cannot reload: what was there stays in use");
    assert!(line.contains("server.key does not belong to the first certificate in "), "{line}");
    is_answered(&mut client(server.address(), "localhost", Some(&authority.path())));

    fs::copy(&renewed.key, path("server.key")).unwrap();
    server.program.signal(Signal::SIGHUP);
    server.program.stderr_line_with("reloaded");
    is_answered(&mut client(server.address(), "localhost", Some(&later.path())));
    client(server.address(), "localhost", Some(&authority.path())).finish().with_code(1);
    for mut client in before {
        is_answered(&mut client);
        client.close_and_finish().with_code(0);
    }
}
