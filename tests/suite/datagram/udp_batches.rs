//! Datagrams received several at a time, and equal ones sent several at a time: the difference must not be visible.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{fs, io, thread};

use reactor::datagram::DatagramOptions;
use socket2::SockRef;

use crate::support::datagrams::{
    Moment, Recorder, play, play_on_sockets, play_on_sockets_at, receive, socket, socket_at,
};
use crate::support::namespace::{in_namespace, shell};

/// A datagram of this length that begins with its number.
fn numbered(number: usize, len: usize) -> Vec<u8> {
    let mut datagram = number.to_le_bytes()[..len.min(8)].to_vec();
    datagram.resize(len, b'x');
    datagram
}

/// Sends this many of each length in one callback, alternating between two peers; each must receive its own in order.
fn send_and_check(lengths: &'static [(usize, usize)]) {
    let peers = [socket(), socket()];
    for peer in &peers {
        SockRef::from(peer).set_recv_buffer_size(1 << 20).unwrap();
    }
    let addresses = peers.each_ref().map(|peer| peer.local_addr().unwrap());
    play_on_sockets(
        move |recorder| {
            recorder.on(Moment::Received, move |this| {
                for address in addresses {
                    for (number, len) in all(lengths) {
                        this.transport.write(numbered(number, len), address).unwrap();
                    }
                }
            })
        },
        |port| {
            peers[0].send_to(b"go", port.address).unwrap();
            for peer in &peers {
                for (number, len) in all(lengths) {
                    assert!(receive(peer) == (numbered(number, len), port.address), "number {number}, {len} bytes");
                }
            }
        },
    );
}

fn all(lengths: &'static [(usize, usize)]) -> impl Iterator<Item = (usize, usize)> {
    lengths.iter().flat_map(|(times, len)| (0..*times).map(move |_| *len)).enumerate()
}

#[test]
fn what_one_callback_writes_arrives_datagram_by_datagram_and_in_order() {
    send_and_check(&[(1, 9), (70, 64), (3, 65), (2, 0), (2, 1), (1, 64), (5, 1452), (3, 1453), (1, 30_000), (9, 9)]);
}

#[test]
fn what_the_way_to_a_peer_does_not_take_together_is_sent_one_by_one() {
    let test = "what_the_way_to_a_peer_does_not_take_together_is_sent_one_by_one";
    in_namespace(test, &["ip link set lo mtu 1280"], || send_and_check(&[(5, 1400), (5, 1200), (5, 1400)]));
}

#[test]
fn what_was_taken_in_waits_while_the_system_has_no_room_and_what_comes_behind_it_is_told_so() {
    let test = "what_was_taken_in_waits_while_the_system_has_no_room_and_what_comes_behind_it_is_told_so";
    // A cable to a peer that never answers ARP: the system queues datagrams for it, up to the size of the send buffer.
    let lines = &[
        "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
        "ip link add here type veth peer name there",
        "echo 60 > /proc/sys/net/ipv4/neigh/here/mcast_solicit",
        "ip address add 10.77.0.1/24 dev here",
        "ip link set here up",
        "ip link set there up",
        // Before the system has noticed that both ends are up, it drops what is sent.
        "until ip link show here | grep -q 'state UP'; do :; done",
    ];
    let peer: SocketAddr = ([10, 77, 0, 2], 7).into();
    in_namespace(test, lines, move || {
        play_on_sockets_at(
            DatagramOptions::new("10.77.0.1:0").send_buffer(1),
            move |recorder| {
                recorder.on(Moment::Start, move |this| {
                    for len in [1399, 1400, 1400, 1400, 1400] {
                        this.transport.write(numbered(0, len), peer).unwrap();
                    }
                })
            },
            move |port| {
                port.wait_for("started");
                port.act(move |transport| {
                    let error = transport.write(numbered(0, 1400), peer).unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    shell("ip neighbour replace 10.77.0.2 lladdr 02:00:00:00:00:77 dev here");
                });
                while arrived("there") < 5 * 1399 {
                    thread::yield_now();
                }
                // What has arrived takes up room until the system comes to release it.
                let written = Arc::new(AtomicBool::new(false));
                while !written.load(Ordering::Relaxed) {
                    let written = Arc::clone(&written);
                    port.act(move |transport| written.store(transport.write("again", peer).is_ok(), Ordering::Relaxed));
                }
            },
        );
    });
}

