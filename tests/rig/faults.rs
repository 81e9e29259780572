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

/// The system calls that are made to fail, each with what it may fail with.
pub const FAILURES: [(&str, &[&str]); 6] = [
    ("recvfrom", &["EIO", "ENOMEM"]),
    ("sendto", &["EIO", "EPIPE", "ENOMEM"]),
    ("epoll_ctl", &["EIO", "ENOMEM"]),
    ("close", &["EIO"]),
    ("setsockopt", &["EIO", "ENOMEM"]),
    ("shutdown", &["EIO", "ENOTCONN"]),
];

/// What `accept` may fail with.
pub const ACCEPT_ERRORS: [&str; 7] = ["ECONNABORTED", "EPROTO", "EPERM", "ENOBUFS", "ENOMEM", "ENFILE", "EINTR"];

/// Has a server serve while the `nth` of these calls fails, and then stop. The program is the one that serves
/// (`serve faulty`), and strace must be there.
///
/// # Errors
///
/// What was wrong: somebody waited for the [deadline](peer::DEADLINE), something panicked, a protocol was not told of its
/// end exactly once.
pub fn serve_with_failure(program: &Path, call: &str, error: &str, nth: u32) -> Result<(), String> {
    let mut strace = failing(call, error, &nth.to_string(), Path::new("/dev/null"));
    let server = match Child::try_start(strace.arg(program).args(["serve", "faulty"])) {
        Ok(server) => server,
        // The call was one that it cannot do without; then it says so, and ends.
        Err(errors) if !errors.is_empty() && !has_panicked(&errors) => return Ok(()),
        Err(errors) => return Err(format!("it did not start: {errors:?}")),
    };
    for _ in 0..CONNECTIONS {
        // The call that fails is not made: what was not closed does not end.
        talk(server.address(), call != "close")?;
    }
    check(stop(server).ok_or("it does not stop")?)
}

/// Has a server serve while the `nth` call of `accept` fails: nobody is to notice.
///
/// # Errors
///
/// As [`serve_with_failure`], and that somebody was not served.
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

/// How often a server calls `accept` in a second in which that always fails and a client waits, while it serves another.
///
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

/// A command that runs the one behind it with such calls failing. What it traces it writes to `log`.
fn failing(call: &str, error: &str, when: &str, log: &Path) -> Command {
    // Detached, so that the server is the process that is started, and gets the signal.
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "--seccomp-bpf", "-qq", "-e", &format!("trace={call}"), "-o"]).arg(log);
    strace.args(["-e", &format!("inject={call}:error={error}:when={when}")]);
    strace
}

/// Whether it has ended in order, and told every protocol of its end once.
fn check(ended: Ended) -> Result<(), String> {
    // Tokio gives up where it cannot read the pipe by which a signal wakes it. No kernel fails at that.
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

/// Stops a server, by a second signal if need be: the call that failed may have been the one by which the handler of the
/// first tells of it.
fn stop(server: Child) -> Option<Ended> {
    let pid = server.pid();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(server.wait()));
    terminate(pid);
    told.recv_timeout(Duration::from_secs(5)).ok().or_else(|| {
        terminate(pid);
        told.recv_timeout(peer::DEADLINE).ok()
    })
}

fn has_panicked(errors: &[String]) -> bool {
    errors.iter().any(|line| line.contains("panicked"))
}

/// Says something and listens for the answer, a few times. The server may be unable to answer, but must not leave its
/// client waiting.
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

/// Clients of a server whose `accept` fails: with every one of them it is called at least once.
const ACCEPTED: u32 = 12;

const CONNECTIONS: u32 = 25;
const ROUNDS: u32 = 4;
