use std::cell::Cell;
use std::future::pending;

use reactor::net::{Resolver, Resolving};
use reactor::testing::{Simulation, StringTransport, every_cut};

use super::*;
use crate::remote_end::RemoteEnd;

const SECOND: Duration = Duration::from_secs(1);
const METHODS: &[u8] = b"\x05\x01\x00";
const TO_TARGET: &[u8] = b"\x05\x01\x00\x03\x06target\x00\x50";
const TO_TARGET_4A: &[u8] = b"\x04\x01\x00\x50\x00\x00\x00\x01me\0target\0";

/// A proxy, a target that listens on port 80, and a client that is connected to the proxy.
struct Net {
    sim: Simulation,
    client: RemoteEnd,
    target: RemoteEnd,
}

impl Net {
    fn new(socks: Socks) -> Self {
        let net = Self { sim: Simulation::new(1), client: RemoteEnd::default(), target: RemoteEnd::default() };
        net.sim.host("target").listen_tcp(80, net.target.factory()).unwrap();
        net.sim.host("proxy").listen_tcp(1080, socks).unwrap();
        net.sim.host("client").connect_tcp("proxy:1080", net.client.factory());
        net.sim.run_until(|| net.client.is_connected());
        net
    }

    fn open() -> Self {
        Self::new(Socks::new(|_| true))
    }

    /// Sends this; what has come from the beginning on, a second later.
    fn send(&self, data: impl AsRef<[u8]>) -> Vec<u8> {
        self.client.transport().write(data);
        self.sim.run_for(SECOND);
        self.client.received()
    }

    fn proxied(&self) -> usize {
        self.sim.host("proxy").connection_count()
    }
}

/// What a proxy without a network answers to this, however it is cut: connecting fails.
fn answer(socks: fn() -> Socks, input: &[u8]) -> (Vec<u8>, bool) {
    every_cut(input, |pieces| {
        let mut wire = StringTransport::connect(socks());
        for piece in pieces {
            wire.receive(piece);
        }
        (wire.take_written(), wire.close_reason().is_some())
    })
}

fn open() -> Socks {
    Socks::new(|_| true)
}

fn closed() -> Socks {
    Socks::new(|_| false)
}

fn with_password() -> Socks {
    Socks::with_password(
        async |user, password| user == "me" && password == "secret",
        |request| {
            assert_eq!(request.user.as_deref(), Some("me"));
            true
        },
    )
}

fn refusal(why: Reply) -> Vec<u8> {
    [&[5, 0], &reply(Version::V5, why, None)[..]].concat()
}

#[test]
fn a_client_of_version_5_is_connected_by_name_and_nothing_it_sent_early_is_lost() {
    let net = Net::open();
    let received = net.send([METHODS, TO_TARGET, b"early"].concat());
    assert_eq!((&received[..5], net.target.received()), (&b"\x05\x00\x05\x00\x00"[..], b"early".to_vec()));
    net.target.transport().write("an answer");
    assert_eq!(net.send(" and late")[received.len()..], *b"an answer");
    assert_eq!(net.target.received(), b"early and late");
}

#[test]
fn a_client_of_version_4a_is_connected_by_name_and_one_of_version_4_by_address() {
    let net = Net::open();
    let address = net.sim.addresses_of("target").into_iter().find(IpAddr::is_ipv4).unwrap();
    let received = net.send([TO_TARGET_4A, b"early"].concat());
    assert_eq!((&received[..2], received.len()), (&b"\x00\x5a"[..], 8));
    assert_eq!(net.target.received(), b"early");

    let net = Net::open();
    let IpAddr::V4(ip) = address else { unreachable!() };
    let received = net.send([b"\x04\x01\x00\x50", &ip.octets()[..], b"\0hello"].concat());
    assert_eq!((&received[..2], received.len()), (&b"\x00\x5a"[..], 8));
    assert_eq!(net.target.received(), b"hello");
}