/// How many bytes an interface has received.
fn arrived(interface: &str) -> u64 {
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let row = table.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':')).unwrap();
    row.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn s180_a_refusal_that_datagrams_sent_together_meet_is_told_and_costs_none_of_them() {
    // An unused port that stays unused. (A program being started may still hold a copy of a socket that was closed here.)
    let neighbour = socket_at("127.7.0.8:0");
    let address = SocketAddr::from(([127, 7, 0, 9], neighbour.local_addr().unwrap().port()));
    let (tell, told) = mpsc::channel();
    play_on_sockets(
        move |recorder| {
            // In a timed call, because receiving would consume the error.
            let write = move |this: &mut Recorder| {
                this.transport.connect(address).unwrap();
                for text in ["lost", "1st.", "2nd.", "3rd."] {
                    this.transport.write_to_peer(text).unwrap();
                }
                tell.send(socket_at(address)).unwrap();
            };
            let mut write = Some(write);
            recorder.on(Moment::Received, move |this| {
                this.transport.call_later(Duration::from_millis(20), write.take().unwrap());
            })
        },
        |port| {
            socket().send_to(b"go", port.address).unwrap();
            let back = told.recv().unwrap();
            for text in ["1st.", "2nd.", "3rd."] {
                assert_eq!(receive(&back).0, text.as_bytes());
            }
            port.log.wait_for("refused");
        },
    );
}

#[test]
fn s176_long_and_short_datagrams_that_come_together_are_each_delivered_whole() {
    const LENGTHS: &[(usize, usize)] = &[(1, 65_507), (1, 1), (1, 65_507), (2, 0), (1, 300)];
    play_on_sockets_at(
        DatagramOptions::new("127.0.0.1:0").receive_buffer(1 << 20),
        |recorder| {
            let expected: Vec<_> = all(LENGTHS).map(|(number, len)| numbered(number, len)).collect();
            let mut number = 0;
            recorder.quiet().on(Moment::Received, move |this| {
                assert!(this.data == expected[number], "number {number}");
                number += 1;
                this.log.add(format!("whole {number}"));
            })
        },
        |port| {
            let (peer, address): (UdpSocket, SocketAddr) = (socket(), port.address);
            // All have arrived when the port polls, because its thread is busy meanwhile.
            port.act(move |_| {
                for (number, len) in all(LENGTHS) {
                    peer.send_to(&numbered(number, len), address).unwrap();
                }
            });
            port.wait_for("whole 6");
        },
    );
}

#[test]
fn a_port_that_is_stopped_amid_datagrams_that_came_together_receives_no_more() {
    play_on_sockets(
        |recorder| {
            recorder.on(Moment::Received, |this| {
                if this.data == b"last" {
                    this.transport.stop_listening();
                }
            })
        },
        |port| {
            let (peer, address) = (socket(), port.address);
            for texts in [&["first"] as &[_], &["and", "last", "too late", "too late"]] {
                let peer = peer.try_clone().unwrap();
                port.act(move |_| texts.iter().for_each(|text| _ = peer.send_to(text.as_bytes(), address).unwrap()));
                port.wait_for(&format!("received {}", texts[0]));
            }
            port.wait_for("dropped");
            assert_eq!(
                port.log.lines(),
                ["started", "received first", "received and", "received last", "stopped", "dropped"]
            );
        },
    );
}

#[test]
fn what_is_written_in_the_last_callback_is_sent_before_the_port_closes() {
    play(
        |recorder| {
            recorder.on(Moment::Received, |this| {
                for _ in 0..5 {
                    this.answer();
                }
                this.transport.stop_listening();
            })
        },
        |port| {
            let peer = port.peer();
            peer.send_to("bye", port.address);
            for _ in 0..5 {
                assert_eq!(peer.receive().0, b"bye");
            }
            port.wait_for("stopped");
        },
    );
}

#[test]
fn a_call_that_is_made_again_and_again_ends_with_its_port() {
    play(
        |recorder| {
            recorder.on(Moment::Start, |this| {
                let mut calls = 0;
                this.transport.call_every(Duration::from_millis(1), move |this: &mut Recorder, _| {
                    calls += 1;
                    this.log.add(format!("call {calls}"));
                    if calls == 3 {
                        this.transport.stop_listening();
                    }
                });
            })
        },
        |port| {
            port.wait_for("dropped");
            assert_eq!(port.log.lines(), ["started", "call 1", "call 2", "call 3", "stopped", "dropped"]);
        },
    );
}
