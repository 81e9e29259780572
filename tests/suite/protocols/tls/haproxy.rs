//! HAProxy between the two ends: it passes TLS on, or begins it, and tells whose the connection is.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::Command;

use protocols::proxy_header::ProxyHeader;
use rig::peer;
use rig::peer::round_trip;
use tempfile::TempDir;

use crate::apps::net::{connect, listen};
use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::protocols::tls::{Authority, NAME, talk, talked, tells_what_is_negotiated};
use crate::support::datagrams::LOOPBACK;
use crate::support::{Callback, Log, echo, recorder};

/// One that forwards what comes to `server`, where it is, and the folder of its configuration.
fn start(server: SocketAddr, options: &str) -> (Program, SocketAddr, TempDir) {
    start_with("", server, options)
}

/// The same, with options for its own port.
fn start_with(bind: &str, server: SocketAddr, options: &str) -> (Program, SocketAddr, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("haproxy.cfg");
    let text = format!(
        "defaults\n mode tcp\n timeout connect 30s\n timeout client 30s\n timeout server 30s\n\
         listen proxy\n bind fd@0 {bind}\n server here {server} {options}\n"
    );
    fs::write(&file, text).unwrap();
    // It takes over a socket that listens already: its standard input.
    let (listener, address) = listen();
    let proxy = Program::start_with(OwnedFd::from(listener), Command::new("haproxy").arg("-db").arg("-f").arg(file));
    (proxy, address, folder)
}

#[test]
fn an_endpoint_takes_haproxys_header_and_then_tls() {
    if !is_there("HAProxy", Command::new("haproxy").arg("-v"), "an_endpoint_takes_haproxys_header_and_then_tls") {
        return;
    }
    let authority = Authority::new();
    let issued = authority.issue("server", &[NAME]);
    let served = format!("certificate={}:key={}", issued.chain.display(), issued.key.display());
    let mut server = Program::app("time-server", ["--tcp", &format!("tls:{served}:haproxy:tcp:0:interface=127.0.0.1")]);
    let address = server.line_after("waiting for connection... tcp ").trim_start_matches("tls://").parse().unwrap();
    for options in ["send-proxy", "send-proxy-v2"] {
        let (_proxy, proxied, _folder) = start(address, options);
        let client = Program::app(
            "time-client",
            [&format!("tls:server={NAME}:ca={}:tcp:{proxied}", authority.path().display())],
        );
        let connected = server.line_after("...connected from: ");
        let source: SocketAddr = connected.parse().unwrap();
        assert!(source.ip().is_loopback() && source != address, "{connected}");
        client.close_and_finish().with_code(0);
    }
}

#[test]
fn haproxy_tells_whose_the_connections_are_and_passes_tls_on_or_begins_it() {
    let test = "haproxy_tells_whose_the_connections_are_and_passes_tls_on_or_begins_it";
    if !is_there("HAProxy", Command::new("haproxy").arg("-v"), test) {
        return;
    }
    let authority = Authority::new();
    let (tls, log) = (authority.issue("server", &[NAME]).server(), Log::default());
    let logged = log.clone();
    let server = peer::serve(move |reactor| {
        let inside = recorder(&logged, |recorder| {
            let recorder = recorder.on(Callback::Made, |this| this.log.add(this.transport.peer().to_string()));
            tells_what_is_negotiated(echo(recorder))
        });
        reactor.listen_tcp(LOOPBACK, ProxyHeader::around(tls.around(inside)))
    });

    for options in ["send-proxy", "send-proxy-v2"] {
        let (_proxy, address, _folder) = start(server.address(), options);
        talk(&authority.client(), address).unwrap();
        log.wait_for("dropped");
        let lines = log.take();
        let client: SocketAddr = lines[1].parse().unwrap();
        assert!(client.ip().is_loopback() && client != address, "{lines:?}");
        assert_eq!(lines[2], "TLS 1.3 for server.example without a certificate");
        assert!(lines.contains(&"lost Done".to_owned()), "{lines:?}");
    }

    let trusts = format!("ssl verify required sni str({NAME}) ca-file {} send-proxy", authority.path().display());
    let (_proxy, address, _folder) = start(server.address(), &trusts);
    let client = connect(address);
    round_trip(&client, b"hello");
    log.wait_for(&client.local_addr().unwrap().to_string());
}

#[test]
fn a_client_talks_with_haproxy_in_front_of_a_server_without_tls() {
    let test = "a_client_talks_with_haproxy_in_front_of_a_server_without_tls";
    if !is_there("HAProxy", Command::new("haproxy").arg("-v"), test) {
        return;
    }
    let (authority, log) = (Authority::new(), Log::default());
    let issued = authority.issue("server", &[NAME]);
    let both = [issued.chain, issued.key].map(|path| fs::read_to_string(path).unwrap()).concat();
    let path = authority.folder().join("both.pem");
    fs::write(&path, both).unwrap();
    let logged = log.clone();
    let server = peer::serve(move |reactor| reactor.listen_tcp(LOOPBACK, recorder(&logged, echo)));
    let (_proxy, address, _folder) = start_with(&format!("ssl crt {}", path.display()), server.address(), "");
    assert_eq!(talk(&authority.client(), address), talked("TLS 1.3 with a certificate"));
    log.wait_for("dropped");
    assert_eq!(log.received(), b"hello\nlast\n");
}
