//! Clients whose layer shakes hands: until that is over there is no connection, and what they get is the innermost.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use protocols::policies::IdleTimeout;
use protocols::web_socket::WebSocket;
use reactor::connect::{Backoff, ConnectErrorKind, ConnectorState};
use reactor::endpoint::client_from_string;
use reactor::net::ConnectOptions;
use reactor::service::{ClientService, Service};
use reactor::testing::Simulation;
use reactor::{ConnectError, Connector, Factory, Reactor, Transport};

use crate::support::{Callback, Log, Recorder};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Serves web sockets on `/here`, and logs what they bring.
fn serve(sim: &Simulation) -> Log {
    let log = Log::default();
    let recorders = log.clone();
    let inside = move |transport| Recorder::new(transport, recorders.clone());
    sim.host("server").listen_tcp(80, WebSocket::around(inside).path("/here")).unwrap();
    log
}

fn web_socket(path: &str, log: &Log) -> impl Factory + use<> {
    let log = log.clone();
    WebSocket::client(&format!("ws://server{path}"), move |transport| Recorder::new(transport, log.clone()))
}

/// A client that logs its hooks, too.
fn connect(host: &Reactor, to: impl Into<ConnectOptions>, factory: impl Factory, log: &Log) -> Connector {
    let (failed, lost) = (log.clone(), log.clone());
    host.connect_tcp(to, factory)
        .on_failed(move |_, error| failed.add(format!("{error}")))
        .on_lost(move |_, reason| lost.add(format!("hook {reason}")))
}

fn exact() -> Backoff {
    Backoff::new().jitter(false)
}

#[test]
fn a_server_that_refuses_web_sockets_is_asked_as_often_as_the_back_off_says() {
    let sim = Simulation::new(0);
    serve(&sim);
    let log = Log::default();
    let client = connect(&sim.host("client"), "server:80", web_socket("/elsewhere", &log), &log).retry(exact());
    sim.run_for(HOUR);
    let refusal = "cannot connect to server:80: the server refuses the web socket: 404 Not Found";
    let attempts = log.count(refusal);
    // Ten on the way to a minute, and one in each minute from then on.
    assert!((64..70).contains(&attempts), "{attempts} times");
    assert_eq!(log.lines(), vec![refusal; attempts]);
    assert_eq!((client.failure_count() as usize, client.state()), (attempts, ConnectorState::Waiting));
    assert!(client.transport().is_none());
}

#[test]
fn a_web_socket_that_is_accepted_resets_the_back_off_even_if_it_ends_at_once() {
    let sim = Simulation::new(0);
    serve(&sim);
    let aborts = |transport| {
        Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.abort_connection())
    };
    let log = Log::default();
    let factory = WebSocket::client("ws://server/here", aborts);
    let client = connect(&sim.host("client"), "server:80", factory, &log).retry(exact());
    sim.run_for(SECOND * 60);
    let losses = log.count("hook connection aborted on this side");
    assert!((50..61).contains(&losses), "{:?}", log.lines());
    assert_eq!((log.lines().len(), client.failure_count()), (losses, 0));
}

#[test]
fn a_handshake_behind_which_nothing_is_built_is_a_failed_attempt() {
    let sim = Simulation::new(0);
    serve(&sim);
    let log = Log::default();
    let nothing = WebSocket::client("ws://server/here", |_| None::<Recorder>);
    connect(&sim.host("client"), "server:80", nothing, &log);
    sim.run_for(SECOND);
    assert_eq!(log.lines(), ["cannot connect to server:80: connected, but no protocol was built"]);
}

#[test]
fn while_the_handshake_lasts_there_is_no_transport_and_then_it_is_the_one_that_writes_messages() {
    let sim = Simulation::new(0);
    let (received, log) = (serve(&sim), Log::default());
    let client = connect(&sim.host("client"), "server:80", web_socket("/here", &log), &log);
    let connecting = sim.run_until(|| {
        assert!(client.transport().is_none() || log.has("made"));
        assert_eq!(client.state() == ConnectorState::Connected, client.transport().is_some());
        client.transport().is_some()
    });
    assert!(connecting);
    client.transport().unwrap().write("hello");
    sim.run_for(SECOND);
    assert_eq!(received.lines(), ["made", "data hello"]);
    client.disconnect();
    sim.run_for(SECOND);
    assert_eq!(log.lines(), ["made", "lost Done", "dropped", "hook connection closed cleanly"]);
}

