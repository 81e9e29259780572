use std::io::Write;
use std::net::TcpStream;

use rig::open_files;
use rig::peer::pattern;

use crate::apps::net::{accept, closed_port, connect, listen, read, read_to_end};
use crate::apps::program::Program;
use crate::gallery::serve;

#[test]
fn the_server_sends_every_byte_back_to_a_thousand_clients_at_once() {
    assert!(open_files() > 2500, "this test needs 2,500 open files");
    // Each sends different data.
    let part_of = |number: usize, part: usize| pattern(number + part * 1000, number + (part + 1) * 1000);
    let (_server, address) = serve("echo_server", &[]);
    let mut clients: Vec<TcpStream> = (0..1000).map(|_| connect(address)).collect();
    for part in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.write_all(&part_of(number, part)).unwrap();
        }
    }
    for (number, client) in clients.iter_mut().enumerate() {
        for part in 0..3 {
            assert!(read(client, 1000) == part_of(number, part), "client {number}, part {part}");
        }
    }
}

#[test]
fn a_server_whose_main_returns_the_error_says_why_it_cannot_listen() {
    let (_listener, address) = listen();
    let ended = Program::example("echo_server", [address.to_string()]).finish().with_code(1);
    let expected =
        format!("Error: Custom {{ kind: AddrInUse, error: \"cannot listen on {address}: address in use\" }}\n");
    assert_eq!(ended.stderr, expected);
}

#[test]
fn the_client_sends_three_lines_shows_what_comes_back_and_ends() {
    let (_server, address) = serve("echo_server", &[]);
    let ended = Program::example("echo_client", [address.to_string()]).finish().with_code(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[..3], ["receive: Hello, world!", "receive: What a fine day it is.", "receive: Bye-bye!"]);
    assert!(lines[3].starts_with("connection lost: ") && lines.len() == 4, "{lines:?}");
}

#[test]
fn the_client_says_why_there_is_no_connection() {
    let (_socket, server) = closed_port();
    let ended = Program::example("echo_client", [server.to_string()]).finish().with_code(1);
    assert_eq!(ended.stderr, format!("connection failed: cannot connect to {server}: connection refused\n"));
}

#[test]
fn the_simple_client_shows_the_echo_and_both_sides_see_a_clean_close() {
    let (_server, address) = serve("echo_server", &[]);
    let ended = Program::example("simple_client", [address.to_string()]).finish().with_code(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines[0], "Server said: hello, world!");
    assert!(lines[1].starts_with("connection lost: ") && lines[2..] == ["Connection lost - goodbye!"], "{lines:?}");

    let (listener, address) = listen();
    let client = Program::example("simple_client", [address.to_string()]);
    let mut server = accept(&listener);
    assert_eq!(read(&mut server, 13), b"hello, world!");
    server.write_all(b"hello!").unwrap();
    assert_eq!(read_to_end(&mut server), b"");
    client.finish().with_code(0);
}

#[test]
fn the_reconnecting_client_comes_back() {
    let (socket, address) = closed_port();
    let mut client = Program::example("reconnecting_client", [address.to_string()]);
    assert_eq!(client.line(), format!("Connection failed. Reason: cannot connect to {address}: connection refused"));
    socket.listen(1).unwrap();
    let listener = socket.into();
    for text in ["one", "two"] {
        accept(&listener).write_all(text.as_bytes()).unwrap();
        while client.line() != "Connected. The reconnection delay is reset." {}
        assert_eq!(client.line(), text);
        assert!(client.line().starts_with("Lost connection. Reason: "));
    }
}

#[test]
fn the_simple_client_stops_when_there_is_no_connection() {
    let (_socket, server) = closed_port();
    let ended = Program::example("simple_client", [server.to_string()]).finish().with_code(0);
    assert!(ended.stdout.starts_with("Connection failed - goodbye! (cannot connect to "), "{}", ended.stdout);
}