#[test]
fn the_ends_of_streams_pass_as_through_a_port_forwarder() {
    let net = Net::open();
    let replied = net.send([METHODS, TO_TARGET, b"a question"].concat()).len();
    net.client.transport().write_eof();
    net.sim.run_for(SECOND);
    assert!(net.target.has_eof());
    net.target.transport().write(vec![b'x'; 200_000]);
    net.target.transport().lose_connection();
    net.sim.run_for(SECOND);
    assert_eq!(net.client.received().len(), replied + 200_000);
    assert!(net.client.lost_cleanly() && net.target.lost_cleanly());

    let net = Net::open();
    net.send([METHODS, TO_TARGET].concat());
    net.target.transport().abort_connection();
    net.sim.run_for(SECOND);
    assert!(net.client.was_reset());
}

#[test]
fn after_the_end_of_the_clients_stream_a_silent_target_has_the_time_that_was_set() {
    for (socks, silence) in [(open(), 300), (open().half_closed_timeout(Some(5 * SECOND)), 5)] {
        let net = Net::new(socks);
        net.send([METHODS, TO_TARGET].concat());
        net.client.transport().write_eof();
        net.sim.run_for((silence - 1) * SECOND);
        assert!(net.target.has_eof() && net.proxied() == 2);
        net.sim.run_for(2 * SECOND);
        assert!(net.proxied() == 0 && net.client.was_reset());
    }
    let net = Net::new(open().half_closed_timeout(None));
    net.send([METHODS, TO_TARGET].concat());
    net.client.transport().write_eof();
    net.sim.run_for(10_000 * SECOND);
    assert_eq!(net.proxied(), 2);
}

#[test]
fn a_client_that_has_ended_its_stream_behind_the_request_is_served() {
    let net = Net::open();
    net.client.transport().write([METHODS, TO_TARGET, b"a question"].concat());
    net.client.transport().write_eof();
    net.sim.run_for(SECOND);
    assert!(net.target.has_eof() && net.target.received() == b"a question");
    net.target.transport().write("an answer");
    net.sim.run_for(SECOND);
    assert!(net.client.received().ends_with(b"an answer"));
}

#[test]
fn the_rule_sees_each_address_of_a_name_and_the_first_that_is_allowed_is_taken() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    let net = Net::new(Socks::new(move |request| {
        log.borrow_mut().push(request.clone());
        request.address.is_ipv4()
    }));
    net.send([METHODS, TO_TARGET].concat());
    let addresses: Vec<_> = seen.borrow().iter().map(|request| request.address.ip()).collect();
    assert_eq!(addresses, net.sim.addresses_of("target"));
    assert!(addresses.len() > 1);
    let seen = seen.borrow();
    assert!(seen.iter().all(|request| request.host == "target" && request.user.is_none()));
    assert!(net.target.transport().host().socket_addr().is_some_and(|address| address.is_ipv4()));
}

/// Is silent, and counts what it is asked for.
struct Silent(Rc<Cell<usize>>);

impl Resolver for Silent {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> Resolving<'a> {
        self.0.set(self.0.get() + 1);
        Box::pin(pending())
    }
}

