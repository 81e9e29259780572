//! Programs that a test needs and a machine may not have.

use std::env;
use std::io;
use std::io::Write;
use std::process::Command;
use std::process::Stdio;

/// Whether `command` succeeds. If not, says on standard error that the test called `test` is skipped; but where the
/// variable `CI` is `true`, nothing may be skipped.
#[track_caller]
pub(crate) fn is_there(what: &str, command: &mut Command, test: &str) -> bool {
    let found = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) {
        return true;
    }
    assert_ne!(env::var("CI").as_deref(), Ok("true"), "{what} is not installed, and in CI no test is skipped");
    // Not by `eprintln!`, which is shown for failed tests only.
    let _ = writeln!(io::stderr(), "skipped, because {what} is not installed: {test}");
    false
}
