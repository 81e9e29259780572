//! Network namespaces: networks that a test has to itself.

use std::io::Write as _;
use std::process::Command;
use std::{env, io};

use nix::sched::{CloneFlags, unshare};

use crate::apps::tools::is_there;
use crate::support::in_time;

/// Runs this on a thread whose network is its own: a loopback interface, and what these lines of shell make of it. Where
/// that is not allowed the test is skipped, but not in CI.
#[track_caller]
pub(crate) fn in_namespace(test: &'static str, lines: &'static [&str], run: impl FnOnce() + Send + 'static) {
    if !is_there("iproute2", Command::new("ip").arg("-V"), test) {
        return;
    }
    in_time(move || {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            assert_ne!(env::var("CI").as_deref(), Ok("true"), "no network namespace: {error}");
            let _ = writeln!(io::stderr(), "skipped, because there is no network namespace ({error}): {test}");
            return;
        }
        for line in ["ip link set lo up"].iter().chain(lines) {
            shell(line);
        }
        run();
    });
}

/// Runs a line of shell in the network of this thread.
#[track_caller]
pub(crate) fn shell(line: &str) {
    let run = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(run.status.success(), "{line}: {}", String::from_utf8_lossy(&run.stderr));
}