#[test]
fn a_handshake_that_nobody_answers_is_given_up_at_the_deadline_of_the_attempt() {
    let sim = Simulation::new(0);
    sim.host("server").listen_tcp(80, |transport| Recorder::new(transport, Log::default())).unwrap();
    let log = Log::default();
    let to = ConnectOptions::new("server:80").deadline(Some(SECOND * 5));
    let client = connect(&sim.host("client"), to, web_socket("/here", &log), &log);
    sim.run_for(SECOND * 4);
    assert_eq!((client.state(), log.lines().len()), (ConnectorState::Connecting, 0));
    sim.run_for(SECOND * 2);
    assert_eq!(log.lines(), ["cannot connect to server:80: no answer within 5s"]);
    assert_eq!((client.state(), client.failure_count()), (ConnectorState::Disconnected, 1));
}

#[test]
fn a_handshake_is_an_attempt_that_can_be_given_up() {
    let sim = Simulation::new(0);
    let received = Log::default();
    let recorders = received.clone();
    sim.host("server")
        .listen_tcp(80, move |transport| Recorder::new(transport, recorders.clone()).without_data())
        .unwrap();
    let log = Log::default();
    let client = connect(&sim.host("client"), "server:80", web_socket("/here", &log), &log).retry(exact());
    assert!(sim.run_until(|| received.has("made")));
    client.stop_trying();
    sim.run_for(HOUR);
    assert_eq!(log.lines(), ["cannot connect to server:80: the attempt was given up"]);
    assert_eq!(received.lines(), ["made", "lost Lost", "dropped"]);
    assert_eq!(client.state(), ConnectorState::Disconnected);
}

/// A service with a web socket, and the outcomes for callers that wait for it with and without a limit.
fn keep(sim: &Simulation, path: &str, failures: Option<u32>) -> Rc<RefCell<Vec<Heard>>> {
    let host = sim.host("client");
    let endpoint = client_from_string(&host, "sim:server:80").unwrap();
    let service = ClientService::new(&host, endpoint, web_socket(path, &Log::default())).backoff(exact());
    let heard = Rc::<RefCell<Vec<Heard>>>::default();
    let (kept, connected) = (Rc::clone(&heard), service.when_connected(failures));
    host.spawn(async move {
        let outcome = connected.await;
        kept.borrow_mut().push(outcome);
    });
    host.spawn(async move { service.start().await.unwrap() });
    heard
}

type Heard = Result<Transport, ConnectError>;

#[test]
fn a_service_is_not_connected_to_a_server_that_refuses_its_web_sockets() {
    for failures in [Some(3), None] {
        let sim = Simulation::new(0);
        serve(&sim);
        let heard = keep(&sim, "/elsewhere", failures);
        sim.run_for(HOUR);
        let heard: Vec<_> = heard.borrow().iter().map(|outcome| outcome.clone().unwrap_err().to_string()).collect();
        let refusal = "cannot connect to server:80: the server refuses the web socket: 404 Not Found";
        assert_eq!(heard, vec![refusal; failures.map_or(0, |_| 1)]);
    }
}

#[test]
fn the_transport_that_a_service_gives_writes_messages() {
    let sim = Simulation::new(0);
    let received = serve(&sim);
    let heard = keep(&sim, "/here", None);
    sim.run_for(SECOND);
    heard.borrow()[0].as_ref().unwrap().write("hello");
    sim.run_for(SECOND);
    assert_eq!(received.lines(), ["made", "data hello"]);
}

#[test]
fn a_protocol_that_an_endpoint_connects_is_reached_through_its_layers() {
    let sim = Simulation::new(0);
    let received = serve(&sim);
    let host = sim.host("client");
    let endpoint = Rc::new(client_from_string(&host, "sim:server:80").unwrap());
    for path in ["/here", "/elsewhere"] {
        let web_socket = Box::new(IdleTimeout::around(HOUR, web_socket(path, &Log::default())));
        let connected = Rc::new(RefCell::new(None));
        let (kept, endpoint) = (Rc::clone(&connected), Rc::clone(&endpoint));
        host.spawn(async move {
            let outcome = endpoint.connect(web_socket).await;
            kept.replace(Some(outcome));
        });
        sim.run_for(SECOND);
        match &*connected.borrow() {
            Some(Ok(transport)) => transport.write("hello"),
            Some(Err(error)) => assert_eq!((path, error.kind()), ("/elsewhere", &ConnectErrorKind::Other)),
            None => panic!("no outcome for {path}"),
        }
        sim.run_for(SECOND);
        assert_eq!(received.lines(), ["made", "data hello"]);
    }
}
