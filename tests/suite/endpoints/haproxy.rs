//! `haproxy:` around other endpoints.

use std::time::Duration;

use futures_util::FutureExt;
use reactor::Transport;
use reactor::endpoint::server_from_string;
use reactor::testing::Simulation;

use crate::support::{Callback, Log, Recorder};

/// What a server on this endpoint logs about its clients, and what a client that sends this receives.
fn talk(description: &str, greeting: &'static str) -> (Vec<String>, Vec<String>) {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    protocols::add_endpoint_schemes(&server);
    let endpoint = server_from_string(&server, description).unwrap();
    assert_eq!(endpoint.to_string(), description);
    let (near, far) = (Log::default(), Log::default());
    let (served, heard) = (near.clone(), far.clone());
    let factory = move |transport: Transport| {
        served.add(transport.peer().to_string());
        Recorder::new(transport, Log::default()).on(Callback::Data, |this| this.transport.write(&this.data))
    };
    endpoint.listen(Box::new(factory)).now_or_never().unwrap().unwrap();
    sim.host("client").connect_tcp("server:80", move |transport: Transport| {
        transport.write(greeting);
        Recorder::new(transport, heard.clone())
    });
    sim.run_for(Duration::from_secs(60));
    (near.lines(), far.lines())
}

const HEADER: &str = "PROXY TCP4 192.0.2.1 203.0.113.7 56324 443\r\nhello";

#[test]
fn s141_haproxy_is_around_the_rest_and_the_client_that_the_header_names_is_served_if_the_proxy_is_trusted() {
    let trusted = "haproxy:trust=10.0.0.0/8,fd00\\:\\:/8:sim:server:80";
    let (near, far) = talk(trusted, HEADER);
    assert_eq!(near, ["192.0.2.1:56324"]);
    assert_eq!(far, ["made", "data hello"]);
    let (near, far) = talk("haproxy:trust=192.0.2.7:sim:server:80", HEADER);
    assert_eq!(near, [""; 0]);
    assert_eq!(far, ["made", "eof", "lost Done", "dropped"]);
}

#[test]
fn behind_a_proxy_the_share_of_one_peer_is_not_limited_unless_the_description_limits_it() {
    let behind_a_proxy = "haproxy:trust=10.0.0.0/8,fd00\\:\\:/8";
    for (description, expected) in [
        (format!("{behind_a_proxy}:sim:server:80"), 4),
        (format!("{behind_a_proxy}:tcp6:80"), 4),
        (format!("{behind_a_proxy}:tcp6:80:per-peer=1"), 1),
        ("tcp6:80".to_owned(), 2),
    ] {
        let sim = Simulation::new(1);
        let server = sim.host("server");
        server.set_connection_budget(4);
        protocols::add_endpoint_schemes(&server);
        let endpoint = server_from_string(&server, &description).unwrap();
        let factory = |transport: Transport| Recorder::new(transport, Log::default());
        let port = endpoint.listen(Box::new(factory)).now_or_never().unwrap().unwrap();
        for _ in 0..4 {
            sim.host("proxy").connect_tcp("server:80", |transport: Transport| {
                transport.write(HEADER);
                Recorder::new(transport, Log::default())
            });
            sim.run_for(Duration::from_secs(1));
        }
        assert_eq!(port.connection_count(), expected, "{description}");
    }
}

#[test]
fn the_header_has_as_long_as_the_description_says() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    protocols::add_endpoint_schemes(&server);
    let endpoint = server_from_string(&server, "haproxy:deadline=0.5:tcp:80:interface=127.0.0.1").unwrap();
    endpoint.listen(Box::new(super::echoing)).now_or_never().unwrap().unwrap();
    let client = server.connect_tcp("127.0.0.1:80", |transport| Recorder::new(transport, Log::default()));
    server.run_until(client.finished()).unwrap().unwrap();
    assert!((500..600).contains(&sim.elapsed().as_millis()), "{:?}", sim.elapsed());
}

#[test]
fn headers_come_before_what_is_around_them() {
    let description = "web:haproxy:trust=10.0.0.0/8,fd00\\:\\:/8:sim:server:80";
    for (greeting, is_answered) in [
        ("PROXY TCP4 192.0.2.1 203.0.113.7 56324 443\r\nGET / HTTP/1.1\r\n\r\n", true),
        ("GET / HTTP/1.1\r\n\r\n", false),
    ] {
        let (near, far) = talk(description, greeting);
        assert_eq!(near, [""; 0], "it was no request for a web socket");
        assert_eq!(far.iter().any(|line| line.starts_with("data")), is_answered, "{far:?}");
    }
}

#[test]
fn trusted_addresses_are_checked_when_the_description_is_read() {
    let sim = Simulation::new(1);
    let reactor = sim.host("here");
    protocols::add_endpoint_schemes(&reactor);
    for (description, problem) in [
        ("haproxy:", "the endpoint inside haproxy is missing"),
        (
            "haproxy:trust=10.0.0.0/8,localhost:tcp:80",
            "\"10.0.0.0/8,localhost\" (at 14) contains \"localhost\", which is neither an address nor a network",
        ),
        ("haproxy:trust=:tcp:80", "\"\" (at 14) contains \"\", which is neither an address nor a network"),
        (
            "haproxy:deadline=soon:tcp:80",
            "\"soon\" (at 17) is not a time: a time is a number of seconds, as in 30 or 0.5",
        ),
        ("haproxy:trusted=1:tcp:80", "\"trusted\" (at 8) is not a keyword of haproxy: it has trust, deadline"),
    ] {
        let error = server_from_string(&reactor, description).unwrap_err();
        assert_eq!(error.to_string(), format!("{description}: {problem}"));
    }
}
