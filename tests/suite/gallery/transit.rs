use std::io::Write;
use std::net::Shutdown;
use std::process::Command;
use std::{fs, thread};

use rig::peer::pattern;
use tempfile::tempdir;

use crate::apps::net::{connect, read, read_to_end};
use crate::apps::peers::script;
use crate::apps::program::Program;
use crate::apps::tools::is_there;
use crate::gallery::{ANY_PORT, serve_endpoints};

fn wormhole(test: &str) -> bool {
    let modules = "import wormhole, wormhole_mailbox_server";
    is_there("magic-wormhole, with its mailbox server,", Command::new("python3").args(["-c", modules]), test)
}

#[test]
fn a_file_goes_from_one_wormhole_to_another() {
    if !wormhole("a_file_goes_from_one_wormhole_to_another") {
        return;
    }
    let (mut relay, [address, _]) = serve_endpoints("transit_relay", [ANY_PORT; 2]);
    let mut mailbox = Program::start(&mut script("wormhole_mailbox.py"));
    let mailbox_url = format!("ws://{}/v1", mailbox.line_after("listening on "));
    let directory = tempdir().unwrap();
    let [sent, received] = ["sent", "received"].map(|name| directory.path().join(name));
    let file = pattern(0, 5_000_000);
    fs::write(&sent, &file).unwrap();
    // Without listening for each other they have nothing but the relay.
    let start = |command: &str, arguments: &[&str]| {
        let mut python = Command::new("python3");
        python.args(["-m", "wormhole", "--relay-url", &mailbox_url, "--transit-helper", &format!("tcp:{address}")]);
        Program::start(python.args([command, "--no-listen", "--hide-progress"]).args(arguments))
    };
    let sender = start("send", &["--code", "1-purple-sausage", sent.to_str().unwrap()]);
    let receiver =
        start("receive", &["--accept-file", "--output-file", received.to_str().unwrap(), "1-purple-sausage"]);
    receiver.finish().with_code(0);
    sender.finish().with_code(0);
    assert!(fs::read(received).unwrap() == file, "another file has arrived");
    let report = relay.line();
    assert!(report.starts_with(r#"{"mood": "happy", "#) && !report.contains("127.0.0.1"), "{report}");
}

#[test]
fn a_web_socket_of_autobahns_is_joined_with_a_tcp_connection() {
    if !wormhole("a_web_socket_of_autobahns_is_joined_with_a_tcp_connection") {
        return;
    }
    let (mut relay, [plain, web]) = serve_endpoints("transit_relay", [ANY_PORT; 2]);
    let please = |side: &str| format!("please relay {} for side {}", "t".repeat(64), side.repeat(16));
    let mut client = connect(plain);
    client.write_all(format!("{}\n", please("a")).as_bytes()).unwrap();
    let echo = Program::start(script("web_socket_echo.py").args([&web.port().to_string(), &please("b")]));
    // The echo of `ok`, which the other side gets, comes first.
    assert_eq!(read(&mut client, 6), b"ok\nok\n");
    let data = pattern(0, 3_000_000);
    let mut writer = client.try_clone().unwrap();
    let (writing, expected) = (data.clone(), data);
    let writer = thread::spawn(move || writer.write_all(&writing).unwrap());
    assert!(read(&mut client, expected.len()) == expected, "other bytes have come back");
    writer.join().unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client), b"");
    assert_eq!(echo.finish().with_code(0).stdout, "clean 1000\n");
    let report = relay.line();
    assert!(report.starts_with(r#"{"mood": "happy", "#) && report.ends_with(r#""total_bytes": 6000003}"#), "{report}");
}
