//! `time-server`'s page and its web socket, with independent programs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use crate::apps::net;
use crate::apps::peers::curl;
use crate::apps::program::Program;
use crate::apps::server::Server;
use crate::apps::stamps::{is_stamped, without_stamps};
use crate::apps::tools::is_there;

fn url(address: SocketAddr, scheme: &str, path: &str) -> String {
    format!("{scheme}://{address}{path}")
}

#[test]
fn curl_gets_the_page_and_can_ask_for_more_on_the_same_connection() {
    let test = "curl_gets_the_page_and_can_ask_for_more_on_the_same_connection";
    if !curl(test) {
        return;
    }
    let server = Server::start("--web 127.0.0.1:0");
    let [page, missing] = ["/", "/missing"].map(|path| url(server.address(), "http", path));
    let status = "%{http_code} %{num_connects}\n";
    let curl = ["--silent", "--noproxy", "*", "--max-time", "30", "--write-out", status, &page, &missing];
    let ended = Program::start(Command::new("curl").args(curl)).finish().with_code(0);
    assert!(ended.stdout.starts_with("<!DOCTYPE html>"), "{}", ended.stdout);
    assert!(ended.stdout.ends_with("</html>\n200 1\n404 Not Found\n404 0\n"), "{}", ended.stdout);
}

#[test]
fn node_talks_with_the_server_over_a_web_socket() {
    let test = "node_talks_with_the_server_over_a_web_socket";
    // A global since version 22; the option has no effect there.
    let node = ["--experimental-websocket", "-e"];
    if !is_there("Node with WebSocket", Command::new("node").args(node).arg("WebSocket"), test) {
        return;
    }
    let server = Server::start("--web 127.0.0.1:0");
    let script = "
        const socket = new WebSocket(process.argv[1]);
        const long = 'x'.repeat(65536 - 27);
        const lines = ['hello', 'caf\\u00e9', '', long];
        socket.onopen = () => lines.forEach((line) => socket.send(line));
        let answers = 0;
        socket.onmessage = (event) => {
            console.log(event.data);
            if (++answers === 4) socket.close(1000);
        };
        socket.onclose = (event) => console.log(event.code, event.wasClean);
        socket.onerror = (event) => console.log('error', event.message);
    ";
    let url = url(server.address(), "ws", "/socket");
    let ended = Program::start(Command::new("node").args(node).args([script, &url])).finish().with_code(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", ended.stderr);
    assert!(is_stamped(lines[0], "hello") && is_stamped(lines[1], "café"), "{lines:?}");
    assert!(is_stamped(lines[2], ""), "{lines:?}");
    assert_eq!(without_stamps(lines[3].as_bytes()).len(), 65_536 - 27);
    assert_eq!(lines[4], "1000 true");
}

#[test]
fn a_page_of_another_origin_cannot_connect() {
    let server = Server::start("--web 127.0.0.1:0");
    for (origin, expected) in [("http://evil.example".to_owned(), "403"), (url(server.address(), "http", ""), "101")] {
        let mut client = net::connect(server.address());
        let request = format!(
            "GET /socket HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            server.address()
        );
        client.write_all(request.as_bytes()).unwrap();
        let answer = String::from_utf8(net::read(&mut client, 12)).unwrap();
        assert_eq!(answer, format!("HTTP/1.1 {expected}"));
    }
}

#[test]
fn silent_connections_of_one_address_keep_honest_clients_of_others_out_of_no_port() {
    let server = Server::start("--web 127.0.0.1:0");
    let silent: Vec<_> = (0..512).map(|_| net::connect_from([127, 0, 0, 2], server.address())).collect();
    let is_answered = |mut client: TcpStream| {
        let mut answer = Vec::new();
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        client.write_all(request).and_then(|()| client.read_to_end(&mut answer)).is_ok()
            && answer.starts_with(b"HTTP/1.1 200")
    };
    let answered = (0..100).filter(|_| is_answered(net::connect(server.address()))).count();
    assert!(answered >= 95, "{answered} of 100 were answered");
    // From the crowded address, too: its own oldest give way.
    let answered = (0..20).filter(|_| is_answered(net::connect_from([127, 0, 0, 2], server.address()))).count();
    assert!(answered >= 19, "{answered} of 20 were answered");
    drop(silent);
}
