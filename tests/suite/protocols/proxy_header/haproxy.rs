//! With HAProxy on the other side.

use std::fs;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::Command;

use protocols::proxy_header::ProxyHeader;
use reactor::{Address, Factory};
use rig::peer;
use rig::peer::{Serving, round_trip};
use tempfile::TempDir;

use crate::apps::net::listen;
use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::protocols::proxy_header::{CLIENT, SERVER, proxied};
use crate::support::datagrams::LOOPBACK;
use crate::support::{Callback, Log, connect, in_time, recorder, test_reactor};

fn haproxy(test: &str) -> bool {
    is_there("HAProxy", Command::new("haproxy").arg("-v"), test)
}

/// One that forwards what comes to `address`, where it is, and the folder of its configuration.
fn start(bind: &str, server: SocketAddr, options: &str) -> (Program, SocketAddr, TempDir) {
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

/// An echo behind headers, which logs.
fn serve() -> (Serving, Log) {
    let log = Log::default();
    let logged = log.clone();
    (peer::serve(move |reactor| reactor.listen_tcp(LOOPBACK, proxied(&logged))), log)
}

const VERSIONS: [&str; 4] =
    ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id", "send-proxy-v2-ssl"];

#[test]
fn haproxy_tells_whose_the_connections_are() {
    if !haproxy("haproxy_tells_whose_the_connections_are") {
        return;
    }
    for options in VERSIONS {
        let (server, log) = serve();
        let (_proxy, address, _folder) = start("", server.address(), options);
        for _ in 0..3 {
            let client = connect(address);
            round_trip(&client, b"hello");
            log.wait_for(&format!("{} to {address}", client.local_addr().unwrap()));
        }
    }
}

#[test]
fn haproxys_health_checks_are_connections_of_its_own() {
    if !haproxy("haproxys_health_checks_are_connections_of_its_own") {
        return;
    }
    for options in VERSIONS {
        let (server, log) = serve();
        let (_proxy, address, _folder) = start("", server.address(), &format!("{options} check inter 50ms"));
        let own = format!("to {}", server.address());
        log.wait_until("three health checks", |log| {
            log.lines().iter().filter(|line| line.ends_with(&own)).count() >= 3
        });
        // They have found the server well, for it gets clients.
        let client = connect(address);
        round_trip(&client, b"hello");
        log.wait_for(&format!("{} to {address}", client.local_addr().unwrap()));
    }
}

#[test]
fn haproxy_understands_headers_and_passes_them_on() {
    if !haproxy("haproxy_understands_headers_and_passes_them_on") {
        return;
    }
    for [from, to] in [[CLIENT, SERVER], ["[2001:db8::1]:1", "[2001:db8::2]:65535"]] {
        for version in [1, 2] {
            for options in VERSIONS {
                let (server, log) = serve();
                let (_proxy, address, _folder) = start("accept-proxy", server.address(), options);
                in_time(move || {
                    let reactor = test_reactor();
                    let hello = recorder(&Log::default(), |recorder| {
                        recorder
                            .on(Callback::Made, |this| this.transport.write("hello"))
                            .on(Callback::Data, |this| this.transport.lose_connection())
                    });
                    let [from, to] = [from, to].map(|text| Address::Inet(text.parse().unwrap()));
                    let sender: Box<dyn Factory> = match version {
                        1 => Box::new(ProxyHeader::send_v1(&from, &to, hello)),
                        _ => Box::new(ProxyHeader::send_v2(&from, &to, hello)),
                    };
                    let reason = reactor.run_until(reactor.connect_tcp(address, sender).finished()).unwrap().unwrap();
                    assert!(reason.is_clean(), "{reason}");
                });
                log.wait_for(&format!("{from} to {to}"));
                log.wait_for("data hello");
            }
        }
    }
}
