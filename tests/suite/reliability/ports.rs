//! R24: a port that cannot be opened gives a clear error.

use std::cell::Cell;
use std::io;
use std::net::TcpListener;
use std::process::Command;
use std::rc::Rc;

use reactor::{Factory, Protocol, Reactor, Transport};

use crate::reliability::server_command;

/// Counts how often it is started.
struct Started(Rc<Cell<u32>>);

impl Factory for Started {
    fn start_factory(&mut self) {
        self.0.set(self.0.get() + 1);
    }
    fn build_protocol(&mut self, _transport: Transport) -> Option<Box<dyn Protocol>> {
        None
    }
}

fn failure(address: &str) -> io::Error {
    let started = Rc::new(Cell::new(0));
    let reactor = Reactor::new().unwrap();
    let error = reactor.listen_tcp(address, Started(Rc::clone(&started))).unwrap_err();
    assert_eq!(started.get(), 0, "the factory was not started");
    error
}

#[test]
fn s059_a_port_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = failure(&address);
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(error.to_string(), format!("cannot listen on {address}: address in use"));
}

#[test]
fn two_reactors_do_not_get_one_port_and_it_is_free_when_the_first_has_ended() {
    let first = Reactor::new().unwrap();
    first.set_signal_handling(false);
    let port = first.listen_tcp("127.0.0.1:0", Started(Rc::default())).unwrap();
    let address = port.host().to_string();
    assert_eq!(failure(&address).kind(), io::ErrorKind::AddrInUse);
    first.stop();
    first.run().unwrap();
    Reactor::new().unwrap().listen_tcp(&address[..], Started(Rc::default())).unwrap();
}

#[test]
fn an_address_of_another_machine_is_an_error_that_says_so() {
    let error = failure("192.0.2.1:8007");
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    assert_eq!(error.to_string(), "cannot listen on 192.0.2.1:8007: not an address of this machine");
}

#[test]
fn s093_a_text_that_is_no_address_is_an_error_that_shows_what_one_looks_like() {
    for text in ["", "http", "127.0.0.1", "127.0.0.1:65536", "localhost:80", "[::1]", "1.2.3.4.5:6"] {
        let error = failure(text);
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}");
        assert!(error.to_string().starts_with(&format!("cannot listen on '{text}': expected a port")), "{error}");
    }
}

#[test]
fn a_port_that_needs_a_privilege_is_an_error_that_says_so() {
    let unprivileged = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if !unprivileged.is_ok_and(|port| port.trim().parse::<u16>().is_ok_and(|port| port > 80)) {
        eprintln!("skipped: on this machine everybody may listen on port 80");
        return;
    }
    let program = server_command().get_program().to_owned();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
    if !is_root() {
        command = server_command();
    }
    let output = command.args(["serve", "echo", "address=127.0.0.1:80"]).output();
    let Ok(output) = output else {
        eprintln!("skipped: setpriv is not installed");
        return;
    };
    let message = String::from_utf8_lossy(&output.stderr);
    if message.contains("setpriv: failed to execute") {
        eprintln!("skipped: another user may not run what was built here");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(message.trim(), "cannot listen on 127.0.0.1:80: permission denied (ports below 1024 need a privilege)");
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}