#[test]
fn a_name_that_is_not_allowed_is_not_looked_up_and_an_address_is_not_asked_about() {
    let names = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&names);
    let socks = || {
        let log = Rc::clone(&log);
        Socks::new(|_| false).allow_names(move |name| {
            log.borrow_mut().push((name.host.clone(), name.port));
            false
        })
    };
    let (net, asked) = (Net::new(socks()), Rc::new(Cell::new(0)));
    net.sim.host("proxy").set_resolver(Silent(Rc::clone(&asked)));
    assert_eq!(net.send([METHODS, TO_TARGET].concat())[2..4], [5, 2]);
    let net = Net::new(socks());
    assert_eq!(net.send([METHODS, b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"].concat())[2..4], [5, 2]);
    assert_eq!((&*names.borrow(), asked.get()), (&vec![("target".to_owned(), 80)], 0));
}

#[test]
fn a_peer_has_eight_lookups_under_way_and_others_have_theirs() {
    let (net, asked) = (Net::open(), Rc::new(Cell::new(0)));
    net.sim.host("proxy").set_resolver(Silent(Rc::clone(&asked)));
    let ask = |host: &str| {
        let client = RemoteEnd::default();
        net.sim.host(host).connect_tcp("proxy:1080", client.factory());
        net.sim.run_until(|| client.is_connected());
        client.transport().write([METHODS, TO_TARGET].concat());
        net.sim.run_for(SECOND / 10);
        client
    };
    let clients: Vec<_> = (0..9).map(|_| ask("client")).collect();
    assert_eq!(asked.get(), LOOKUPS_OF_A_PEER);
    assert_eq!(clients[8].received()[2..4], [5, 1]);
    let _other = ask("other");
    assert_eq!(asked.get(), LOOKUPS_OF_A_PEER + 1);
    clients[0].transport().abort_connection();
    net.sim.run_for(SECOND / 10);
    let _next = ask("client");
    assert_eq!(asked.get(), LOOKUPS_OF_A_PEER + 2);
}

#[test]
fn an_address_that_does_not_answer_gives_way_to_the_next() {
    let net = Net::open();
    net.sim.set_black_hole(net.sim.addresses_of("target")[0], true);
    net.send([METHODS, TO_TARGET].concat());
    assert!(!net.target.is_connected());
    net.sim.run_for(ATTEMPT);
    assert!(net.target.is_connected());
}

#[test]
fn what_fails_is_told_by_its_code() {
    let unknown = b"\x05\x01\x00\x03\x06nobody\x00\x50";
    assert_eq!(Net::open().send([METHODS, unknown].concat()), refusal(Reply::HostUnreachable));
    let nobody_listens = b"\x05\x01\x00\x03\x06target\x00\x51";
    assert_eq!(Net::open().send([METHODS, nobody_listens].concat()), refusal(Reply::Refused));
    assert_eq!(Net::new(closed()).send([METHODS, TO_TARGET].concat()), refusal(Reply::NotAllowed));
    assert_eq!(Net::new(closed()).send(TO_TARGET_4A), reply(Version::V4, Reply::NotAllowed, None));

    let net = Net::open();
    for address in net.sim.addresses_of("target") {
        net.sim.set_black_hole(address, true);
    }
    net.client.transport().write([METHODS, TO_TARGET].concat());
    net.sim.run_for(LIMIT + SECOND);
    assert_eq!(net.client.received(), refusal(Reply::TimedOut));
    assert!(net.client.has_eof());
}

#[test]
fn a_client_that_leaves_while_the_target_is_tried_ends_the_attempt() {
    let net = Net::open();
    for address in net.sim.addresses_of("target") {
        net.sim.set_black_hole(address, true);
    }
    net.send([METHODS, TO_TARGET].concat());
    net.client.transport().abort_connection();
    net.sim.run_for(SECOND);
    assert_eq!((net.proxied(), net.sim.host("proxy").pending_call_count()), (0, 0));
}

#[test]
fn a_client_that_says_too_little_is_got_rid_of() {
    let mut wire = StringTransport::connect(open());
    wire.receive(b"\x05");
    wire.advance(LIMIT);
    assert!(matches!(wire.close_reason(), Some(CloseReason::TimedOut)), "{:?}", wire.close_reason());
    assert!(wire.was_reset());
}

#[test]
fn nothing_is_timed_once_it_is_connected() {
    let net = Net::open();
    let replied = net.send([METHODS, TO_TARGET].concat());
    net.sim.run_for(10 * LIMIT);
    assert!(net.client.received() == replied && !net.client.has_eof());
    assert_eq!(net.sim.host("proxy").pending_call_count(), 0);
}

#[test]
fn commands_that_are_not_carried_out_are_refused_by_name() {
    for command in [2, 3, 0, 255] {
        let request = [METHODS, &[5, command], &TO_TARGET[2..]].concat();
        assert_eq!(answer(open, &request), (refusal(Reply::CommandNotSupported), true));
    }
    let bind = [b"\x04\x02", &TO_TARGET_4A[2..]].concat();
    assert_eq!(answer(open, &bind), (reply(Version::V4, Reply::CommandNotSupported, None), true));
}

#[test]
fn a_password_opens_and_without_the_right_one_nothing_does() {
    let password = |text: &[u8]| [b"\x05\x02\x00\x02", text].concat();
    let request = b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50";
    let right = [&password(b"\x01\x02me\x06secret")[..], request].concat();
    let (answered, _) = answer(with_password, &right);
    assert_eq!(answered[..4], *b"\x05\x02\x01\x00");
    assert_eq!(answer(with_password, &password(b"\x01\x02me\x05wrong")), (b"\x05\x02\x01\x01".to_vec(), true));
    assert_eq!(answer(with_password, METHODS), (b"\x05\xff".to_vec(), true));
    assert_eq!(answer(with_password, TO_TARGET_4A), (reply(Version::V4, Reply::NotAllowed, None), true));
    assert_eq!(answer(open, b"\x05\x01\x02"), (b"\x05\xff".to_vec(), true));
}

#[test]
fn what_a_client_sends_early_waits_while_its_password_is_checked() {
    const BYTES: usize = 4 << 20;
    let (tell, told) = futures_channel::oneshot::channel::<()>();
    let told = Cell::new(Some(told));
    let check = async move |_, _| told.take().unwrap().await.is_ok();
    let net = Net::new(Socks::with_password(check, |_| true));
    net.send([b"\x05\x01\x02\x01\x02me\x06secret", TO_TARGET, &[b'x'; BYTES]].concat());
    assert!(BYTES - net.client.transport().unsent_bytes() < 1 << 20);
    tell.send(()).unwrap();
    net.client.transport().write_eof();
    net.sim.run_for(SECOND);
    assert!(net.target.received().len() == BYTES && net.target.has_eof());
}

#[test]
fn a_client_that_has_ended_its_stream_while_its_password_is_checked_is_served() {
    let (tell, told) = futures_channel::oneshot::channel::<()>();
    let told = Cell::new(Some(told));
    let check = async move |_, _| told.take().unwrap().await.is_ok();
    let net = Net::new(Socks::with_password(check, |_| true));
    net.client.transport().write([b"\x05\x01\x02\x01\x02me\x06secret", TO_TARGET, b"early"].concat());
    net.client.transport().write_eof();
    net.sim.run_for(SECOND);
    tell.send(()).unwrap();
    net.sim.run_for(SECOND);
    assert!(net.target.received() == b"early" && net.target.has_eof());
    net.target.transport().write("an answer");
    net.sim.run_for(SECOND);
    assert!(net.client.received().ends_with(b"an answer"));
}

#[test]
fn what_is_malformed_is_answered_and_ends_the_connection() {
    assert_eq!(answer(open, b"GET / HTTP/1.1\r\n\r\n"), (Vec::new(), true));
    let request = [METHODS, b"\x05\x01\x00\x02and more"].concat();
    assert_eq!(answer(open, &request), (refusal(Reply::AddressNotSupported), true));
}

#[test]
fn an_address_cannot_be_disguised() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    for (address, expected) in [
        (&b"\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01"[..], Some("127.0.0.1")),
        (b"\x03\x10::ffff:127.0.0.1", Some("127.0.0.1")),
        (b"\x01\0\0\0\0", None),
        (b"\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", None),
    ] {
        let log = Rc::clone(&seen);
        let mut wire = StringTransport::connect(Socks::new(move |request| {
            log.borrow_mut().push(request.address.ip().to_string());
            false
        }));
        wire.receive([METHODS, b"\x05\x01\x00", address, b"\0\x50"].concat());
        assert_eq!(wire.written(), refusal(Reply::NotAllowed));
        assert_eq!(seen.take(), expected.map(str::to_owned).into_iter().collect::<Vec<_>>());
    }
}
