use std::net::SocketAddr;

use crate::apps::binaries::example;
use crate::apps::net::datagram_socket;
use crate::apps::program::Program;
use crate::support::datagrams::{receive, socket_at};
use crate::support::namespace::in_namespace;

use crate::gallery::serve;

/// Outside a namespace, where a test has a time limit.
fn build_examples() {
    example("multicast_server");
}

#[test]
fn the_server_sends_every_datagram_back() {
    let (_server, address) = serve("udp_echo_server", &[]);
    let (socket, _) = datagram_socket();
    for datagram in ["hello", "", "again"] {
        socket.send_to(datagram.as_bytes(), address).unwrap();
        assert_eq!(receive(&socket), (datagram.into(), address));
    }
}

#[test]
fn the_client_sends_three_datagrams_one_after_the_other_and_ends() {
    let (_server, address) = serve("udp_echo_server", &[]);
    let ended = Program::example("udp_echo_client", [address.to_string()]).finish().with_code(0);
    let lines: Vec<_> = ended.stdout.lines().collect();
    let texts = ["Hello, world!", "What a fine day it is.", "Bye-bye!"];
    assert_eq!(lines, texts.map(|text| format!("datagram received: {text}")));
}

#[test]
fn a_connected_port_hears_that_nobody_listens_and_goes_on() {
    // An unused port. (A program being started may still hold a copy of a socket that was closed here.)
    let neighbour = socket_at("127.7.1.8:0");
    let peer = SocketAddr::from(([127, 7, 1, 9], neighbour.local_addr().unwrap().port()));
    let mut program = Program::example("udp_connected", [peer.to_string()]);
    let line = program.line();
    let own: SocketAddr = line.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(line, format!("{own} sends to {peer} only: Ok(())"));
    assert_eq!(program.line(), "No one listening");
    let socket = socket_at(peer);
    socket.send_to(b"here I am", own).unwrap();
    assert_eq!(program.line(), format!("received here I am from {peer}"));
}

#[test]
fn a_ping_to_the_group_is_answered_by_the_server_alone() {
    build_examples();
    in_namespace(
        "a_ping_to_the_group_is_answered_by_the_server_alone",
        &["ip link set lo multicast on", "ip route add 224.0.0.0/4 dev lo"],
        || {
            let mut server = Program::example("multicast_server", [""; 0]);
            assert_eq!(server.line(), "joined");
            let mut client = Program::example("multicast_client", [""; 0]);
            let from = server.line_after("datagram Client: Ping received from ");
            assert!(from.ends_with(":9999"), "{from}");
            // The client is a member of the group, too.
            assert_eq!(client.line(), format!("datagram Client: Ping received from {from}"));
            // Which of the two programs on port 9999 gets what is sent to one alone is the system's choice. To another
            // port the pong finds its way.
            let socket = socket_at("0.0.0.0:0");
            socket.send_to(b"Client: Ping", "228.0.0.5:9999").unwrap();
            assert_eq!(receive(&socket).0, b"Server: Pong");
        },
    );
}

#[test]
fn a_ping_to_everybody_brings_one_pong_of_each() {
    build_examples();
    let everybody = "127.255.255.255:8555";
    in_namespace("a_ping_to_everybody_brings_one_pong_of_each", &[], move || {
        let mut one = Program::example("udp_broadcast", ["0.0.0.0:8555", everybody]);
        let ping = one.line_after("SEND PING ");
        let mut heard =
            [one.line(), one.line(), one.line()].map(|line| line.split(" from ").next().unwrap().to_owned());
        heard.sort();
        assert_eq!(heard, [format!("RECV PING {ping}"), format!("RECV PONG {ping}"), format!("SEND PONG {ping}")]);
    });
}
