use std::cell::Cell;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::{fs, io, process};

use reactor::connect::{ConnectErrorKind, ConnectorState};
use reactor::testing::Simulation;
use reactor::unix::{UnixConnectOptions, UnixListenOptions};
use reactor::{CloseReason, ConnectError, Factory, Protocol, Transport};
use socket2::{Domain, SockAddr, Socket, Type};
use tempfile::tempdir;

use crate::support::{Callback, Log, Recorder, fresh_path, in_time, test_reactor};
use crate::unix::{dead_process, echoing, idle};

/// Logs its start and stop, and builds clients that say something, and close when it was echoed.
struct Logging(Log);

impl Factory for Logging {
    fn start_factory(&mut self) {
        self.0.add("factory started");
    }
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        self.0.add("built");
        let recorder = Recorder::new(transport, self.0.clone())
            .on(Callback::Made, |this| this.transport.write("hello"))
            .on(Callback::Data, |this| this.transport.lose_connection());
        Some(Box::new(recorder))
    }
    fn stop_factory(&mut self) {
        self.0.add("factory stopped");
    }
}

/// The outcome of one attempt.
#[track_caller]
fn attempt(options: impl Into<UnixConnectOptions>) -> Result<CloseReason, ConnectError> {
    let options = options.into();
    in_time(|| {
        let reactor = test_reactor();
        let client = reactor.connect_unix(options, |transport: Transport| {
            idle(transport).on(Callback::Made, |this| this.transport.lose_connection())
        });
        reactor.run_until(client.finished()).unwrap()
    })
}

#[test]
fn s188_a_client_has_the_states_the_hooks_and_the_order_that_it_has_over_tcp() {
    in_time(|| {
        let (_folder, path) = fresh_path();
        let (reactor, log) = (test_reactor(), Log::default());
        reactor.listen_unix(&path, echoing).unwrap();
        let hooked = log.clone();
        let again = Cell::new(true);
        let client = reactor.connect_unix(&path, Logging(log.clone())).on_lost(move |connector, reason| {
            hooked.add(format!("hook: {reason}, {:?}", connector.state()));
            if again.replace(false) {
                connector.connect();
            }
        });
        assert_eq!(log.lines(), ["factory started"], "nothing comes before it has returned");
        assert_eq!(client.state(), ConnectorState::Connecting);
        assert!(reactor.run_until(client.finished()).unwrap().unwrap().is_clean());
        let connection = ["built", "made", "data hello", "lost Done", "dropped"];
        let hook = ["hook: connection closed cleanly, Disconnected"];
        let expected =
            [&["factory started"], &connection[..], &hook, &connection, &hook, &["factory stopped"]].concat();
        assert_eq!(log.lines(), expected);
    });
}

#[test]
fn s188_what_fails_fails_later_and_names_the_path() {
    let folder = tempdir().unwrap();
    let [missing, dead, file, full] = ["missing", "dead", "file", "full"].map(|name| folder.path().join(name));
    drop(UnixListener::bind(&dead).unwrap());
    fs::write(&file, "").unwrap();
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&full).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        if client.connect(&SockAddr::unix(&full).unwrap()).is_err() {
            break;
        }
        waiting.push(client);
    }
    let crowded = "the server's backlog is full";
    for (path, kind, io_kind, reason) in [
        (&missing, ConnectErrorKind::Other, io::ErrorKind::NotFound, "no such file"),
        (&dead, ConnectErrorKind::Refused, io::ErrorKind::ConnectionRefused, "connection refused"),
        (&file, ConnectErrorKind::Refused, io::ErrorKind::ConnectionRefused, "connection refused"),
        (&full, ConnectErrorKind::Other, io::ErrorKind::WouldBlock, crowded),
    ] {
        let error = attempt(path).unwrap_err();
        assert_eq!(error.kind(), &kind, "{error}");
        assert_eq!(error.target(), path.display().to_string());
        assert_eq!(error.to_string(), format!("cannot connect to {}: {reason}", path.display()));
        assert_eq!(io::Error::from(error).kind(), io_kind);
    }
    let error = attempt("x".repeat(108)).unwrap_err();
    assert!(error.to_string().ends_with(": the path is 108 bytes long, and the maximum is 107; choose a shorter one"));
}

#[test]
fn s188_with_the_lock_checked_only_a_living_holder_will_do() {
    let (folder, path) = fresh_path();
    let lock = folder.path().join("socket.lock");
    let checking = UnixConnectOptions::new(&path).check_lock(true);
    let _listener = UnixListener::bind(&path).unwrap();
    let reason = format!("no server is running: no living process has the lock {}", lock.display());
    let expected = format!("cannot connect to {}: {reason}", path.display());
    assert_eq!(attempt(checking.clone()).unwrap_err().to_string(), expected);
    symlink(dead_process().to_string(), &lock).unwrap();
    let error = attempt(checking.clone()).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (&ConnectErrorKind::Refused, expected));
    fs::remove_file(&lock).unwrap();
    fs::remove_file(&path).unwrap();
    in_time(move || {
        let reactor = test_reactor();
        reactor.listen_unix(UnixListenOptions::new(&path).lock(true), echoing).unwrap();
        let client = reactor.connect_unix(checking, Logging(Log::default()));
        reactor.run_until(client.finished()).unwrap().unwrap();
    });
}

#[test]
fn s188_an_attempt_on_a_simulated_host_fails_with_the_reason() {
    let sim = Simulation::new(1);
    let reactor = sim.host("here");
    let client = reactor.connect_unix("@a", idle);
    let error = reactor.run_until(client.finished()).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to @a: this reactor is in memory and has no sockets");
}

#[test]
fn abstract_names_connect() {
    let name = format!("@reactor-connect-{}", process::id());
    in_time(move || {
        let reactor = test_reactor();
        reactor.listen_unix(&*name, echoing).unwrap();
        let log = Log::default();
        let client = reactor.connect_unix(&*name, Logging(log.clone()));
        reactor.run_until(client.finished()).unwrap().unwrap();
        assert_eq!(log.received(), b"hello");
    });
}
