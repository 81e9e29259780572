//! Datagrams on the simulated network, which loses, duplicates and reorders them.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reactor::Port;
use reactor::datagram::{DatagramOptions, DatagramProtocol, DatagramTransport, Interface};
use reactor::testing::{Link, Simulation, expect_panic};
use tracing_subscriber::filter::LevelFilter;

use crate::support::count_logged;

/// Records what it receives, and echoes it if asked to.
struct Keeper {
    transport: DatagramTransport,
    seen: Seen,
    answers: bool,
}

type Seen = Rc<RefCell<Vec<String>>>;

impl DatagramProtocol for Keeper {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        self.seen.borrow_mut().push(String::from_utf8_lossy(data).into_owned());
        if self.answers {
            self.transport.write(data, peer).unwrap();
        }
    }

    fn connection_refused(&mut self) {
        self.seen.borrow_mut().push("refused".to_owned());
    }
}

struct End {
    transport: DatagramTransport,
    port: Port,
    seen: Seen,
}

impl End {
    /// The datagrams received since the last call.
    fn seen(&self) -> Vec<String> {
        self.seen.take()
    }
}

fn open(sim: &Simulation, host: &str, options: impl Into<DatagramOptions>, answers: bool) -> End {
    let seen = Seen::default();
    let (kept, handle) = (Rc::clone(&seen), Rc::new(RefCell::new(None)));
    let given = Rc::clone(&handle);
    let build = move |transport: DatagramTransport| {
        given.replace(Some(transport.clone()));
        Keeper { transport, seen: kept, answers }
    };
    let port = sim.host(host).listen_udp(options, build).unwrap();
    let transport = handle.take().expect("it was built");
    End { transport, port, seen }
}

fn address(sim: &Simulation, host: &str, end: &End) -> SocketAddr {
    let ip = sim.addresses_of(host).into_iter().find(|ip| ip.is_ipv4()).unwrap();
    (ip, end.port.host().socket_addr().unwrap().port()).into()
}

fn settle(sim: &Simulation) {
    sim.run_until_quiet(Duration::from_secs(3600));
}

#[test]
fn a_datagram_takes_the_links_time_and_is_answered_to_its_sender() {
    let sim = Simulation::new(0);
    let server = open(&sim, "server", 53, true);
    let client = open(&sim, "client", 0, false);
    client.transport.write("hi", address(&sim, "server", &server)).unwrap();
    client.transport.write("", address(&sim, "server", &server)).unwrap();
    settle(&sim);
    assert_eq!(
        (server.seen(), client.seen()),
        (vec!["hi".to_owned(), String::new()], vec!["hi".to_owned(), String::new()])
    );
    assert_eq!(sim.elapsed(), Duration::from_millis(2));
}

#[test]
fn both_families_and_the_loopback_are_reached_as_on_linux() {
    let sim = Simulation::new(0);
    let server = open(&sim, "server", "[::]:53", true);
    let [ipv6, ipv4] = sim.addresses_of("server")[..] else { panic!("two addresses") };
    let four = open(&sim, "client", 0, false);
    let six = open(&sim, "client", "[::1]:0", false);
    four.transport.write("four", (ipv4, 53).into()).unwrap();
    let error = four.transport.write("six", (ipv6, 53).into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot send to [{ipv6}]:53: it is an IPv6 address, and the port's is IPv4 ({})",
            four.transport.host()
        )
    );
    six.transport.write("here", (ipv6, 53).into()).unwrap();
    let local = open(&sim, "server", "127.0.0.1:0", false);
    local.transport.write("loopback", "127.0.0.1:53".parse().unwrap()).unwrap();
    settle(&sim);
    assert_eq!(server.seen(), ["loopback", "four", "here"]);
    assert_eq!((four.seen(), local.seen()), (vec!["four".to_owned()], vec!["loopback".to_owned()]));
    assert_eq!(six.seen(), [""; 0], "nothing leads back to [::1] of another host");
}

#[test]
fn a_bad_link_loses_doubles_and_reorders_as_often_as_it_is_told_to() {
    let sim = Simulation::new(5);
    sim.set_link(Link::new().loss(0.2).duplication(0.1).reordering(0.1));
    let server = open(&sim, "server", 53, false);
    let client = open(&sim, "client", 0, false);
    let to = address(&sim, "server", &server);
    for number in 0..1000 {
        client.transport.write(format!("{number:04}"), to).unwrap();
    }
    settle(&sim);
    let seen = server.seen();
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    let lost = 1000 - once.len();
    let doubled = seen.len() - once.len();
    let overtaken = seen.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((150..250).contains(&lost), "{lost} lost");
    assert!((50..120).contains(&doubled), "{doubled} came twice");
    assert!(overtaken > 0, "none was overtaken");
}

