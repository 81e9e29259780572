//! R26: a machine without IPv6.

use std::cell::RefCell;
use std::future::ready;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use reactor::net::{Resolver, Resolving};
use reactor::{Protocol, Transport};

use crate::support::datagrams::{play_on_sockets_at, receive, socket};
use crate::support::namespace::in_namespace;
use crate::support::{Log, datagrams, test_reactor};

const NO_IPV6: &[&str] = &["echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"];

/// Closes as soon as it is connected, and tells to whom that was.
struct Told {
    transport: Transport,
    peers: Rc<RefCell<Vec<IpAddr>>>,
}

impl Protocol for Told {
    fn connection_made(&mut self) {
        let peer = self.transport.peer().socket_addr().unwrap();
        self.peers.borrow_mut().push(peer.ip());
        self.transport.lose_connection();
    }
    fn data_received(&mut self, _data: &[u8]) {}
}

/// Answers with both families, IPv6 first.
struct Both;

impl Resolver for Both {
    fn resolve<'a>(&'a self, _host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(ready(Ok(vec![(Ipv6Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, port).into()])))
    }
}

#[test]
fn without_ipv6_a_name_with_both_addresses_is_reached_over_ipv4() {
    in_namespace("without_ipv6_a_name_with_both_addresses_is_reached_over_ipv4", NO_IPV6, || {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let peers = Rc::<RefCell<Vec<_>>>::default();
        for both in [false, true] {
            let reactor = test_reactor();
            if both {
                reactor.set_resolver(Both);
            }
            let peers = Rc::clone(&peers);
            let build = move |transport| Told { transport, peers: Rc::clone(&peers) };
            let client = reactor.connect_tcp(("localhost", port), build);
            reactor.run_until(client.finished()).unwrap().unwrap();
        }
        assert_eq!(*peers.borrow(), [IpAddr::from(Ipv4Addr::LOCALHOST); 2]);
        drop(server);
    });
}

#[test]
fn without_ipv6_listening_on_its_loopback_is_an_error_that_says_so_and_on_all_addresses_serves_ipv4() {
    let test = "without_ipv6_listening_on_its_loopback_is_an_error_that_says_so_and_on_all_addresses_serves_ipv4";
    in_namespace(test, NO_IPV6, || {
        let reactor = test_reactor();
        let build = |transport| Told { transport, peers: Rc::default() };
        let tcp = reactor.listen_tcp("[::1]:0", build).unwrap_err();
        let udp = reactor.listen_udp("[::1]:0", |transport| datagrams::Recorder::new(transport, Log::default()));
        for error in [tcp, udp.unwrap_err()] {
            assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
            assert_eq!(error.to_string(), "cannot listen on [::1]:0: not an address of this machine");
        }
        let peers = Rc::<RefCell<Vec<_>>>::default();
        let seen = Rc::clone(&peers);
        let port = reactor.listen_tcp("[::]:0", move |transport| Told { transport, peers: Rc::clone(&seen) }).unwrap();
        let address = (Ipv4Addr::LOCALHOST, port.host().socket_addr().unwrap().port());
        let client = TcpStream::connect(address).unwrap();
        let stops = reactor.clone();
        reactor.call_every(Duration::from_millis(1), move |_| {
            if !peers.borrow().is_empty() {
                stops.stop();
            }
        });
        reactor.run().unwrap();
        drop(client);
    });
}

#[test]
fn without_ipv6_a_datagram_for_it_is_an_error_at_once_and_ipv4_goes_on() {
    in_namespace("without_ipv6_a_datagram_for_it_is_an_error_at_once_and_ipv4_goes_on", NO_IPV6, || {
        let peer = socket();
        let address = peer.local_addr().unwrap();
        play_on_sockets_at(
            "[::]:0",
            |recorder| recorder,
            |port| {
                port.act(move |transport| {
                    let error = transport.write("hi", (Ipv6Addr::LOCALHOST, 9).into()).unwrap_err();
                    let kinds = [io::ErrorKind::AddrNotAvailable, io::ErrorKind::NetworkUnreachable];
                    assert!(kinds.contains(&error.kind()), "{error}");
                    transport.write("hi", address).unwrap();
                });
                assert_eq!(receive(&peer).0, b"hi");
            },
        );
    });
}
