//! Handles: which of them refer to the same thing, and what they do when it is gone.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::Bytes;
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::testing::{Simulation, StringTransport};
use reactor::threads::RemoteError;
use reactor::{CloseReason, Protocol, Transport};

use crate::support::{Log, Recorder};

/// Those of the same thing count once, whichever of them is asked; those of another are none of them.
#[track_caller]
fn assert_told_apart<H: Clone + Eq + Hash>(one: &H, other: &H) {
    let mut set = HashSet::from([one.clone(), one.clone(), other.clone()]);
    assert_eq!(set.len(), 2);
    assert!(one == &one.clone() && one != other);
    assert!(set.remove(one) && !set.contains(one) && set.contains(&other.clone()));
}

#[test]
fn a_set_of_transports_has_each_connection_once_also_when_it_has_ended() {
    let connect = || StringTransport::connect(|transport| Recorder::new(transport, Log::default()));
    let (mut one, other) = (connect(), connect());
    assert_told_apart(one.transport(), other.transport());
    assert_told_apart(&one.transport().remote(), &other.transport().remote());
    let set = HashSet::from([one.transport().clone()]);
    one.receive_eof();
    assert!(one.close_reason().is_some() && set.contains(one.transport()));
}

#[test]
fn a_connection_inside_another_is_one_of_its_own() {
    let wire = StringTransport::connect(|transport| Recorder::new(transport, Log::default()));
    assert_told_apart(wire.transport(), &Transport::nested(wire.transport()));
}

#[test]
fn ports_connectors_and_ports_for_datagrams_are_told_apart() {
    struct Deaf;
    impl DatagramProtocol for Deaf {
        fn datagram_received(&mut self, _data: &[u8], _peer: SocketAddr) {}
    }
    let sim = Simulation::new(1);
    let host = sim.host("here");
    let build = |transport| Recorder::new(transport, Log::default());
    let ports = [7, 8].map(|number| host.listen_tcp(number, build).unwrap());
    assert_told_apart(&ports[0], &ports[1]);
    let connectors = [7, 8].map(|number| host.connect_tcp(("here", number), build));
    assert_told_apart(&connectors[0], &connectors[1]);

    let mut transports: Vec<DatagramTransport> = Vec::new();
    for number in [9, 10] {
        host.listen_udp(number, |transport| {
            transports.push(transport);
            Deaf
        })
        .unwrap();
    }
    assert_told_apart(&transports[0], &transports[1]);
}

#[test]
fn the_handles_of_a_receiver_are_the_keys_of_a_table_of_users() {
    struct User {
        lines: Lines,
        users: Rc<RefCell<HashMap<Lines, String>>>,
    }
    impl LineHandler for User {
        fn line_received(&mut self, line: &[u8]) {
            let name = String::from_utf8_lossy(line).into_owned();
            self.users.borrow_mut().insert(self.lines.clone(), name);
        }
        fn connection_lost(&mut self, _reason: CloseReason) {
            self.users.borrow_mut().remove(&self.lines);
        }
    }
    let users = Rc::<RefCell<HashMap<_, _>>>::default();
    let connect = || {
        let users = Rc::clone(&users);
        StringTransport::connect(LineReceiver::factory(move |lines| User { lines, users: Rc::clone(&users) }))
    };
    let (mut one, mut other) = (connect(), connect());
    one.receive("one\r\nrenamed\r\n");
    other.receive("other\r\n");
    assert_eq!(users.borrow().len(), 2);
    one.receive_eof();
    assert_eq!(users.borrow().values().collect::<Vec<_>>(), ["other"]);
}

#[test]
fn a_handle_whose_reactor_is_gone_gives_a_remote_one_that_does_nothing() {
    struct Idle;
    impl Protocol for Idle {
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let wire = StringTransport::connect(|_| Idle);
    let transport = wire.transport().clone();
    let living = transport.remote();
    drop(wire);
    let remote = transport.remote();
    assert_eq!(remote.write(Bytes::from_static(b"hello")), Err(RemoteError::Stopped));
    assert!(remote.call(|_: &mut Idle| unreachable!("the connection is gone")).is_err());
    remote.lose_connection();
    remote.abort_connection();
    remote.reactor().stop();
    for remote in [&living, &remote] {
        assert!(remote.reactor().call_from_thread(|_| unreachable!("the reactor is gone")).is_err());
    }
}
