//! Python's module `ssl` as a client and as a server.

use std::process::Command;

use crate::apps::peers::script;
use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::protocols::tls::{Authority, NAME, serve, talk, talked};

fn python(test: &str) -> bool {
    is_there("Python's ssl", Command::new("python3").args(["-c", "import ssl"]), test)
}

#[test]
fn python_talks_with_a_server_and_both_end_as_they_should() {
    if !python("python_talks_with_a_server_and_both_end_as_they_should") {
        return;
    }
    let authority = Authority::new();
    let (server, log) = serve(&authority.issue("server", &[NAME]).server().alpn(&["chat"]));
    let address = server.address();
    let mut command = script("tls_client.py");
    command.args([address.ip().to_string(), address.port().to_string()]).arg(authority.path()).args([NAME, "chat"]);
    let mut client = Program::start(&mut command);
    assert_eq!(client.line(), "TLSv1.3 chat");
    // The second takes many records.
    client.type_in(format!("hello\n{}\n", "x".repeat(300_000)));
    assert_eq!([client.line(), client.line()], ["hello", "300001"]);
    let ended = client.close_and_finish().with_code(0);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("ended\n", ""));
    log.wait_for("lost Done");
}

#[test]
fn a_client_talks_with_python_and_both_end_as_they_should() {
    if !python("a_client_talks_with_python_and_both_end_as_they_should") {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let issued = authority.issue("server", &[NAME]);
    let mut server = Program::start(script("tls_server.py").args(["127.0.0.1", "0"]).arg(issued.chain).arg(issued.key));
    let address = server.line_after("waiting for connection... ").parse().unwrap();
    assert_eq!(talk(&authority.client(), address), talked("TLS 1.3 with a certificate"));
    assert_eq!(server.line(), "ended");
    talk(&other.client(), address).unwrap_err();
    assert!(server.line().starts_with("failed: [SSL: TLSV1_ALERT_UNKNOWN_CA]"));
}
