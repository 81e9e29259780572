//! The apps with independent programs: the tutorial's six, `nc` and `socat`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::apps::program::Program;
use crate::apps::server::Server;
use crate::apps::stamps::without_stamps;
use crate::apps::tools::is_there;

fn python(test: &str) -> bool {
    is_there("Python 3", Command::new("python3").args(["-c", ""]), test)
}

pub(crate) fn twisted(test: &str) -> bool {
    is_there("Python's Twisted", Command::new("python3").args(["-c", "import twisted.internet.reactor"]), test)
}

/// What runs one of the programs in Python that lie beside the suite.
pub(crate) fn script(name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name);
    let mut command = Command::new("python3");
    // Without its bytecode, which would be left in the source tree.
    command.arg("-B").arg(path);
    command
}

#[track_caller]
fn start(name: &str, host: &str, port: u16) -> Program {
    Program::start(script(name).args([host, &port.to_string()]))
}

/// A server in Python, at a port that the system has chosen.
#[track_caller]
pub(crate) fn serve(name: &str) -> (Program, SocketAddr) {
    let mut server = start(name, "127.0.0.1", 0);
    let address = server.line_after("waiting for connection... ");
    (server, address.parse().unwrap())
}

/// Runs `time-client` on these lines, and returns their texts as they came back.
#[track_caller]
fn ask(option: Option<&str>, address: SocketAddr, lines: &str) -> String {
    let arguments = [address.ip().to_string(), address.port().to_string()];
    let mut client = Program::app("time-client", option.into_iter().map(str::to_owned).chain(arguments));
    client.type_in(lines);
    let ended = client.close_and_finish().with_code(0);
    assert_eq!(ended.stderr, "");
    String::from_utf8(without_stamps(ended.stdout.as_bytes())).unwrap()
}

/// Runs a client in Python, and returns what it has printed behind its prompts.
#[track_caller]
fn ask_in_python(name: &str, address: SocketAddr, lines: &str) -> Vec<String> {
    let mut client = start(name, &address.ip().to_string(), address.port());
    client.type_in(lines);
    let ended = client.close_and_finish().with_code(0);
    ended.stdout.lines().map(|line| line.trim_start_matches("> ").to_owned()).collect()
}

#[track_caller]
fn assert_stamped(lines: &[String], texts: &[&str]) {
    let found: Vec<_> = lines.iter().filter(|line| line.starts_with('[')).collect();
    assert_eq!(found.len(), texts.len(), "{lines:?}");
    for (line, text) in found.iter().zip(texts) {
        assert_eq!(without_stamps(line.as_bytes()), text.as_bytes());
    }
}

#[test]
fn the_client_talks_with_the_tutorials_tcp_server() {
    if !python("the_client_talks_with_the_tutorials_tcp_server") {
        return;
    }
    let (_server, address) = serve("tcp_server.py");
    // That server reads 1,024 bytes at a time.
    let long = "x".repeat(5000);
    let lines = format!("hello\nwith spaces \n{long}\nlast\n");
    assert_eq!(ask(None, address, &lines), lines);
}

#[test]
fn the_client_talks_with_the_tutorials_socketserver() {
    if !python("the_client_talks_with_the_tutorials_socketserver") {
        return;
    }
    let (_server, address) = serve("socketserver_server.py");
    let lines = format!("hello\nanother\n{}\n", "x".repeat(5000));
    assert_eq!(ask(Some("--lines"), address, &lines), lines);
}

#[test]
fn the_client_talks_with_the_tutorials_twisted_server() {
    if !twisted("the_client_talks_with_the_tutorials_twisted_server") {
        return;
    }
    let (_server, address) = serve("twisted_server.py");
    let lines = format!("hello\nanother\n{}\n", "x".repeat(300_000));
    assert!(ask(None, address, &lines) == lines);
}

#[test]
fn the_tutorials_tcp_client_talks_with_the_server() {
    if !python("the_tutorials_tcp_client_talks_with_the_server") {
        return;
    }
    let server = Server::start("--tcp 127.0.0.1:0");
    let lines = ask_in_python("tcp_client.py", server.address(), "hello\nanother\n\n");
    assert_stamped(&lines, &["hello", "another"]);
}

