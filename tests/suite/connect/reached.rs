//! What connectors, services and adopted streams build is reached by its own handle.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use protocols::amp::Amp;
use protocols::memcache::MemcacheClient;
use protocols::policies::IdleTimeout;
use protocols::web_socket::WebSocket;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::connect::{Backoff, ConnectErrorKind};
use reactor::endpoint::client_from_string;
use reactor::service::{ClientService, Service};
use reactor::testing::{Simulation, StringTransport};
use reactor::{Address, CloseReason, ConnectError, Factory, Reactor, Transport};

use crate::support::{Log, Recorder, every_reactor, greeter, nobody};

const SECOND: Duration = Duration::from_secs(1);

/// Logs the lines that it receives.
struct Hearing(Log);

impl LineHandler for Hearing {
    fn line_received(&mut self, line: &[u8]) {
        self.0.add(String::from_utf8_lossy(line));
    }
}

fn lines(log: &Log) -> impl Factory + use<> {
    let log = log.clone();
    LineReceiver::factory(move |_| Hearing(log.clone()))
}

/// What comes of a future, once that is known.
fn outcome<T: 'static>(reactor: &Reactor, future: impl Future<Output = T> + 'static) -> Rc<RefCell<Option<T>>> {
    let outcome = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&outcome);
    reactor.spawn(async move {
        let output = future.await;
        kept.replace(Some(output));
    });
    outcome
}

#[test]
fn a_connectors_lines_are_written_to_when_it_is_connected() {
    let (sim, log) = (Simulation::new(0), Log::default());
    sim.host("server").listen_tcp(7, lines(&log)).unwrap();
    let client = sim.host("client");
    let connector = client.connect_tcp("server:7", IdleTimeout::around(60 * SECOND, lines(&Log::default())));
    let connected = outcome(&client, connector.connected());
    sim.run_for(SECOND);
    let transport = connected.take().unwrap().unwrap();
    assert_eq!(Some(&transport), connector.transport().as_ref());
    transport.handle::<Lines>().unwrap().send_line("hello");
    sim.run_for(SECOND);
    assert_eq!(log.lines(), ["hello"]);
    assert!(transport.handle::<Amp>().is_none(), "it has none of another kind");
    connector.disconnect();
    sim.run_for(SECOND);
    assert!(transport.handle::<Lines>().is_none(), "the connection has ended");
}

#[test]
fn a_connection_that_is_waited_for_comes_after_any_retries_or_fails_with_the_last() {
    let sim = Simulation::new(0);
    let server = sim.host("server");
    let client = sim.host("client");
    let patient = client.connect_tcp("server:7", lines(&Log::default())).retry(Backoff::new());
    let hasty = client.connect_tcp("server:7", lines(&Log::default()));
    let two = [outcome(&client, patient.connected()), outcome(&client, hasty.connected())];
    sim.run_for(10 * SECOND);
    assert!(two[0].borrow().is_none());
    assert_eq!(two[1].take().unwrap().unwrap_err().kind(), &ConnectErrorKind::Refused);
    server.listen_tcp(7, lines(&Log::default())).unwrap();
    sim.run_for(100 * SECOND);
    assert!(two[0].take().unwrap().is_ok());
}

#[test]
fn a_connection_is_waited_for_on_every_reactor() {
    every_reactor(|reactor| {
        let (there, not_there) = (greeter(&reactor), nobody());
        let build = |transport| Recorder::new(transport, Log::default());
        let connector = reactor.connect_tcp(there, build);
        let refused = reactor.connect_tcp(not_there, build);
        let (connected, failed) =
            reactor.run_until(async move { (connector.connected().await, refused.connected().await) }).unwrap();
        assert!(connected.is_ok() && matches!(failed.unwrap_err().kind(), ConnectErrorKind::Refused));
    });
}

#[test]
fn a_web_socket_is_waited_for_until_its_handshake_is_over() {
    let (sim, log) = (Simulation::new(0), Log::default());
    sim.host("server").listen_tcp(80, WebSocket::around(lines(&log)).path("/here")).unwrap();
    let client = sim.host("client");
    let connect = |path: &str| {
        let url = format!("ws://server{path}");
        outcome(&client, client.connect_tcp("server:80", WebSocket::client(&url, lines(&Log::default()))).connected())
    };
    let (right, wrong) = (connect("/here"), connect("/there"));
    sim.run_for(SECOND);
    right.take().unwrap().unwrap().handle::<Lines>().unwrap().send_line("hello");
    let error: ConnectError = wrong.take().unwrap().unwrap_err();
    assert!(error.to_string().ends_with("404 Not Found"), "{error}");
    sim.run_for(SECOND);
    assert_eq!(log.lines(), ["hello"]);
}

#[test]
fn what_a_service_keeps_up_is_reached_by_its_handle_also_to_be_prepared() {
    let (sim, log) = (Simulation::new(0), Log::default());
    sim.host("server").listen_tcp(7, lines(&log)).unwrap();
    let client = sim.host("client");
    let endpoint = client_from_string(&client, "sim:server:7").unwrap();
    let service = ClientService::new(&client, endpoint, lines(&Log::default()));
    let service = Rc::new(service.prepare_connection(async |transport: Transport| {
        transport.handle::<Lines>().ok_or("no lines")?.send_line("login");
        Ok(())
    }));
    let connected = outcome(&client, service.when_connected(None));
    let starting = Rc::clone(&service);
    client.spawn(async move { starting.start().await.unwrap() });
    sim.run_for(SECOND);
    connected.take().unwrap().unwrap().handle::<Lines>().unwrap().send_line("hello");
    sim.run_for(SECOND);
    assert_eq!(log.lines(), ["login", "hello"]);
}

#[test]
fn an_adopted_stream_is_reached_when_its_protocol_is_built() {
    let sim = Simulation::new(0);
    let (reactor, log) = (sim.host("here"), Log::default());
    let (near, far) = tokio::io::duplex(1024);
    let [here, there] = ["here", "there"].map(Address::memory);
    reactor.adopt_stream(near, here.clone(), there.clone(), lines(&log));
    let end = reactor.adopt_stream(far, there.clone(), here.clone(), lines(&Log::default()));
    let connected = outcome(&reactor, end.connected());
    let refused = reactor.adopt_stream(tokio::io::empty(), here, there, |_| None::<Recorder>);
    let refused = outcome(&reactor, refused.connected());
    sim.run_for(SECOND);
    connected.take().unwrap().unwrap().handle::<Lines>().unwrap().send_line("hello");
    assert!(matches!(refused.take(), Some(Err(CloseReason::Done))));
    sim.run_for(SECOND);
    assert_eq!(log.lines(), ["hello"]);
}

#[test]
fn the_handle_that_was_set_last_is_the_protocols() {
    let wire = StringTransport::connect(MemcacheClient::factory(|_| {}));
    let transport = wire.transport();
    assert!(transport.handle::<MemcacheClient>().is_some() && transport.handle::<Lines>().is_none());
    transport.set_handle("mine");
    assert_eq!(transport.handle(), Some("mine"));
    assert!(transport.handle::<MemcacheClient>().is_none());
    let transport = transport.clone();
    drop(wire);
    assert_eq!(transport.handle::<&str>(), None);
    transport.set_handle("too late");
    assert_eq!(transport.handle::<&str>(), None);
}
