use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;

use rig::peer::{pattern, reset};

use crate::apps::net::{accept, closed_port, connect, listen, read, read_to_end};
use crate::apps::program::Program;
use crate::gallery::serve;

/// A client and a target, with a forwarder between them.
struct Chain {
    forwarder: Program,
    client: TcpStream,
    target: TcpStream,
    _listener: TcpListener,
}

impl Chain {
    fn new() -> Self {
        let (listener, address) = listen();
        let (forwarder, address) = serve("port_forwarder", &[&address.to_string()]);
        let client = connect(address);
        let target = accept(&listener);
        Self { forwarder, client, target, _listener: listener }
    }
}

#[test]
fn what_a_slow_reader_leaves_unread_stays_with_the_sender() {
    const SIZE: usize = 64 << 20;
    let Chain { forwarder, client, mut target, _listener } = Chain::new();
    let before = forwarder.resident();
    let sending = thread::spawn(move || {
        let mut client = client;
        for from in (0..SIZE).step_by(1 << 20) {
            client.write_all(&pattern(from, from + (1 << 20))).unwrap();
        }
        client
    });
    let mut most = 0;
    for from in (0..SIZE).step_by(1 << 16) {
        assert!(read(&mut target, 1 << 16) == pattern(from, from + (1 << 16)), "at byte {from}");
        most = most.max(forwarder.resident());
    }
    assert!(most < before + (4 << 20), "from {before} to {most} bytes");
    drop(sending.join().unwrap());
    assert_eq!(read_to_end(&mut target), b"");
}

#[test]
fn when_one_side_closes_the_other_is_closed() {
    let mut chain = Chain::new();
    chain.client.write_all(b"question").unwrap();
    assert_eq!(read(&mut chain.target, 8), b"question");
    chain.target.write_all(b"answer").unwrap();
    drop(chain.target);
    assert_eq!(read_to_end(&mut chain.client), b"answer");

    let mut chain = Chain::new();
    chain.client.write_all(b"question").unwrap();
    drop(chain.client);
    assert_eq!(read_to_end(&mut chain.target), b"question");
}

#[test]
fn when_one_side_dies_the_other_is_closed() {
    let mut chain = Chain::new();
    reset(chain.client);
    assert_eq!(read_to_end(&mut chain.target), b"");
    let mut chain = Chain::new();
    reset(chain.target);
    assert_eq!(read_to_end(&mut chain.client), b"");
}

#[test]
fn a_client_is_closed_when_the_target_cannot_be_reached() {
    let (_socket, nowhere) = closed_port();
    let (mut forwarder, address) = serve("port_forwarder", &[&nowhere.to_string()]);
    assert_eq!(read_to_end(&mut connect(address)), b"");
    assert_eq!(forwarder.line(), format!("cannot connect to {nowhere}: connection refused"));
}
