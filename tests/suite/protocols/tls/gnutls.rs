//! GnuTLS as a client.

use std::process::Command;

use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::protocols::tls::{Authority, NAME, serve};

#[test]
fn gnutls_talks_with_a_server_by_both_versions() {
    let test = "gnutls_talks_with_a_server_by_both_versions";
    if !is_there("gnutls-cli", Command::new("gnutls-cli").arg("--version"), test) {
        return;
    }
    let authority = Authority::new();
    let (server, log) = serve(&authority.issue("server", &[NAME]).server());
    for (version, expected) in [("TLS1.2", "TLS 1.2"), ("TLS1.3", "TLS 1.3")] {
        let mut command = Command::new("gnutls-cli");
        command.args(["--sni-hostname", NAME, "--verify-hostname", NAME, "--x509cafile"]).arg(authority.path());
        command.args(["--priority", &format!("NORMAL:-VERS-ALL:+VERS-{version}"), "--port"]);
        command.args([&server.address().port().to_string(), "127.0.0.1"]);
        let mut client = Program::start(&mut command);
        log.wait_for("made");
        client.type_in("hello\n");
        while client.line() != "hello" {}
        client.close_and_finish().with_code(0);
        log.wait_for("dropped");
        let negotiated = format!("{expected} for {NAME} without a certificate");
        assert_eq!(log.take()[..3], ["made", &negotiated, "data hello\n"]);
    }
}
