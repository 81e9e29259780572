//! Signals, on children of the test, which are this program in another role.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, Stdio};

use reactor::Reactor;

use crate::apps::program::hearing_signals;
use crate::support::{Callback, Log, Recorder};

/// Begins a child that waits for signals, and waits until it is ready.
fn child(kind: &str) -> (Child, Lines<BufReader<ChildStderr>>) {
    child_of(&mut hearing_signals(std::env::current_exe().unwrap()), kind)
}

fn child_of(launcher: &mut Command, kind: &str) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut child = launcher
        .args(["--exact", "reactor::signals::is_a_child_if_told_so", "--nocapture"])
        .env("SUITE_CHILD", kind)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    expect(&mut lines, "ready");
    (child, lines)
}

fn expect(lines: &mut Lines<BufReader<ChildStderr>>, wanted: &str) {
    assert!(lines.any(|line| line.unwrap() == wanted), "the child has ended without saying '{wanted}'");
}

fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Not a test by itself.
#[test]
fn is_a_child_if_told_so() {
    let Ok(kind) = std::env::var("SUITE_CHILD") else { return };
    let reactor = Reactor::new().unwrap();
    let port = reactor.listen_tcp("127.0.0.1:0", |transport| Recorder::new(transport, Log::default())).unwrap();
    reactor.connect_tcp(port.host().socket_addr().unwrap(), |transport| {
        Recorder::new(transport, Log::default())
            .on(Callback::Made, |_| eprintln!("ready"))
            .on(Callback::Lost, |_| eprintln!("lost"))
    });
    match &kind[..] {
        "stuck" => reactor.before_shutdown(async || {
            eprintln!("stopping");
            std::future::pending().await
        }),
        "deaf" => reactor.set_signal_handling(false),
        _ => {}
    }
    reactor.after_shutdown(|| eprintln!("after"));
    reactor.run().unwrap();
    eprintln!("end");
}

#[test]
fn s164_a_signal_stops_in_order() {
    for signal in ["TERM", "INT"] {
        let (mut child, mut lines) = child("plain");
        send(&child, signal);
        expect(&mut lines, "lost");
        expect(&mut lines, "after");
        expect(&mut lines, "end");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_second_signal_does_not_wait() {
    let (mut child, mut lines) = child("stuck");
    send(&child, "TERM");
    expect(&mut lines, "stopping");
    send(&child, "TERM");
    expect(&mut lines, "end");
    assert!(child.wait().unwrap().success());
}

#[test]
fn s164_with_signal_handling_off_a_signal_does_what_it_does_to_any_program() {
    let (mut child, _lines) = child("deaf");
    send(&child, "TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_so() {
    let mut launcher = Command::new("env");
    launcher.arg("--ignore-signal=INT").arg(std::env::current_exe().unwrap());
    let (mut child, mut lines) = child_of(&mut launcher, "plain");
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    assert_ne!(ignored & (1 << (nix::libc::SIGINT - 1)), 0, "{status}");
    send(&child, "TERM");
    expect(&mut lines, "end");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_signal_that_was_blocked_at_the_start_is_heard() {
    for signal in ["TERM", "INT"] {
        let mut launcher = Command::new("env");
        launcher.args([&format!("--default-signal={signal}"), &format!("--block-signal={signal}")]);
        launcher.arg(std::env::current_exe().unwrap());
        let (mut child, mut lines) = child_of(&mut launcher, "plain");
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        assert_ne!(u64::from_str_radix(blocked.trim(), 16).unwrap(), 0, "{status}");
        send(&child, signal);
        expect(&mut lines, "end");
        assert!(child.wait().unwrap().success());
    }
}
