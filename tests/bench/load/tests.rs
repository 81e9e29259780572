//! Broken servers do not score.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use super::content::Content;
use super::{Far, Shape, connections, streams};

const SHAPE: Shape = Shape { connections: 2, unit: 64, under_way: 1024 };

/// A server that sends back what this makes of the bytes.
fn answering(with: fn(&mut Vec<u8>)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    let mut answer = buffer[..length].to_vec();
                    with(&mut answer);
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn outcomes(address: SocketAddr) -> [Option<ErrorKind>; 2] {
    let (time, cpu) = (Duration::from_millis(50), &|| Ok(Duration::ZERO));
    let streams = streams(address, SHAPE, &Far::Same, time, cpu);
    [streams, connections(address, 2, time, cpu)].map(|done| done.err().map(|error| error.kind()))
}

#[test]
fn an_honest_server_scores() {
    assert_eq!(outcomes(answering(|_| ())), [None, None]);
}

#[test]
fn a_server_that_changes_a_byte_does_not() {
    assert_eq!(outcomes(answering(|answer| answer[20] ^= 1)), [Some(ErrorKind::InvalidData); 2]);
}

#[test]
fn a_server_that_sends_something_twice_does_not() {
    let twice = |answer: &mut Vec<u8>| answer.extend_from_within(..32);
    assert_eq!(outcomes(answering(twice)), [Some(ErrorKind::InvalidData); 2]);
}

#[test]
fn a_server_that_exchanges_lines_does_not() {
    assert_eq!(outcomes(answering(|answer| answer.rotate_left(32))), [Some(ErrorKind::InvalidData); 2]);
}

#[test]
fn a_server_that_sends_constants_does_not() {
    assert_eq!(outcomes(answering(|answer| answer.fill(b'x'))), [Some(ErrorKind::InvalidData); 2]);
}

#[test]
fn every_connection_begins_with_a_whole_message() {
    let content = Content::new();
    assert!((0..100_000).all(|number| content.at(Content::start_of(number), 64).len() == 64));
}
