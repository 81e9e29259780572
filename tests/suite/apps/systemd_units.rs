//! The units of the servers: what they leave to an intruder, and that the time server works under its own.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::apps::binaries::binary;
use crate::apps::net::{connect, listen, read};
use crate::apps::program::Program;
use crate::apps::stamps::is_stamped;
use crate::apps::tools::is_there;
use crate::house::root;
use crate::support::ServiceManager;

#[test]
fn the_units_leave_little_to_an_intruder() {
    if !is_installed("the_units_leave_little_to_an_intruder") {
        return;
    }
    for name in ["time.service", "irc.service"] {
        let analysis = Command::new("systemd-analyze")
            // Tenths: 1.5 is "ok" at its best, and 10 is "unsafe".
            .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
            .arg(unit(name))
            .output()
            .unwrap();
        assert!(analysis.status.success(), "{}", String::from_utf8_lossy(&analysis.stdout));
    }
}

#[test]
fn systemd_understands_every_line_of_the_units() {
    if !is_installed("systemd_understands_every_line_of_the_units") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, program) in
        [("time.socket", "time-server"), ("time.service", "time-server"), ("irc.service", "irc-server")]
    {
        let text = fs::read_to_string(unit(name)).unwrap();
        let text = text.replace(&format!("/usr/local/bin/{program}"), binary(program).to_str().unwrap());
        fs::write(folder.path().join(name), text).unwrap();
    }
    for name in ["time.service", "irc.service"] {
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no"])
            .arg(folder.path().join(name))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let about_ours: Vec<_> = said.lines().filter(|line| line.contains(&*folder.path().to_string_lossy())).collect();
        assert!(output.status.success() && about_ours.is_empty(), "{said}");
    }
}

#[test]
fn the_server_makes_no_system_call_that_its_unit_forbids() {
    let test = "the_server_makes_no_system_call_that_its_unit_forbids";
    if !is_installed(test) || !is_there("strace", Command::new("strace").arg("-V"), test) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let (listener, address) = listen();
    let manager = ServiceManager::new();
    let mut command = Command::new("sh");
    // The shell becomes strace, and that the server, so that the number of the process is the one that the socket is for.
    command
        .args(["-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ exec \"$@\"", "sh"])
        .args(["strace", "-D", "-f", "-qq", "-o"])
        .args([&trace, binary("time-server")])
        .args(["--tcp", "systemd:name=time.socket"])
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "time.socket");
    let server = Program::start_with(OwnedFd::from(listener), manager.manage(&mut command, Duration::from_secs(10)));
    assert!(manager.next().contains("READY=1"));
    talk(address);
    server.signal(Signal::SIGHUP);
    talk(address);
    server.signal(Signal::SIGTERM);
    server.finish().with_code(0);
    let trace = fs::read_to_string(trace).unwrap();
    let service = fs::read_to_string(unit("time.service")).unwrap();
    let families: Vec<_> = settings(&service, "RestrictAddressFamilies").flat_map(str::split_whitespace).collect();
    let allowed = allowed_calls(&service);
    let mut calls = 0;
    for line in trace.lines() {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let Some((name, arguments)) = call.split_once('(').filter(|(name, _)| is_name(name)) else { continue };
        assert!(allowed.contains(name), "the unit forbids {call}");
        if name == "socket" {
            let family = arguments.split(',').next().unwrap_or_default();
            assert!(families.contains(&family), "the unit forbids {call}");
        }
        let makes_code = arguments.contains("PROT_EXEC") && (name == "mprotect" || arguments.contains("PROT_WRITE"));
        assert!(!makes_code, "the unit forbids {call}");
        calls += 1;
    }
    assert!(calls > 100, "{calls} calls were traced");
}

#[track_caller]
fn talk(address: SocketAddr) {
    let mut client = connect(address);
    client.write_all(b"hello").unwrap();
    assert!(is_stamped(read(&mut client, 32), "hello"));
}

fn unit(name: &str) -> PathBuf {
    let app = if name.starts_with("irc") { "irc-server" } else { "time-server" };
    root().join("apps").join(app).join("systemd").join(name)
}

fn is_installed(test: &str) -> bool {
    is_there("systemd-analyze", Command::new("systemd-analyze").arg("--version"), test)
}

fn settings<'a>(unit: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    unit.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix('='))
}

/// What the lines `SystemCallFilter=` leave, one after another.
fn allowed_calls(unit: &str) -> HashSet<String> {
    let mut allowed = HashSet::new();
    for line in settings(unit, "SystemCallFilter") {
        let names = line.trim_start_matches('~').split_whitespace();
        let calls: Vec<_> = names.flat_map(calls_of).collect();
        if line.starts_with('~') {
            allowed.retain(|call| !calls.contains(call));
        } else {
            allowed.extend(calls);
        }
    }
    allowed
}

/// The call of this name, or the calls of the set of this name and of the sets in it.
fn calls_of(name: &str) -> Vec<String> {
    if !name.starts_with('@') {
        return vec![name.to_owned()];
    }
    let set = Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]).output().unwrap();
    assert!(set.status.success(), "there is no {name}");
    let set = String::from_utf8(set.stdout).unwrap();
    set.lines().skip(1).map(str::trim).filter(|line| !line.starts_with('#')).flat_map(calls_of).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
