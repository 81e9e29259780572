//! Endpoint descriptions: their meaning, connecting, and listening.

mod connecting;
mod descriptions;
mod haproxy;
mod listening;
mod simulated;
mod timeouts;
mod tls;
mod web;

use futures_util::FutureExt;
use reactor::endpoint::{ClientEndpoint, client_from_string, quote_string_argument, server_from_string};
use reactor::{Factory, Protocol, Reactor, Transport};

use crate::support::{Log, Recorder, address_of, echo, every_reactor, fresh_path, in_time, test_reactor};

fn echoing(transport: Transport) -> Recorder {
    echo(Recorder::new(transport, Log::default()))
}

/// Runs this with endpoints of all kinds that lead to an echoing peer: over TCP, on sockets and in a simulation, over a
/// UNIX socket, and to a child process.
fn every_client(run: impl Fn(&Reactor, Box<dyn ClientEndpoint>) + Clone + Send + 'static) {
    let with_tcp = run.clone();
    every_reactor(move |reactor| {
        let port = address_of(&reactor.listen_tcp("127.0.0.1:0", echoing).unwrap()).port();
        with_tcp(&reactor, client_from_string(&reactor, &format!("tcp:127.0.0.1:{port}")).unwrap());
    });
    in_time(move || {
        let (_folder, path) = fresh_path();
        let reactor = test_reactor();
        reactor.listen_unix(&path, echoing).unwrap();
        let description = format!("unix:{}", quote_string_argument(path.to_str().unwrap()));
        run(&reactor, client_from_string(&reactor, &description).unwrap());
        let reactor = test_reactor();
        reactor.allow_endpoint_schemes(&["exec"]);
        run(&reactor, client_from_string(&reactor, "exec:cat").unwrap());
    });
}

/// The same, and over web sockets, which end in both directions at once.
fn every_client_and_web_sockets(run: impl Fn(&Reactor, Box<dyn ClientEndpoint>) + Clone + Send + 'static) {
    let with_web = run.clone();
    every_reactor(move |reactor| {
        protocols::add_endpoint_schemes(&reactor);
        let server = server_from_string(&reactor, "web:tcp:0:interface=127.0.0.1").unwrap();
        let port = server.listen(Box::new(echoing)).now_or_never().unwrap().unwrap();
        let description = format!("web:tcp:127.0.0.1:{}", address_of(&port).port());
        with_web(&reactor, client_from_string(&reactor, &description).unwrap());
    });
    every_client(run);
}

/// Logs what becomes of a factory: its start, its protocols, and its stop.
struct Logging(Log, Box<dyn FnMut(Transport) -> Option<Box<dyn Protocol>>>);

impl Logging {
    fn boxed(log: &Log, build: impl FnMut(Transport) -> Option<Box<dyn Protocol>> + 'static) -> Box<dyn Factory> {
        Box::new(Self(log.clone(), Box::new(build)))
    }
}

impl Factory for Logging {
    fn start_factory(&mut self) {
        self.0.add("started");
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self.0.add("building");
        (self.1)(transport)
    }

    fn stop_factory(&mut self) {
        self.0.add("stopped");
    }
}
