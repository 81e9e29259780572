//! The console of `time-server`, on a UNIX socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use nix::unistd::Uid;
use protocols::console::Row;

use crate::apps::program::Program;
use crate::apps::tools::as_nobody;
use crate::support::{connect_unix, fresh_path};

/// Asks in JSON.
#[track_caller]
fn rows(console: &mut BufReader<UnixStream>, command: &str) -> Vec<Row> {
    console.get_mut().write_all(format!("json {command}\n").as_bytes()).unwrap();
    let mut rows = Vec::new();
    while !matches!(rows.last(), Some(Row::End { .. } | Row::Error { .. })) {
        let mut line = String::new();
        assert!(console.read_line(&mut line).unwrap() > 0, "closed after {rows:?}");
        rows.push(Row::from_json(&line).unwrap());
    }
    rows
}

#[test]
fn a_console_shows_all_threads_who_its_peers_are_and_changes_the_log() {
    let (folder, path) = fresh_path();
    let arguments = ["--tcp", "127.0.0.1:0", "--threads", "2", "--console", path.to_str().unwrap()];
    let mut server = Program::app("time-server", arguments);
    let address = server.line_after("waiting for connection... tcp ");
    let mut consoles = [0, 1].map(|_| BufReader::new(connect_unix(&path)));
    for console in &mut consoles {
        let mut greeting = String::new();
        console.read_line(&mut greeting).unwrap();
        assert_eq!(greeting, "time-server: `help` lists the commands\n");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let [console, _] = &mut consoles;
    let listed = rows(console, "ps");
    let mut threads = Vec::new();
    for row in &listed {
        if let Row::Connection(row) = row {
            threads.push(row.id.thread);
            assert_eq!(row.port.as_deref(), path.to_str());
            assert_eq!(row.peer_process, Some(std::process::id().cast_signed()));
            assert_eq!(row.peer_user, Some(Uid::effective().as_raw()));
        }
    }
    threads.sort_unstable();
    assert_eq!(threads, [0, 1], "{listed:?}");
    let ports = rows(console, "ports");
    let [Row::Port(tcp), Row::Port(unix), Row::End { .. }] = &ports[..] else { panic!("{ports:?}") };
    assert_eq!((&tcp.host, unix.connections), (&address, 2));
    assert_eq!(rows(console, "stats").len(), 3);
    assert!(matches!(&rows(console, "log debug reactor")[..], [Row::End { done: Some(_), .. }]));
    drop(connect_unix(&path));
    drop(consoles);
    server.signal(Signal::SIGTERM);
    let ended = server.finish().with_code(0);
    assert!(ended.stderr.contains("DEBUG") && ended.stderr.contains("closed"), "{}", ended.stderr);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn other_users_are_refused_and_told_so() {
    let test = "other_users_are_refused_and_told_so";
    if !Uid::effective().is_root() {
        eprintln!("skipped, because only root can be another user: {test}");
        return;
    }
    let (folder, path) = fresh_path();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let Some((_copy, mut server)) = as_nobody("time-server", test) else { return };
    let owned = tempfile::tempdir().unwrap();
    fs::set_permissions(owned.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let theirs = owned.path().join("theirs");
    let description = |path: &std::path::Path| format!("unix:{}:mode=666", path.display());
    let mut server = Program::start(server.args(["--tcp", "127.0.0.1:0", "--console", &description(&theirs)]));
    server.line_after("waiting for connection... tcp ");
    let mut root = BufReader::new(connect_unix(&theirs));
    root.read_line(&mut String::new()).unwrap();
    assert!(rows(&mut root, "ps").len() > 1, "root may");

    let mut ours = Program::app("time-server", ["--tcp", "127.0.0.1:0", "--console", &description(&path)]);
    ours.line_after("waiting for connection... tcp ");
    let Some((_copy, mut nobody)) = as_nobody("time-client", test) else { return };
    let mut nobody = Program::start(nobody.args(["--unix".as_ref(), path.as_os_str()]));
    nobody.type_in("ps\n");
    let refused = nobody.close_and_finish();
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(told.contains("refused: this console is for other users"), "{told}");
    ours.signal(Signal::SIGTERM);
    let ended = ours.finish().with_code(0);
    assert!(ended.stderr.contains("refused"), "{}", ended.stderr);
    let mut rest = String::new();
    server.signal(Signal::SIGTERM);
    root.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}
