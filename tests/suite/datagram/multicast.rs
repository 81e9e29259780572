//! Datagrams to many: broadcast and multicast, with plain sockets, socat and Twisted on the other side. IPv4 stays on
//! the loopback interface, where IPv6 has no multicast: it gets a network of the test's own.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::process::Command;
use std::time::Duration;

use reactor::datagram::{DatagramOptions, DatagramTransport, Interface};
use reactor::task::Tick;
use socket2::SockRef;

use crate::apps::peers::{script, socat, twisted};
use crate::apps::program::Program;
use crate::support::datagrams::{
    LOOPBACK, Moment, Recorder, World, play_at, play_in_simulation_at, play_on_sockets_at, receive, socket_at,
};
use crate::support::namespace::in_namespace;

const LO: Interface = Interface::Address(Ipv4Addr::LOCALHOST);

/// A port on all addresses that speaks to groups over the loopback interface.
fn on_all() -> DatagramOptions {
    DatagramOptions::new(0).multicast_interface(LO)
}

/// A virtual cable with interface 77 at one end and no peer at the other.
const NETWORK: &[&str] = &[
    "ip link add here index 77 type veth peer name there",
    "ip address add 10.77.0.1/24 dev here",
    "ip -6 address add fd77::1/64 dev here nodad",
    "ip link set here up",
    "ip link set there up",
    // The system assigns the addresses shortly after the interface is up.
    "until ip -6 route show table local dev here | grep -q multicast; do :; done",
    "until ip -6 route show table local | grep -q fd77::1; do :; done",
];

fn group(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(239, 255, 77, last)
}