#[test]
fn the_tutorials_socketserver_client_talks_with_the_server() {
    if !python("the_tutorials_socketserver_client_talks_with_the_server") {
        return;
    }
    let server = Server::start("--lines 127.0.0.1:0");
    let lines = ask_in_python("socketserver_client.py", server.address(), "hello\nanother\n\n");
    assert_stamped(&lines, &["hello", "another"]);
}

#[test]
fn the_tutorials_twisted_client_talks_with_the_server() {
    if !twisted("the_tutorials_twisted_client_talks_with_the_server") {
        return;
    }
    let server = Server::start("--tcp 127.0.0.1:0");
    let lines = ask_in_python("twisted_client.py", server.address(), "hello\nanother\n\n");
    assert_stamped(&lines, &["hello", "another"]);
}

pub(crate) fn netcat(test: &str) -> bool {
    is_there("OpenBSD's nc", Command::new("sh").args(["-c", "nc -h 2>&1 | grep -q OpenBSD"]), test)
}

pub(crate) fn curl(test: &str) -> bool {
    is_there("curl", Command::new("curl").arg("--version"), test)
}

pub(crate) fn socat(test: &str) -> bool {
    is_there("socat", Command::new("socat").arg("-V"), test)
}

#[test]
fn nc_talks_with_the_server_in_all_three_ways() {
    if !netcat("nc_talks_with_the_server_in_all_three_ways") {
        return;
    }
    let server = Server::start("--tcp 127.0.0.1:0 --lines 127.0.0.1:0 --udp 127.0.0.1:0");
    for (option, address) in ["-N", "-N", "-u"].into_iter().zip(&server.addresses) {
        let arguments = [option.to_owned(), address.ip().to_string(), address.port().to_string()];
        let mut client = Program::start(Command::new("nc").args(arguments));
        client.type_in("hello\n");
        assert_stamped(&[client.line()], &["hello"]);
    }
}

#[test]
fn socat_talks_with_the_server_in_all_three_ways() {
    if !socat("socat_talks_with_the_server_in_all_three_ways") {
        return;
    }
    for (ip, tcp, udp) in [("127.0.0.1", "TCP4", "UDP4"), ("[::1]", "TCP6", "UDP6")] {
        let server = Server::start(&format!("--tcp {ip}:0 --lines {ip}:0 --udp {ip}:0"));
        for (kind, address) in [tcp, tcp, udp].into_iter().zip(&server.addresses) {
            let mut client = Program::start(Command::new("socat").args(["-", &format!("{kind}:{address}")]));
            client.type_in("hello\n");
            assert_stamped(&[client.line()], &["hello"]);
        }
    }
}

#[test]
fn the_client_talks_with_somebody_at_nc() {
    if !netcat("the_client_talks_with_somebody_at_nc") {
        return;
    }
    let mut somebody = Program::start(Command::new("nc").args(["-v", "-l", "127.0.0.1", "0"]));
    let port = somebody.stderr_line_with("Listening on");
    let port = port.rsplit(' ').next().unwrap();
    let mut client = Program::app("time-client", ["127.0.0.1", port]);
    client.type_in("hello\n");
    somebody.type_in("good morning\n");
    assert_eq!(client.line(), "good morning");
    drop(somebody);
    client.finish().with_code(1);
}

#[test]
fn the_client_talks_with_an_echo_of_socat() {
    if !socat("the_client_talks_with_an_echo_of_socat") {
        return;
    }
    for (kind, host, option) in [
        ("TCP4-LISTEN:0,bind=127.0.0.1", "127.0.0.1", None),
        ("UDP4-LISTEN:0,bind=127.0.0.1", "127.0.0.1", Some("--udp")),
        ("TCP6-LISTEN:0,bind=[::1]", "::1", None),
        ("UDP6-LISTEN:0,bind=[::1]", "::1", Some("--udp")),
    ] {
        let mut echo = Program::start(Command::new("socat").args(["-d", "-d", kind, "PIPE"]));
        let listening = echo.stderr_line_with("listening on");
        let port = listening.rsplit(':').next().unwrap();
        let mut client = Program::app("time-client", option.into_iter().chain([host, port]));
        client.type_in("hello\n");
        assert_eq!(client.line(), "hello");
        client.close_and_finish().with_code(0);
    }
}
