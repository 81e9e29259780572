//! Programs that a test needs and a machine may lack.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::{env, fs, io};

use nix::unistd::Uid;
use tempfile::TempDir;

use crate::apps::binaries::binary;

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

/// What runs one of the apps without any privilege, and the folder where a copy of it lies; `None` if the test called
/// `test` is skipped.
#[track_caller]
pub(crate) fn as_nobody(app: &str, test: &str) -> Option<(TempDir, Command)> {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let is_root = Uid::effective().is_root();
    if is_root && !is_there("setpriv", Command::new("setpriv").args(nobody).arg("true"), test) {
        return None;
    }
    // The user "nobody" may not enter every directory that the tests run in.
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join(app);
    // Not copied by this process: a file that is open for writing in a fork of it could not be run.
    assert!(Command::new("cp").arg(binary(app)).arg(&copy).status().unwrap().success());
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(if is_root { "setpriv".as_ref() } else { copy.as_os_str() });
    if is_root {
        command.args(nobody).arg(copy);
    }
    Some((directory, command))
}