#[test]
fn equal_seeds_give_equal_datagrams() {
    let run = |seed| {
        let sim = Simulation::new(seed);
        sim.set_link(Link::rough());
        let server = open(&sim, "server", 53, true);
        let client = open(&sim, "client", 0, false);
        for number in 0..50 {
            client.transport.write(number.to_string(), address(&sim, "server", &server)).unwrap();
        }
        settle(&sim);
        (sim.log(), client.seen())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
    assert!(run(3).0.contains("datagram (lost)"), "{}", run(3).0);
}

#[test]
fn only_a_connected_port_hears_that_nobody_listens() {
    let sim = Simulation::new(0);
    let nobody = open(&sim, "server", 53, false);
    let to = address(&sim, "server", &nobody);
    nobody.transport.stop_listening();
    sim.run_for(Duration::ZERO);

    let (connected, other) = (open(&sim, "client", 0, false), open(&sim, "client", 0, false));
    connected.transport.connect(to).unwrap();
    connected.transport.write_to_peer("anybody?").unwrap();
    other.transport.write("anybody?", to).unwrap();
    settle(&sim);
    assert_eq!((connected.seen(), other.seen()), (vec!["refused".to_owned()], vec![]));

    let server = open(&sim, "server", 53, true);
    connected.transport.write_to_peer("and now?").unwrap();
    settle(&sim);
    assert_eq!((server.seen(), connected.seen()), (vec!["and now?".to_owned()], vec!["and now?".to_owned()]));
}

#[test]
fn nothing_gets_to_a_host_that_is_cut_off_or_down_and_nobody_is_told() {
    let sim = Simulation::new(0);
    let server = open(&sim, "server", 53, false);
    let client = open(&sim, "client", 0, false);
    client.transport.connect(address(&sim, "server", &server)).unwrap();
    let send = |text: &str| {
        client.transport.write_to_peer(text).unwrap();
        settle(&sim);
    };
    sim.partition("server", "client");
    send("cut off");
    sim.heal("server", "client");
    send("healed");
    assert_eq!(server.seen(), ["healed"]);
    sim.crash("server");
    send("down");
    assert_eq!(client.seen(), [""; 0]);
    sim.host("server");
    send("nobody has bound it yet");
    assert_eq!(client.seen(), ["refused"]);
    let server = open(&sim, "server", 53, false);
    send("back");
    assert_eq!(server.seen(), ["back"]);
}

#[test]
fn what_would_wait_too_long_for_the_link_is_lost() {
    let sim = Simulation::new(0);
    sim.set_link(Link::new().bandwidth(Some(1000)));
    let server = open(&sim, "server", 53, false);
    let client = open(&sim, "client", 0, false);
    let to = address(&sim, "server", &server);
    (0..5).for_each(|_| client.transport.write([b'x'; 1000], to).unwrap());
    settle(&sim);
    assert_eq!(server.seen().len(), 2, "one a second, and one that waits for it");
}

#[test]
fn an_address_is_bound_once_and_a_datagram_has_a_size() {
    let sim = Simulation::new(0);
    let server = open(&sim, "server", 53, false);
    let again = sim.host("server").listen_udp("[::]:53", |transport| Keeper {
        transport,
        seen: Seen::default(),
        answers: false,
    });
    assert_eq!(again.unwrap_err().to_string(), "cannot listen on [::]:53: address in use");
    let to = address(&sim, "server", &server);
    let error = server.transport.write(vec![0; 65_508], to).unwrap_err();
    assert_eq!(error.to_string(), "65508 bytes are too many for one datagram");
    server.transport.write(vec![b'x'; 65_507], to).unwrap();
    settle(&sim);
    assert_eq!(server.seen()[0].len(), 65_507);
}

#[test]
fn a_group_has_members_on_all_hosts_and_a_broadcast_reaches_every_host() {
    let sim = Simulation::new(0);
    let group = Ipv4Addr::new(239, 255, 0, 1);
    let options = || DatagramOptions::new(5353).broadcast(true);
    let [one, two, three] = ["one", "two", "three"].map(|host| open(&sim, host, options(), false));
    one.transport.join_group(group, Interface::Any).unwrap();
    three.transport.join_group(group, Interface::Any).unwrap();
    one.transport.write("to the group", (group, 5353).into()).unwrap();
    one.transport.write("to all", (Ipv4Addr::BROADCAST, 5353).into()).unwrap();
    settle(&sim);
    assert_eq!(one.seen(), ["to the group", "to all"]);
    assert_eq!(two.seen(), ["to all"]);
    assert_eq!(three.seen(), ["to the group", "to all"]);
    // A group without members refuses nothing: no error comes back.
    two.transport.connect((group, 5353).into()).unwrap();
    one.transport.leave_group(group, Interface::Any).unwrap();
    three.port.stop_listening();
    two.transport.write_to_peer("to nobody").unwrap();
    settle(&sim);
    assert!([one, two].iter().all(|end| end.seen().is_empty()));
}

#[test]
fn a_broadcast_needs_a_port_that_was_opened_for_it() {
    let sim = Simulation::new(0);
    let one = open(&sim, "one", 5353, false);
    let error = one.transport.write("to all", (Ipv4Addr::BROADCAST, 5353).into()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

/// Panics for every datagram, without a word on standard error.
struct Odd;

impl DatagramProtocol for Odd {
    fn datagram_received(&mut self, _data: &[u8], _peer: SocketAddr) {
        resume_unwind(Box::new("odd"));
    }
}

#[test]
fn of_many_panics_one_in_a_while_is_logged() {
    let (_logging, lines) = count_logged(LevelFilter::ERROR);
    let sim = Simulation::new(0);
    sim.host("server").listen_udp("0.0.0.0:7", |_| Odd).unwrap();
    let [_, ipv4] = sim.addresses_of("server")[..] else { panic!("two addresses") };
    let client = open(&sim, "client", 0, false);
    for _ in 0..50 {
        client.transport.write("?", (ipv4, 7).into()).unwrap();
    }
    expect_panic("odd", || settle(&sim));
    let lines = lines.load(Ordering::Relaxed);
    assert!((1..10).contains(&lines), "{lines}");
}
