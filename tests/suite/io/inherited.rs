//! What a process inherits, and what its children see of it: tested on children of the test, which are this program in
//! another role.

use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, ExitStatus, Stdio};

use futures_util::future::join_all;
use reactor::endpoint::server_from_string;
use reactor::process::{ProcessProtocol, ProcessTransport};
use reactor::{Protocol, Reactor, Transport};

use crate::apps::tools::is_there;
use crate::support::PATIENCE;

/// Runs this program as the child that it is told to be, by way of what the first arguments start, and expects it to go
/// through.
#[track_caller]
fn run(launcher: &[&str], kind: &str, stdin: Stdio) {
    let output = Command::new(launcher[0])
        .args(&launcher[1..])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "io::inherited::is_a_child_if_told_so", "--nocapture", "--test-threads=1"])
        .env("SUITE_INHERITED", kind)
        .stdin(stdin)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("all is well"), "{text}");
}

/// Not a test by itself.
#[test]
fn is_a_child_if_told_so() {
    let Ok(kind) = std::env::var("SUITE_INHERITED") else { return };
    match &kind[..] {
        "ends" => children_end_as_they_end(),
        "sees" => children_see_their_own_things_only(),
        other => panic!("there is no child {other}"),
    }
    eprintln!("all is well");
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

/// Stops the reactor at the child's end, which is to be with this code.
struct Expecting {
    process: ProcessTransport,
    code: i32,
}

impl ProcessProtocol for Expecting {
    fn process_ended(&mut self, status: ExitStatus) {
        assert_eq!(status.code(), Some(self.code));
        self.process.transport().reactor().stop();
    }
}

fn children_end_as_they_end() {
    let reactor = Reactor::new().unwrap();
    let codes = 0..40;
    let outputs =
        codes.clone().map(|code| reactor.process_output(&mut shell(&format!("echo {code}; exit {code}")), 100));
    let outputs = reactor.run_until(join_all(outputs)).unwrap();
    for (code, output) in codes.zip(outputs) {
        let output = output.unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(code), format!("{code}\n").into_bytes()));
    }
    let reactor = Reactor::new().unwrap();
    reactor.spawn_pty(&mut shell("exit 7"), 24, 80, |process| Expecting { process, code: 7 }).unwrap();
    reactor.call_later(PATIENCE, || panic!("the end of the child was not noticed"));
    reactor.run().unwrap();
    let error = Reactor::new()
        .unwrap()
        .spawn_process(&mut Command::new("/no/such/program"), |process| Expecting { process, code: 0 });
    assert_eq!(error.unwrap_err().to_string(), "cannot run /no/such/program: no such program");
}

#[test]
fn children_end_as_they_end_though_the_launcher_has_sigchld_ignored() {
    run(&["env", "--ignore-signal=CHLD"], "ends", Stdio::null());
}

#[test]
fn children_run_and_end_where_descriptors_of_processes_are_forbidden() {
    let test = "children_run_and_end_where_descriptors_of_processes_are_forbidden";
    if !is_there("strace", Command::new("strace").arg("-V"), test) {
        return;
    }
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pidfd_open", "-e"];
    run(&[&strace[..], &["inject=pidfd_open:error=EPERM"]].concat(), "ends", Stdio::null());
}

struct Nothing;

impl Protocol for Nothing {
    fn data_received(&mut self, _data: &[u8]) {}
}

fn children_see_their_own_things_only() {
    let what_children_see = "for n in 3 7; do readlink /proc/$$/fd/$n; done; \
         echo ${LISTEN_PID-}${LISTEN_FDS-}${LISTEN_FDNAMES-}${NOTIFY_SOCKET-}${WATCHDOG_USEC-}${KEPT-}";
    for (told, expected) in [(None, "kept\n"), (Some("told"), "toldkept\n")] {
        let reactor = Reactor::new().unwrap();
        let mut command = shell(what_children_see);
        command.envs(told.map(|told| ("NOTIFY_SOCKET", told)));
        let output = reactor.process_output(&mut command, 1_000);
        let output = reactor.run_until(output).unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
    // What children do not see is there to be taken all the same, and what was opened here is not.
    let own = TcpListener::bind("127.0.0.1:0").unwrap();
    for (description, is_taken) in [("systemd:index=0".to_owned(), true), (format!("fd:{}", own.as_raw_fd()), false)] {
        let reactor = Reactor::new().unwrap();
        reactor.allow_endpoint_schemes(&["fd", "systemd"]);
        let endpoint = server_from_string(&reactor, &description).unwrap();
        let listening = async move { endpoint.listen(Box::new(|_: Transport| Nothing)).await };
        assert_eq!(reactor.run_until(listening).unwrap().is_ok(), is_taken, "{description}");
    }
}

#[test]
fn children_get_neither_descriptors_nor_what_a_service_manager_has_said_to_their_parent() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let script = "exec 3<&0 7</dev/null 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a NOTIFY_SOCKET=b \
                  WATCHDOG_USEC=1 KEPT=kept; exec \"$0\" \"$@\"";
    run(&["sh", "-c", script], "sees", OwnedFd::from(socket).into());
}