#[test]
fn s183_a_broadcast_is_sent_by_a_port_that_was_opened_for_it_alone() {
    let everybody = |port| SocketAddr::from((Ipv4Addr::new(127, 255, 255, 255), port));
    let hears = socket_at("0.0.0.0:0");
    let to = everybody(hears.local_addr().unwrap().port());
    play_on_sockets_at(
        LOOPBACK,
        |recorder| recorder,
        move |port| {
            port.act(move |transport| {
                assert_eq!(transport.write("no", to).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            });
        },
    );
    play_on_sockets_at(
        DatagramOptions::new(LOOPBACK).broadcast(true),
        |recorder| recorder,
        |port| {
            port.act(move |transport| transport.write("to all", to).unwrap());
            assert_eq!(receive(&hears), (b"to all".to_vec(), port.address));
        },
    );
}

#[test]
fn s183_a_peer_of_a_link_is_shown_with_its_scope_and_can_be_answered() {
    let test = "s183_a_peer_of_a_link_is_shown_with_its_scope_and_can_be_answered";
    let lines = &[
        "ip -6 address add fe80::77/64 dev lo nodad",
        "until ip -6 route show table local | grep -q fe80::77; do :; done",
    ];
    in_namespace(test, lines, || {
        let of_the_link = SocketAddrV6::new("fe80::77".parse().unwrap(), 0, 0, 1);
        let peer = socket_at(of_the_link);
        play_on_sockets_at(
            "[::]:0",
            |recorder| recorder.on(Moment::Received, Recorder::answer),
            |port| {
                let to = SocketAddrV6::new(*of_the_link.ip(), port.address.port(), 0, 1);
                peer.send_to(b"hi", to).unwrap();
                assert_eq!(receive(&peer), (b"hi".to_vec(), to.into()));
            },
        );
    });
}

#[test]
fn s184_a_port_hears_the_groups_that_it_has_joined_and_no_others() {
    play_at(
        on_all(),
        |recorder| recorder,
        |port| {
            let sender = port.peer();
            let to = |last| SocketAddr::from((group(last), port.address.port()));
            // From another socket on this machine.
            let other = socket_at("0.0.0.0:0");
            other.join_multicast_v4(&group(2), &Ipv4Addr::LOCALHOST).unwrap();
            port.act(|transport| transport.join_group(group(1), LO).unwrap());
            for (last, text) in [(2, "not joined"), (1, "joined")] {
                sender.send_to(text, to(last));
            }
            port.wait_for("received joined");
            port.act(|transport| transport.leave_group(group(1), LO).unwrap());
            sender.send_to("left", to(1));
            sender.send_to("not to the group", (Ipv4Addr::LOCALHOST, port.address.port()).into());
            port.wait_for("received not to the group");
            port.act(|transport| transport.join_group(group(1), LO).unwrap());
            sender.send_to("joined again", to(1));
            port.wait_for("received joined again");
            assert_eq!(
                port.log.lines(),
                ["started", "received joined", "received not to the group", "received joined again"]
            );
        },
    );
}

#[test]
fn s184_what_cannot_be_joined_or_left_is_an_error_that_names_group_and_interface() {
    play_at(
        on_all(),
        |recorder| recorder,
        |port| {
            port.act(|transport| {
                let single = Ipv4Addr::LOCALHOST;
                let error = transport.join_group(single, LO).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                let told = "cannot join group 127.0.0.1 on the interface of 127.0.0.1: it is not a multicast address";
                assert_eq!(error.to_string(), told);
                transport.join_group(group(3), LO).unwrap();
                assert_eq!(transport.join_group(group(3), LO).unwrap_err().kind(), io::ErrorKind::AddrInUse);
                transport.leave_group(group(3), LO).unwrap();
                let error = transport.leave_group(group(3), LO).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
                let told = "cannot leave group 239.255.77.3 on the interface of 127.0.0.1: ";
                assert!(error.to_string().starts_with(told), "{error}");
            });
        },
    );
    play_on_sockets_at(
        on_all(),
        |recorder| recorder,
        |port| {
            port.act(|transport| {
                let told = |group: IpAddr, interface| transport.join_group(group, interface).unwrap_err().to_string();
                let ipv6 = IpAddr::V6("ff15::77".parse().unwrap());
                assert_eq!(
                    told(ipv6, Interface::Any),
                    "cannot join group ff15::77 on any interface: the port is for IPv4, and the group for IPv6"
                );
                let none = told(group(3).into(), Interface::Index(4_000_000));
                assert!(
                    none.starts_with("cannot join group 239.255.77.3 on interface 4000000: No such device"),
                    "{none}"
                );
                transport.stop_listening();
                assert!(told(group(3).into(), LO).ends_with("the port was stopped"));
            });
        },
    );
}

#[test]
fn s184_several_ports_of_one_number_hear_a_group_if_all_were_opened_for_it() {
    play_on_sockets_at(
        on_all().listen_multiple(true),
        |recorder| recorder.on(Moment::Start, join_first),
        |port| {
            let options = DatagramOptions::new(port.address.port()).multicast_interface(LO);
            let to = SocketAddr::from((group(4), port.address.port()));
            play_on_sockets_at(
                options.listen_multiple(true),
                |recorder| recorder.on(Moment::Start, join_first),
                |other| {
                    for each in [&*port, &*other] {
                        each.wait_for("started");
                        each.act(|_| ());
                    }
                    port.act(move |transport| transport.write("to both", to).unwrap());
                    port.wait_for("received to both");
                    other.wait_for("received to both");
                },
            );
        },
    );

    fn join_first(this: &mut Recorder) {
        this.transport.join_group(group(4), LO).unwrap();
    }
}

#[test]
fn s184_without_loopback_the_machine_itself_hears_nothing_of_what_is_sent_to_a_group() {
    fn check(port: &mut World, interface: Interface, own: Ipv4Addr) {
        let to = SocketAddr::from((group(5), port.address.port()));
        port.act(move |transport| {
            transport.join_group(group(5), interface).unwrap();
            transport.write("to others", to).unwrap();
            transport.write("to myself", (own, to.port()).into()).unwrap();
        });
        port.wait_for("received");
        assert_eq!(port.log.lines(), ["started", "received to myself"]);
    }
    play_in_simulation_at(
        on_all().multicast_loopback(false),
        |recorder| recorder,
        |port| {
            check(port, LO, Ipv4Addr::LOCALHOST);
        },
    );
    let test = "s184_without_loopback_the_machine_itself_hears_nothing_of_what_is_sent_to_a_group";
    in_namespace(test, NETWORK, || {
        let network = Interface::Index(77);
        let options = DatagramOptions::new(0).multicast_interface(network).multicast_loopback(false);
        play_on_sockets_at(options, |recorder| recorder, |port| check(port, network, Ipv4Addr::new(10, 77, 0, 1)));
    });
}

#[test]
fn s184_ipv6_groups_are_joined_and_sent_to_by_the_number_of_the_interface() {
    let test = "s184_ipv6_groups_are_joined_and_sent_to_by_the_number_of_the_interface";
    in_namespace(test, NETWORK, || {
        let group: Ipv6Addr = "ff15::77".parse().unwrap();
        let options = DatagramOptions::new("[::]:0").only_v6(true).multicast_interface(Interface::Index(77));
        play_on_sockets_at(
            options.multicast_ttl(3),
            |recorder| recorder,
            move |port| {
                let peer = socket_at("[::]:0");
                peer.join_multicast_v6(&group, 77).unwrap();
                let to = SocketAddr::from((group, peer.local_addr().unwrap().port()));
                port.act(move |transport| {
                    transport.join_group(group, Interface::Index(77)).unwrap();
                    let error = transport.join_group(group, LO).unwrap_err().to_string();
                    assert!(error.ends_with("IPv6 needs an interface by its number, not the interface of 127.0.0.1"));
                    let error = transport.join_group(Ipv4Addr::new(239, 255, 77, 6), LO).unwrap_err().to_string();
                    assert!(error.ends_with("the port is for IPv6, and the group for IPv4"), "{error}");
                    transport.write("to the group", to).unwrap();
                });
                assert_eq!(receive(&peer).0, b"to the group");
                SockRef::from(&peer).set_multicast_if_v6(77).unwrap();
                peer.send_to(b"and back", (group, port.address.port())).unwrap();
                port.wait_for("received and back");
            },
        );
    });
}

#[test]
fn s184_socat_hears_a_group_and_a_broadcast_with_the_ttl_that_was_asked_for() {
    if !socat("s184_socat_hears_a_group_and_a_broadcast_with_the_ttl_that_was_asked_for") {
        return;
    }
    let membership = format!(",ip-add-membership={}:127.0.0.1", group(7));
    let options = on_all().broadcast(true).ttl(9).multicast_ttl(3);
    play_on_sockets_at(
        options,
        |recorder| recorder,
        |port| {
            for (ip, membership, ttl) in [
                (group(7), &*membership, "ttl 3"),
                (Ipv4Addr::new(127, 255, 255, 255), "", "ttl 9"),
                (Ipv4Addr::new(127, 77, 0, 7), "", "ttl 9"),
            ] {
                let listens = format!("UDP4-RECVFROM:7707,bind={ip},ip-recvttl{membership}");
                let mut socat =
                    Program::start(Command::new("socat").args(["-u", &listens, "SYSTEM:echo ttl $SOCAT_IP_TTL"]));
                // It does not report when it listens.
                port.act(move |transport| {
                    let again = move |this: &mut Recorder, _: Tick| {
                        let _ = this.transport.write("to socat", (ip, 7707).into());
                    };
                    transport.call_every(Duration::from_millis(20), again);
                });
                assert_eq!(socat.line(), ttl);
            }
        },
    );
}

#[test]
fn s184_twisted_and_a_port_of_ours_are_members_of_one_group() {
    if !twisted("s184_twisted_and_a_port_of_ours_are_members_of_one_group") {
        return;
    }
    let mut member = Program::start(script("twisted_multicast.py").args([&group(8).to_string(), "0"]));
    let theirs = SocketAddr::from((group(8), member.line_after("joined on ").parse().unwrap()));
    play_on_sockets_at(
        on_all(),
        |recorder| recorder,
        |port| {
            let announce = format!("announce {}", port.address.port());
            port.act(move |transport: &DatagramTransport| {
                transport.join_group(group(8), LO).unwrap();
                transport.write("hello", theirs).unwrap();
                transport.write(announce, theirs).unwrap();
            });
            port.wait_for("received heard hello");
            port.wait_for("received here I am");
        },
    );
}
