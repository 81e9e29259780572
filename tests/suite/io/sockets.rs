//! The sockets under connections and ports.

use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use reactor::testing::StringTransport;

use crate::support::datagrams::{LOOPBACK, Moment, Recorder as Datagrams, play_in_simulation_at, play_on_sockets};
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

#[test]
fn the_options_of_a_datagram_port_change_while_it_serves() {
    play_on_sockets(
        |recorder| {
            recorder.on(Moment::Received, |this| {
                let socket = UdpSocket::from(this.transport.try_clone_socket().unwrap());
                socket.set_multicast_ttl_v4(4).unwrap();
                Datagrams::answer(this);
            })
        },
        |port| {
            let peer = port.peer();
            peer.send_to(b"question", port.address);
            assert_eq!(peer.receive().0, b"question");
            port.act(|transport| {
                let socket = UdpSocket::from(transport.try_clone_socket().unwrap());
                assert_eq!(socket.multicast_ttl_v4().unwrap(), 4);
                drop(transport.stop_listening());
                assert_eq!(transport.try_clone_socket().unwrap_err().kind(), io::ErrorKind::NotConnected);
            });
        },
    );
}

#[test]
fn a_simulated_datagram_port_has_no_socket() {
    play_in_simulation_at(
        LOOPBACK,
        |recorder| recorder,
        |port| {
            port.act(|transport| {
                assert_eq!(transport.try_clone_socket().unwrap_err().kind(), io::ErrorKind::Unsupported);
            });
        },
    );
}
