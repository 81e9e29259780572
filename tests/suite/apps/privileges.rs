//! The time server, started by root without a service manager.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::Uid;
use tempfile::tempdir;

use crate::apps::net::{connect, read};
use crate::apps::program::Program;

/// The system's user and group of nobody.
const NOBODY: u32 = 65534;

fn start(pid_file: &Path, user: &str) -> Program {
    let pid_file = pid_file.to_str().unwrap();
    Program::app("time-server", ["--tcp", "127.0.0.1:0", "--user", user, "--pid-file", pid_file])
}

fn pid_in(file: &Path) -> Option<u32> {
    fs::read_to_string(file).ok()?.trim_end().parse().ok()
}

#[test]
fn started_by_root_it_serves_as_another_user_and_its_id_is_in_a_file_while_it_runs() {
    if !Uid::effective().is_root() {
        return;
    }
    let folder = tempdir().unwrap();
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let pid_file = folder.path().join("pid");
    let mut server = start(&pid_file, "nobody");
    let mut client = connect(server.line_after("waiting for connection... tcp ").parse().unwrap());
    std::io::Write::write_all(&mut client, b"hello").unwrap();
    // It is let in once the privileges are gone.
    assert_eq!(read(&mut client, 1), b"[");
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    for line in ["Uid:\t65534\t65534\t65534\t65534", "Gid:\t65534\t65534\t65534\t65534", "Groups:\t65534 "] {
        assert!(status.lines().any(|found| found == line), "{line:?} is not in {status}");
    }
    for thread in fs::read_dir(format!("/proc/{}/task", server.id())).unwrap() {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
    }
    assert_eq!(pid_in(&pid_file), Some(server.id()));
    let ended = start(&pid_file, "nobody").finish().with_code(1);
    let expected = format!("cannot write the pid file {}: another process has it and runs", pid_file.display());
    assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    server.signal(Signal::SIGTERM);
    server.finish().with_code(0);
    assert!(!pid_file.exists());
}

#[test]
fn its_next_version_is_started_by_root_likewise_and_gets_the_connections_and_the_pid_file() {
    if !Uid::effective().is_root() {
        return;
    }
    let folder = tempdir().unwrap();
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    let (pid_file, handover) = (folder.path().join("pid"), folder.path().join("handover"));
    let start = || {
        let [pid_file, handover] = [&pid_file, &handover].map(|path| path.to_str().unwrap());
        let mut server = Program::app(
            "time-server",
            ["-v", "--tcp", "127.0.0.1:0", "--user", "nobody", "--pid-file", pid_file, "--handover", handover],
        );
        server.stderr_line_with("offering the ports");
        server
    };
    let mut server = start();
    let mut client = connect(server.line_after("waiting for connection... tcp ").parse().unwrap());
    for _ in 0..3 {
        std::io::Write::write_all(&mut client, b"hello").unwrap();
        let answer = read(&mut client, "[Sun Nov 29 14:00:00 2026] hello".len());
        assert!(answer.ends_with(b"] hello"), "{}", answer.escape_ascii());
        let next = start();
        assert_eq!(pid_in(&pid_file), Some(next.id()));
        server.finish().with_code(0);
        server = next;
    }
    server.signal(Signal::SIGTERM);
    server.finish().with_code(0);
    assert!(!pid_file.exists());
}

#[test]
fn it_does_not_start_as_a_user_that_there_is_not_or_with_a_pid_file_that_cannot_be_written() {
    let folder = tempdir().unwrap();
    let ended = start(&folder.path().join("pid"), "no such user").finish().with_code(1);
    assert_eq!(ended.stderr, "time-server: cannot become user 'no such user': there is no such user\n");
    if Uid::effective().is_root() {
        // The folder is root's.
        let pid_file = folder.path().join("pid");
        let ended = start(&pid_file, "nobody").finish().with_code(1);
        let expected = format!("cannot write the pid file {}: Permission denied", pid_file.display());
        assert!(ended.stderr.contains(&expected), "{}", ended.stderr);
    }
}
