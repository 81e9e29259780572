//! Ports on all addresses of a host: which one was asked, and which one answers (RFC 1122, section 4.1.3.5).

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use reactor::datagram::DatagramOptions;

use crate::support::datagrams::{Moment, Recorder, play_in_simulation_at, play_on_sockets_at, receive, socket_at};
use crate::support::namespace::in_namespace;

/// Sends to a port on all addresses by way of each of these, and expects the answers from the same address: one, and three
/// that leave together.
fn ask_at(options: impl Into<DatagramOptions>, addresses: &'static [(&str, &str)]) {
    play_on_sockets_at(
        options,
        |recorder| {
            recorder.on(Moment::Received, |this| {
                let times = if this.data == b"thrice" { 3 } else { 1 };
                (0..times).for_each(|_| this.answer());
                this.log.add(format!("at {}", this.transport.received_at().unwrap()));
            })
        },
        |port| {
            for (asking, asked) in addresses {
                let client = socket_at((*asking, 0));
                let asked: SocketAddr = (asked.parse::<IpAddr>().unwrap(), port.address.port()).into();
                for (question, answers) in [("once", 1), ("thrice", 3)] {
                    client.send_to(question.as_bytes(), asked).unwrap();
                    for _ in 0..answers {
                        assert_eq!(receive(&client), (question.into(), asked));
                    }
                }
                port.wait_for(&format!("at {asked}"));
            }
        },
    );
}

#[test]
fn an_answer_leaves_from_the_address_that_was_asked() {
    ask_at("0.0.0.0:0", &[("127.0.0.1", "127.0.0.2"), ("127.0.0.3", "127.0.0.1"), ("127.0.0.1", "127.1.2.3")]);
    // Both families on one socket.
    ask_at("[::]:0", &[("127.0.0.1", "127.0.0.2"), ("::1", "::1"), ("127.0.0.2", "127.0.0.3")]);
}

#[test]
fn an_answer_leaves_from_the_ipv6_address_that_was_asked() {
    // An address that may be another's is not used until the system has found the time to look.
    let lines = &[
        "ip addr add fd00::1/128 dev lo nodad",
        "ip addr add fd00::2/128 dev lo nodad",
        "until ip -6 route show table local | grep -q fd00::1; do :; done",
        "until ip -6 route show table local | grep -q fd00::2; do :; done",
    ];
    in_namespace("an_answer_leaves_from_the_ipv6_address_that_was_asked", lines, || {
        ask_at("[::]:0", &[("fd00::1", "fd00::2"), ("fd00::2", "fd00::1"), ("::1", "fd00::2")]);
    });
}

/// Answers after the callback, when the address that was asked is no longer known.
fn later(this: &mut Recorder) {
    let (peer, host) = (this.peer.unwrap(), this.transport.received_at().unwrap());
    this.log.add(format!("at {host}"));
    this.transport.call_later(Duration::from_millis(1), move |this: &mut Recorder| {
        assert_eq!(this.transport.received_at(), None);
        this.transport.write_from("later", peer, host).unwrap();
    });
}

#[test]
fn a_later_answer_can_be_sent_from_any_address_of_the_host() {
    play_on_sockets_at(
        "0.0.0.0:0",
        |recorder| recorder.on(Moment::Received, later),
        |port| {
            let client = socket_at("127.0.0.1:0");
            let asked = SocketAddr::from(([127, 0, 0, 2], port.address.port()));
            client.send_to(b"?", asked).unwrap();
            assert_eq!(receive(&client), (b"later".to_vec(), asked));
            let to = client.local_addr().unwrap();
            port.act(move |transport| {
                let error = transport.write_from("x", to, "192.0.2.1:0".parse().unwrap()).unwrap_err();
                assert!(
                    [io::ErrorKind::InvalidInput, io::ErrorKind::AddrNotAvailable, io::ErrorKind::NetworkUnreachable]
                        .contains(&error.kind()),
                    "{error:?}"
                );
                let error = transport.write_from("x", to, "[::1]:0".parse().unwrap()).unwrap_err();
                assert_eq!(error.to_string(), "the port has no address of that family to send from");
            });
        },
    );
}

#[test]
fn a_port_on_one_address_is_always_asked_there() {
    for options in ["127.0.0.1:0", "127.0.0.2:0"] {
        play_on_sockets_at(
            options,
            |recorder| recorder.on(Moment::Received, later),
            |port| {
                let client: UdpSocket = socket_at("127.0.0.1:0");
                client.send_to(b"?", port.address).unwrap();
                assert_eq!(receive(&client), (b"later".to_vec(), port.address));
                port.wait_for(&format!("at {}", port.address));
            },
        );
    }
}

#[test]
fn in_a_simulation_the_same_is_known() {
    play_in_simulation_at(
        "0.0.0.0:7",
        |recorder| recorder.on(Moment::Received, later),
        |port| {
            let client = port.peer();
            let asked = SocketAddr::from(([127, 0, 0, 2], 7));
            client.send_to(b"?", asked);
            assert_eq!(client.receive(), (b"later".to_vec(), asked));
            port.wait_for("at 127.0.0.2:7");
        },
    );
}
