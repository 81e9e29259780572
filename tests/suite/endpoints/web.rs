//! `web:` around other endpoints.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use reactor::connect::ConnectErrorKind;
use reactor::endpoint::{client_from_string, server_from_string};
use reactor::testing::Simulation;
use reactor::{Reactor, Transport};

use crate::endpoints::echoing;
use crate::support::{Callback, Log, Recorder};

/// A host that knows `web:`.
fn host(sim: &Simulation, name: &str) -> Reactor {
    let reactor = sim.host(name);
    protocols::add_endpoint_schemes(&reactor);
    reactor
}

fn serve(sim: &Simulation, description: &str) {
    let endpoint = server_from_string(&host(sim, "server"), description).unwrap();
    endpoint.listen(Box::new(echoing)).now_or_never().unwrap().unwrap();
}

/// The echo of a word, or why there is none.
fn ask(sim: &Simulation, description: &str) -> Result<Vec<String>, reactor::ConnectError> {
    let client = host(sim, "client");
    let endpoint = client_from_string(&client, description).unwrap();
    assert_eq!(endpoint.to_string(), description);
    let log = Log::default();
    let recorders = log.clone();
    let factory = move |transport: Transport| {
        transport.write("hello");
        Recorder::new(transport, recorders.clone()).on(Callback::Data, |this| this.transport.lose_connection())
    };
    client.run_until(async move { Ok(endpoint.connect(Box::new(factory)).await?.finished().await) }).unwrap()?;
    Ok(log.lines())
}

#[test]
fn both_sides_agree_on_a_path_and_on_texts() {
    let sim = Simulation::new(1);
    serve(&sim, "web:path=/chat:text=yes:sim:server:80");
    let lines = ask(&sim, "web:path=/chat:text=yes:sim:server:80").unwrap();
    assert_eq!(lines, ["made", "data hello", "lost Done", "dropped"]);
    for (description, expected) in [
        ("web:sim:server:80", "server:80: the server refuses the web socket: 404 Not Found"),
        (
            "web:host=a.example\\:81:path=/other:sim:server:80",
            "server:80: the server refuses the web socket: 404 Not Found",
        ),
        ("web:sim:server:81", "server:81: connection refused"),
    ] {
        let error = ask(&sim, description).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot connect to {expected}"));
    }
}

#[test]
fn a_server_that_does_not_answer_the_request_is_given_up() {
    let sim = Simulation::new(1);
    sim.host("server").listen_tcp(80, |transport| Recorder::new(transport, Log::default())).unwrap();
    let error = ask(&sim, "web:sim:server:80").unwrap_err();
    assert_eq!(error.kind(), &ConnectErrorKind::Other);
    assert!(error.to_string().starts_with("cannot connect to server:80: "), "{error}");
    assert!(sim.elapsed() >= Duration::from_secs(10));
}

#[test]
fn given_up_during_the_handshake_the_connection_below_is_aborted() {
    let sim = Simulation::new(1);
    let log = Log::default();
    let recorders = log.clone();
    sim.host("server")
        .listen_tcp(80, move |transport| Recorder::new(transport, recorders.clone()).without_data())
        .unwrap();
    let client = host(&sim, "client");
    let endpoint = client_from_string(&client, "web:sim:server:80").unwrap();
    let begun = log.clone();
    client.spawn(async move {
        let factory = |transport| Recorder::new(transport, Log::default());
        let mut connecting = endpoint.connect(Box::new(factory));
        poll_fn(|cx| {
            assert!(connecting.poll_unpin(cx).is_pending());
            if begun.lines().is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    });
    sim.run_for(Duration::from_secs(5));
    assert_eq!(log.lines(), ["made", "lost Lost", "dropped"]);
}

#[test]
fn what_is_wrong_is_told_with_its_place_in_the_whole() {
    let sim = Simulation::new(1);
    let reactor = host(&sim, "here");
    for (description, problem) in [
        ("web:", "the endpoint inside web is missing"),
        ("web:path=/a", "the endpoint inside web is missing"),
        (
            "web:8007",
            "\"8007\" (at 4) is not a scheme: those known are haproxy, sim, tcp, tcp6, timeouts, tls, unix, web",
        ),
        ("web:path=a:tcp:80", "\"a\" (at 9) is not a path: a path begins with a slash"),
        ("web:tcp:80x", "\"80x\" (at 8) is not a port: a port is a number from 0 to 65535"),
        (
            "web:text=1:txt=1:tcp:80",
            "\"txt\" (at 11) is not a keyword of web: it has path, hosts, origins, text, max-message, handshake, ping, pong",
        ),
        (
            "web:tcp:80:path=/a",
            "\"path\" (at 11) is not a keyword of tcp: it has port, interface, backlog, reuse-port, max-connections, max-pending, rate, per-peer, pending-per-peer, keep-alive, keep-alive-interval, keep-alive-count",
        ),
    ] {
        let error = server_from_string(&reactor, description).unwrap_err();
        assert_eq!(error.to_string(), format!("{description}: {problem}"));
    }
    for (ping, is_right) in [("no", true), ("0.5", true), ("often", false)] {
        assert_eq!(server_from_string(&reactor, &format!("web:ping={ping}:tcp:80")).is_ok(), is_right, "{ping}");
    }
    let error = client_from_string(&reactor, "web:host=a b:sim:here:80").unwrap_err();
    assert!(
        error.to_string().starts_with("web:host=a b:sim:here:80: ws://a b/ is not the URL of a web socket: "),
        "{error}"
    );
}
