//! Keys are written into a file for debuggers only by a program that asks for it.

use std::fs;
use std::process::Command;

use reactor::Transport;
use reactor::testing::Pair;
use rig::certificates::{SERVER_NAME, client, server};

use crate::support::{Log, Recorder};

/// Not a test by itself.
#[test]
fn is_a_child_if_told_so() {
    let Ok(kind) = std::env::var("KEYS_CHILD") else { return };
    let (mut server, mut client) = (server(), client());
    match kind.as_str() {
        "server" => server = server.log_keys(),
        "client" => client = client.log_keys(),
        _ => {}
    }
    let log = Log::default();
    let inside = |log: &Log| {
        let log = log.clone();
        move |transport: Transport| Recorder::new(transport, log.clone())
    };
    let mut pair = Pair::connect(client.around(SERVER_NAME, inside(&log)), server.around(inside(&log)));
    pair.run_until_quiet();
    assert_eq!(log.count("made"), 2);
}

#[test]
fn keys_are_written_only_if_the_program_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let keys = |kind: &str| {
        let path = folder.path().join(kind);
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "protocols::tls::keys::is_a_child_if_told_so"]);
        let ended = child.env("KEYS_CHILD", kind).env("SSLKEYLOGFILE", &path).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        fs::read_to_string(path).unwrap_or_default()
    };
    assert_eq!(keys("neither"), "");
    for end in ["server", "client"] {
        let keys = keys(end);
        assert!(keys.contains("CLIENT_TRAFFIC_SECRET_0 ") && keys.contains("SERVER_TRAFFIC_SECRET_0 "), "{keys}");
    }
}
