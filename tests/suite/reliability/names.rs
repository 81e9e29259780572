//! R25: unknown names, and resolvers that fail or do not answer.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use reactor::connect::ConnectErrorKind;
use reactor::net::{ConnectOptions, Resolver, Resolving};
use reactor::{CloseReason, ConnectError, Connector, Protocol, Reactor, Transport};
use rig::peer;

use crate::support::namespace::{in_namespace, shell};

/// What the fake name server does with every question.
#[derive(Clone)]
enum Answer {
    Nothing,
    Failure,
    Silence,
    Addresses(Vec<SocketAddr>),
}

struct Fake {
    answer: Answer,
    /// Questions that wait or were answered, and those given up.
    asked: Rc<Cell<usize>>,
    given_up: Rc<Cell<usize>>,
}

struct GivenUp(Rc<Cell<usize>>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

impl Resolver for Fake {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        assert_eq!((host, port), ("name.example", 7));
        self.asked.set(self.asked.get() + 1);
        Box::pin(async {
            match &self.answer {
                Answer::Nothing => Ok(Vec::new()),
                Answer::Failure => Err(io::Error::other("the name server is out of order")),
                Answer::Silence => {
                    let _given_up = GivenUp(Rc::clone(&self.given_up));
                    std::future::pending().await
                }
                Answer::Addresses(addresses) => Ok(addresses.clone()),
            }
        })
    }
}

/// Closes as soon as it is connected.
struct Hello {
    transport: Transport,
}

impl Protocol for Hello {
    fn connection_made(&mut self) {
        self.transport.lose_connection();
    }
    fn data_received(&mut self, _data: &[u8]) {}
}

struct Outcome {
    result: Result<CloseReason, ConnectError>,
    asked: usize,
    given_up: usize,
}

fn connect(answer: Answer, deadline: Option<Duration>, and_then: impl FnOnce(&Connector)) -> Outcome {
    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    let (asked, given_up) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    reactor.set_resolver(Fake { answer, asked: Rc::clone(&asked), given_up: Rc::clone(&given_up) });
    let options = ConnectOptions::new("name.example:7").deadline(deadline);
    let connector = reactor.connect_tcp(options, |transport| Hello { transport });
    and_then(&connector);
    let result = reactor.run_until(connector.finished()).unwrap();
    Outcome { result, asked: asked.get(), given_up: given_up.get() }
}

#[test]
fn a_name_that_the_resolver_does_not_know_is_an_error_that_names_it() {
    let outcome = connect(Answer::Nothing, None, |_| {});
    let error = outcome.result.unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Unresolved);
    assert_eq!(error.to_string(), "cannot connect to name.example:7: name not known");
    assert_eq!(outcome.asked, 1);
}

#[test]
fn a_resolver_that_fails_fails_the_attempt_in_its_own_words() {
    let error = connect(Answer::Failure, None, |_| {}).result.unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Unresolved);
    assert_eq!(error.to_string(), "cannot connect to name.example:7: the name server is out of order");
}

#[test]
fn a_resolver_that_is_silent_is_given_up_at_the_deadline() {
    let deadline = Duration::from_millis(20);
    let outcome = connect(Answer::Silence, Some(deadline), |_| {});
    let error = outcome.result.unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Deadline(deadline));
    assert_eq!(error.to_string(), "cannot connect to name.example:7: no answer within 20ms");
    assert_eq!((outcome.asked, outcome.given_up), (1, 1));
}

#[test]
fn s174_a_silent_resolver_keeps_neither_disconnect_nor_stop_waiting() {
    let outcome = connect(Answer::Silence, None, Connector::disconnect);
    assert_eq!(*outcome.result.unwrap_err().kind(), ConnectErrorKind::Cancelled);

    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    let given_up = Rc::new(Cell::new(0));
    reactor.set_resolver(Fake { answer: Answer::Silence, asked: Rc::default(), given_up: Rc::clone(&given_up) });
    let connector =
        reactor.connect_tcp(ConnectOptions::new("name.example:7").deadline(None), |transport| Hello { transport });
    let stopping = reactor.clone();
    reactor.call_later(Duration::from_millis(1), move || stopping.stop());
    let result = reactor.run_until(connector.finished());
    assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Interrupted);
    assert_eq!(given_up.get(), 1);
}

#[test]
fn s137_an_address_that_refuses_is_passed_over_for_one_that_answers() {
    let server = peer::serve(|reactor| reactor.listen_tcp("127.0.0.1:0", |transport| Hello { transport }));
    let nobody = unused();
    let outcome = connect(Answer::Addresses(vec![nobody, server.address()]), None, |_| {});
    assert!(outcome.result.unwrap().is_clean());
    server.stop();
}

#[test]
fn s138_when_every_address_refuses_the_error_tells_each() {
    let (first, second) = (unused(), unused());
    let error = connect(Answer::Addresses(vec![first, second]), None, |_| {}).result.unwrap_err();
    assert_eq!(*error.kind(), ConnectErrorKind::Refused);
    assert_eq!(error.to_string(), "cannot connect to name.example:7: connection refused");
    let tried: Vec<_> = error.attempts().iter().map(|(address, _)| *address).collect();
    assert_eq!(tried, [first, second]);
}

#[test]
fn the_systems_resolver_answers_for_a_name_that_cannot_exist() {
    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    let connector = reactor.connect_tcp("nowhere.invalid:21567", |transport| Hello { transport });
    let error = reactor.run_until(connector.finished()).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to nowhere.invalid:21567: name not known");
}

#[test]
fn whatever_a_silent_name_server_is_asked_what_needs_none_is_answered() {
    let test = "whatever_a_silent_name_server_is_asked_what_needs_none_is_answered";
    in_namespace(test, &[], || {
        // Of this thread, and of those that it starts.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        shell("mount --make-rprivate /");
        let files = tempfile::tempdir().unwrap();
        for (name, text) in [("resolv.conf", "nameserver 127.0.0.53\n"), ("hosts", "192.0.2.7 box.example\n")] {
            let file = files.path().join(name);
            std::fs::write(&file, text).unwrap();
            shell(&format!("mount --bind {} /etc/{name}", file.display()));
        }
        let _silent = std::net::UdpSocket::bind("127.0.0.53:53").unwrap();
        let reactor = Reactor::new().unwrap();
        reactor.set_signal_handling(false);
        for number in 0..100 {
            let lookup = reactor.resolve((&*format!("name{number}.example"), 7));
            reactor.spawn(async move { panic!("the server is silent, and yet {:?}", lookup.await) });
        }
        let names = ["localhost", "a.localhost", "box.example", "127.0.0.1", "nowhere.invalid"];
        let answers = names.map(|name| reactor.resolve((name, 7)));
        let answers = reactor.run_until(async { futures_util::future::join_all(answers).await }).unwrap();
        let found: Vec<_> = answers.iter().map(|answer| answer.as_ref().ok().map(|found| found[0].ip())).collect();
        assert!(found[0].unwrap().is_loopback() && found[1].unwrap().is_loopback());
        let expected = ["192.0.2.7", "127.0.0.1"].map(|address| Some(address.parse().unwrap()));
        assert_eq!(found[2..], [expected[0], expected[1], None]);
    });
}

/// An address without a listener: the port was bound and closed again.
fn unused() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
