//! The sockets under connections.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use reactor::testing::StringTransport;

use crate::support::{Callback, Ending, Log, Recorder, on_sockets};

#[test]
fn a_callback_can_reach_its_socket_and_the_peer_sees_the_end_when_both_are_closed() {
    on_sockets(
        |recorder| {
            recorder.on(Callback::Data, |this| {
                let socket: OwnedFd = this.transport.try_clone_socket().unwrap();
                TcpStream::from(socket).set_nonblocking(true).unwrap();
                this.transport.write("fine");
                this.transport.lose_connection();
            })
        },
        |peer| {
            peer.send("question");
            assert_eq!(peer.read_to_the_end(), (b"fine".to_vec(), Ending::Clean));
        },
    );
}

#[test]
fn what_has_no_socket_says_so_and_so_does_what_has_ended() {
    let wire = StringTransport::connect(|transport| Recorder::new(transport, Log::default()));
    let transport = wire.transport().clone();
    assert_eq!(transport.try_clone_socket().unwrap_err().kind(), io::ErrorKind::Unsupported);
    drop(wire);
    assert_eq!(transport.try_clone_socket().unwrap_err().kind(), io::ErrorKind::NotConnected);
}
