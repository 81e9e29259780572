use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apps::peers::curl;
use crate::apps::program::Program;
use crate::gallery::{ANY_PORT, listening, serve_endpoints};
use crate::protocols::tls::Authority;

/// An authority, and a file with a certificate of Twisted's example and its key.
fn authority() -> (Authority, PathBuf) {
    let authority = Authority::new();
    let issued = authority.issue("example", &["example.com"]);
    let both = [issued.chain, issued.key].map(|path| fs::read_to_string(path).unwrap()).concat();
    let path = authority.folder().join("server.pem");
    fs::write(&path, both).unwrap();
    (authority, path)
}

#[track_caller]
fn serve(name: &str, certificate: &Path) -> (Program, SocketAddr) {
    let mut server = Program::example(name, ["127.0.0.1:0".as_ref(), certificate.as_os_str()]);
    let address = listening(&mut server);
    (server, address)
}

#[track_caller]
fn client(name: &str, server: SocketAddr, authority: &Authority) -> Program {
    Program::example(name, [server.to_string().as_ref(), authority.path().as_os_str()])
}

#[test]
fn lines_are_echoed_over_tls_to_clients_that_trust_the_server() {
    let (authority, certificate) = authority();
    let (_server, address) = serve("echo_server_tls", &certificate);
    let ended = client("echo_client_tls", address, &authority).finish().with_code(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    let received = ["receive: Hello, world!", "receive: What a fine day it is.", "receive: Bye-bye!"];
    assert_eq!(lines[..3], received);
    assert_eq!(lines[3..], ["connection lost: connection closed cleanly"]);
    let ended = client("echo_client_tls", address, &Authority::new()).finish().with_code(1);
    let expected =
        format!("connection failed: cannot connect to {address}: the certificate of example.com was not issued");
    assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
}

#[test]
fn a_connection_is_made_secure_in_mid_stream() {
    let (authority, certificate) = authority();
    let (mut server, address) = serve("starttls_server", &certificate);
    let ended = client("starttls_client", address, &authority).finish().with_code(0);
    assert_eq!(ended.stdout, "received: READY\nconnection lost: connection closed cleanly\n");
    for line in
        ["received: plain text", "received: STARTTLS", "-- Switching to TLS", "-- TLS 1.3", "received: secure text"]
    {
        assert_eq!(server.line(), line);
    }
}

#[test]
fn the_guest_book_is_read_by_either_version_of_http_over_tls_and_written_by_lines() {
    let test = "the_guest_book_is_read_by_either_version_of_http_over_tls_and_written_by_lines";
    if !curl(test) {
        return;
    }
    let (authority, certificate) = authority();
    let (_server, address) = serve("web_and_lines", &certificate);
    let tls = format!("tls:server=example.com:ca={}:tcp:{address}", authority.path().display());
    let mut guest = Program::app("time-client", ["--lines", &tls]);
    guest.type_in("I was here\n");
    let read = |options: &[&str]| {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--noproxy",
            "*",
            "--max-time",
            "30",
            "--write-out",
            "HTTP/%{http_version}",
            "--cacert",
        ]);
        command.arg(authority.path()).args(["--resolve", &format!("example.com:{}:127.0.0.1", address.port())]);
        let page = format!("https://example.com:{}/", address.port());
        Program::start(command.args(options).arg(page)).finish().with_code(0).stdout
    };
    // A request may overtake the line.
    let begun = rig::now();
    while !read(&["--http2"]).contains("I was here") && begun.elapsed() < rig::peer::DEADLINE {}
    for (option, version) in [("--http2", "2"), ("--http2-prior-knowledge", "2"), ("--http1.1", "1.1")] {
        assert_eq!(read(&[option]), format!("I was here\nHTTP/{version}"));
    }
}

#[test]
fn stage_22_of_the_tutorial_is_stage_13_over_tls() {
    let (authority, certificate) = authority();
    let endpoint = format!("tls:0:interface=127.0.0.1:certificate={}", certificate.display());
    let (_server, [finger, _setter]) = serve_endpoints("finger13", [&endpoint, ANY_PORT]);
    let tls = format!("tls:server=example.com:ca={}:tcp:{finger}", authority.path().display());
    let mut client = Program::app("time-client", ["--lines", &tls]);
    client.type_in("moshez\n");
    assert_eq!(client.line(), "Happy and well");
}
