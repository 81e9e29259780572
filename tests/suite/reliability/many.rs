//! R1, R4, R15: many connections at once, one after another, and broken off.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use rig::{Child, open_files, peer};

use crate::reliability::server;

#[test]
fn a_line_to_each_of_many_held_connections_is_answered_to_each() {
    let connections = (open_files() / 4).clamp(100, 4000);
    let server = server("echo", &[]);
    let first = peer::connect(server.address());
    peer::round_trip(&first, b"first");
    let before = server.descriptors();

    let streams: Vec<_> = (0..connections).map(|_| peer::connect(server.address())).collect();
    for (number, mut stream) in streams.iter().enumerate() {
        writeln!(stream, "line {number:05}").unwrap();
    }
    for (number, mut stream) in streams.iter().enumerate() {
        let mut line = [0; 11];
        stream.read_exact(&mut line).unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("line {number:05}\n"));
    }
    assert_eq!(server.descriptors(), before + connections);

    drop(streams);
    until_closed(&server, &first, before);
    assert!(server.stop().status.success());
}

#[test]
fn after_thousands_of_connections_the_descriptors_are_those_of_the_start() {
    const CONNECTIONS: usize = 3000;
    let server = server("faulty", &[]);
    peer::round_trip(&peer::connect(server.address()), b"warm");
    let first = peer::connect(server.address());
    peer::round_trip(&first, b"first");
    let before = server.descriptors();
    for number in 0..CONNECTIONS {
        let mut stream = peer::connect(server.address());
        peer::round_trip(&stream, b"sixty-four bytes, more or less");
        match number % 3 {
            0 => drop(stream),
            1 => peer::reset(stream),
            _ => {
                stream.shutdown(Shutdown::Write).unwrap();
                assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            }
        }
    }
    until_closed(&server, &first, before);
    drop(first);
    let ended = server.stop();
    assert_eq!(ended.count("built"), CONNECTIONS as u64 + 2);
    assert_eq!(ended.count("lost"), CONNECTIONS as u64 + 2);
    assert_eq!(ended.count("dropped"), CONNECTIONS as u64 + 2);
    assert_eq!(ended.count("wrong"), 0);
    assert!(ended.errors.is_empty(), "{:?}", ended.errors);
}

#[test]
fn connections_that_are_reset_at_any_moment_end_once_each_and_leave_nothing() {
    const CONNECTIONS: usize = 3000;
    let server = server("faulty", &[]);
    let first = peer::connect(server.address());
    peer::round_trip(&first, b"first");
    let before = server.descriptors();
    for number in 0..CONNECTIONS {
        let mut stream = peer::connect(server.address());
        match number % 5 {
            0 => {} // most likely before it is accepted
            1 => stream.write_all(b"hello").unwrap(),
            2 => peer::round_trip(&stream, b"hello"),
            3 => stream.write_all(&[b'x'; 200_000]).unwrap(),
            _ => stream.shutdown(Shutdown::Write).unwrap(),
        }
        peer::reset(stream);
    }
    until_closed(&server, &first, before);
    drop(first);
    let ended = server.stop();
    let built = ended.count("built");
    assert!((2..=CONNECTIONS as u64 + 1).contains(&built));
    assert_eq!(ended.count("lost"), built);
    assert_eq!(ended.count("dropped"), built);
    assert_eq!(ended.count("wrong"), 0);
    assert!(ended.errors.is_empty(), "{:?}", ended.errors);
}

/// Makes round trips until the server has noticed all closed connections. A server that leaks never gets there; the number
/// of round trips bounds the test.
#[track_caller]
fn until_closed(server: &Child, stream: &TcpStream, descriptors: usize) {
    for _ in 0..20_000 {
        if server.descriptors() == descriptors {
            return;
        }
        peer::round_trip(stream, b"still there?");
    }
    assert_eq!(server.descriptors(), descriptors, "descriptors at the start and now");
}
