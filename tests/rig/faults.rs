//! A server whose system calls fail: R6, R7.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

use crate::child::terminate;
use crate::{Child, Ended, now, peer};

/// The system calls that are made to fail, each with its possible errors.
pub const FAILURES: [(&str, &[&str]); 6] = [
    ("recvfrom", &["EIO", "ENOMEM"]),
    ("sendto", &["EIO", "EPIPE", "ENOMEM"]),
    ("epoll_ctl", &["EIO", "ENOMEM"]),
    ("close", &["EIO"]),
    ("setsockopt", &["EIO", "ENOMEM"]),
    ("shutdown", &["EIO", "ENOTCONN"]),
];

/// The possible errors of `accept`.
pub const ACCEPT_ERRORS: [&str; 7] = ["ECONNABORTED", "EPROTO", "EPERM", "ENOBUFS", "ENOMEM", "ENFILE", "EINTR"];

/// Makes a server serve while the `nth` of these calls fails, and then stop. The program is the serving one
/// (`serve faulty`); strace must be installed.
///
/// # Errors
///
/// A description of the fault: a peer waited until the [deadline](peer::DEADLINE), something panicked, or a protocol
/// was not told of its end exactly once.
pub fn serve_with_failure(program: &Path, call: &str, error: &str, nth: u32) -> Result<(), String> {
    let mut strace = failing(call, error, &nth.to_string(), Path::new("/dev/null"));
    let server = match Child::try_start(strace.arg(program).args(["serve", "faulty"])) {
        Ok(server) => server,
        // It cannot do without this call: then it says so and ends.
        Err(errors) if !errors.is_empty() && !has_panicked(&errors) => return Ok(()),
        Err(errors) => return Err(format!("it did not start: {errors:?}")),
    };
    for _ in 0..CONNECTIONS {
        // The failing call is not made: a stream that was not closed does not end.
        talk(server.address(), call != "close")?;
    }
    check(stop(server).ok_or("it does not stop")?)
}

/// Makes a server serve while the `nth` call of `accept` fails: no client must notice.
///
/// # Errors
///
/// As [`serve_with_failure`], and if a client was not served.
pub fn serve_with_failing_accept(program: &Path, error: &str, nth: u32) -> Result<(), String> {
    let mut strace = failing("accept4", error, &nth.to_string(), Path::new("/dev/null"));
    let server = Child::start(strace.arg(program).args(["serve", "faulty"]));
    for client in 1..=ACCEPTED {
        let mut stream = peer::connect(server.address());
        let mut answer = [0; 5];
        let answered = stream.write_all(b"hello").and_then(|()| stream.read_exact(&mut answer));
        answered.map_err(|error| format!("client {client} is not served: {error}"))?;
    }
    check(stop(server).ok_or("it does not stop")?)
}

/// The number of `accept` calls in a second in which all fail and a client waits, while the server serves another
/// client.
/// # Errors
///
/// As [`serve_with_failure`].
pub fn accepts_in_a_second_of_failures(program: &Path, error: &str) -> Result<usize, String> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let log = std::env::temp_dir().join(format!("reactor-strace-{}-{run}", std::process::id()));
    let mut strace = failing("accept4", error, "2+", &log);
    let server = Child::start(strace.arg(program).args(["serve", "faulty"]));
    let served = peer::connect(server.address());
    peer::round_trip(&served, b"hello");
    let waits = peer::connect(server.address());
    let begun = now();
    while begun.elapsed() < Duration::from_secs(1) {
        peer::round_trip(&served, b"still there?");
    }
    drop((served, waits));
    let checked = check(stop(server).ok_or("it does not stop")?);
    let calls = fs::read_to_string(&log).map(|calls| calls.matches("accept4(").count());
    let _ = fs::remove_file(&log);
    checked?;
    calls.map_err(|error| format!("no log of system calls: {error}"))
}

/// A command that runs the one after it with these calls failing. The trace is written to `log`.
fn failing(call: &str, error: &str, when: &str, log: &Path) -> Command {
    // Detached, so that the server is the process started, and receives the signal.
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "--seccomp-bpf", "-qq", "-e", &format!("trace={call}"), "-o"]).arg(log);
    strace.args(["-e", &format!("inject={call}:error={error}:when={when}")]);
    strace
}

/// Checks that it ended in order, and told every protocol of its end once.
fn check(ended: Ended) -> Result<(), String> {
    // Tokio panics if it cannot read the pipe by which a signal wakes it. No kernel fails there.
    if ended.errors.iter().any(|line| line.contains("Bad read on self-pipe")) {
        return Ok(());
    }
    if ended.status.code() != Some(0) || has_panicked(&ended.errors) {
        return Err(format!("it did not end in order: {ended:?}"));
    }
    let counts = ["built", "lost", "dropped"].map(|name| ended.count(name));
    if counts != [counts[0]; 3] || ended.count("wrong") > 0 {
        return Err(format!("built, lost, dropped {counts:?}: {ended:?}"));
    }
    Ok(())
}

/// Stops a server, with a second signal if necessary: the failing call may have been the one by which the handler of
/// the first reports it.
pub(crate) fn stop(server: Child) -> Option<Ended> {
    let pid = server.pid();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(server.wait()));
    terminate(pid);
    told.recv_timeout(Duration::from_secs(5)).ok().or_else(|| {
        terminate(pid);
        told.recv_timeout(peer::DEADLINE).ok()
    })
}

pub(crate) fn has_panicked(errors: &[String]) -> bool {
    errors.iter().any(|line| line.contains("panicked"))
}

/// Sends something and waits for the answer, a few times. The server may fail to answer, but must not leave its client
/// waiting.
fn talk(server: SocketAddr, to_the_end: bool) -> Result<(), String> {
    let mut stream = peer::connect(server);
    let mut answer = [0; 5];
    for _ in 0..ROUNDS {
        if stream.write_all(b"hello").is_err() {
            return Ok(());
        }
        match stream.read_exact(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Err("no answer comes".to_owned()),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
    }
    if !to_the_end {
        return Ok(());
    }
    let _ = stream.shutdown(Shutdown::Write);
    match stream.read(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err("the stream does not end".to_owned()),
        _ => Ok(()),
    }
}

/// Clients of a server whose `accept` fails: each causes at least one call.
const ACCEPTED: u32 = 12;

const CONNECTIONS: u32 = 25;
const ROUNDS: u32 = 4;
