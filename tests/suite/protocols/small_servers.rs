//! The small servers of `protocols`, on sockets and with independent programs.

use std::cell::Cell;
use std::io;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use chrono::NaiveDateTime;
use futures_util::future::join_all;
use protocols::finger::{self, Finger};
use protocols::forward::PortForward;
use protocols::ident::{IdentError, IdentReply, IdentServer};
use protocols::socks::Socks;
use protocols::wire::udp;
use protocols::wire::udp::AnswerLimit;
use protocols::{LineHandler, LineReceiver, Lines, wire};
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::testing::Simulation;
use reactor::{Factory, Protocol, Transport};
use rig::peer;
use rig::peer::{End, Serving, pattern};

use crate::apps::peers::{netcat, serve, twisted};
use crate::apps::program::{Ended, Program};
use crate::apps::{net, peers};
use crate::support::datagrams::{LOOPBACK, receive, socket};
use crate::support::test_reactor;

fn listen<F: Factory>(factory: impl FnOnce() -> F + Send + 'static) -> Serving {
    peer::serve(|reactor| reactor.listen_tcp(LOOPBACK, factory()))
}

/// A UDP port, and a socket that is connected to it.
fn listen_udp<P: DatagramProtocol>(
    build: impl FnOnce(DatagramTransport) -> P + Send + 'static,
) -> (Serving, UdpSocket) {
    let server = peer::serve(|reactor| reactor.listen_udp(LOOPBACK, build));
    let client = socket();
    client.connect(server.address()).unwrap();
    (server, client)
}

#[track_caller]
fn ask(client: &UdpSocket, question: &[u8]) -> Vec<u8> {
    client.send(question).unwrap();
    receive(client).0
}

fn is_now(line: &str) -> bool {
    let then = NaiveDateTime::parse_from_str(line, "%a %b %e %H:%M:%S %Y").unwrap().and_utc();
    (chrono::Utc::now() - then).num_hours() == 0
}

#[test]
fn s262_each_datagram_is_answered_by_one() {
    let (_server, client) = listen_udp(udp::echo);
    assert_eq!(ask(&client, b"hello"), b"hello");
    assert_eq!(ask(&client, b""), b"");
    let (_server, client) = listen_udp(|transport| udp::qotd(transport, || "x".repeat(600)));
    assert_eq!(ask(&client, b"").len(), 512);
}

#[test]
fn s262_chargen_sends_no_more_in_a_datagram_than_it_was_sent() {
    let (_server, client) = listen_udp(udp::chargen);
    assert_eq!(ask(&client, b""), b"");
    assert_eq!(ask(&client, b"xxx"), b" !\"");
    let lines = String::from_utf8(ask(&client, &[b'x'; 2000])).unwrap();
    assert_eq!(lines.len(), 512);
    assert!(lines.lines().take(6).all(|line| line.len() == 72), "{lines}");
}

/// Sends one datagram to a service, and is gone.
struct Forger {
    transport: DatagramTransport,
    service: SocketAddr,
}

impl DatagramProtocol for Forger {
    fn start_protocol(&mut self) {
        self.transport.write("hello", self.service).unwrap();
        self.transport.stop_listening();
    }

    fn datagram_received(&mut self, _data: &[u8], _peer: SocketAddr) {}
}

#[test]
fn two_services_that_somebody_sets_on_each_other_come_to_rest() {
    let sim = Simulation::new(0);
    let (one, other) = (sim.host("one"), sim.host("other"));
    other.listen_udp(7007, udp::echo).unwrap();
    let service = (sim.addresses_of("other")[1], 7007).into();
    // The answer finds a service in the place of the one who asked.
    one.listen_udp(7007, move |transport| Forger { transport, service }).unwrap();
    sim.run_for(Duration::from_micros(10));
    one.listen_udp(7007, udp::echo).unwrap();
    sim.run_until_quiet(Duration::from_secs(3600));
}

/// Asks a service from one port, this many times at once, and counts the answers.
fn answers(sim: &Simulation, host: &str, service: SocketAddr, times: usize) -> usize {
    let count = Rc::new(Cell::new(0));
    let counting = Rc::clone(&count);
    let port =
        sim.host(host).listen_udp(0, move |transport| Asking { transport, service, times, count: counting }).unwrap();
    sim.run_for(Duration::from_millis(10));
    port.stop_listening();
    count.get()
}

struct Asking {
    transport: DatagramTransport,
    service: SocketAddr,
    times: usize,
    count: Rc<Cell<usize>>,
}

impl DatagramProtocol for Asking {
    fn start_protocol(&mut self) {
        (0..self.times).for_each(|_| self.transport.write("hello", self.service).unwrap());
    }

    fn datagram_received(&mut self, _data: &[u8], _peer: SocketAddr) {
        self.count.set(self.count.get() + 1);
    }
}

#[test]
fn one_source_is_answered_only_so_often_and_others_all_the_same() {
    let sim = Simulation::new(0);
    sim.host("server").listen_udp(7007, udp::echo).unwrap();
    let service = (sim.addresses_of("server")[1], 7007).into();
    assert_eq!(answers(&sim, "one", service, 150), 100);
    assert_eq!(answers(&sim, "one", service, 10), 0, "another port is no other source");
    assert_eq!(answers(&sim, "other", service, 20), 20);
    sim.run_for(Duration::from_secs(1));
    assert_eq!(answers(&sim, "one", service, 150), 51);
}

#[test]
fn a_service_is_not_answered_and_neither_is_the_port_itself() {
    let (_server, _client) = listen_udp(|transport| {
        let mut limit = AnswerLimit::new(&transport).rate(1, 2);
        let host = transport.host();
        let at = |ip: [u8; 4], port| SocketAddr::from((ip, port));
        for (peer, is_answered) in [
            (at([127, 0, 0, 1], 53), false),
            (at([192, 0, 2, 1], 1023), false),
            (host, false),
            (at([192, 0, 2, 1], 1024), true),
            (at([192, 0, 2, 1], 1025), true),
            (at([192, 0, 2, 1], 1026), false),
        ] {
            assert_eq!(limit.allows(peer), is_answered, "{peer}");
        }
        assert_eq!(limit.refused(), 4);
        udp::discard(transport)
    });
}

#[test]
fn s263_the_time_is_told_in_datagrams() {
    let (_server, client) = listen_udp(udp::daytime);
    assert!(is_now(String::from_utf8(ask(&client, b"")).unwrap().strip_suffix("\r\n").unwrap()));
    let (_server, client) = listen_udp(udp::time);
    let seconds = u32::from_be_bytes(ask(&client, b"").try_into().unwrap());
    let since_1970 = i64::from(seconds.wrapping_sub(2_208_988_800));
    assert!((chrono::Utc::now().timestamp() - since_1970).abs() < 3600);
}

fn nc(server: &Serving, more: &[&str]) -> Program {
    let address = server.address();
    Program::start(Command::new("nc").args(more).args([address.ip().to_string(), address.port().to_string()]))
}

#[test]
fn s262_nc_talks_with_the_services() {
    if !netcat("s262_nc_talks_with_the_services") {
        return;
    }
    let server = listen(|| wire::Echo::new);
    let mut client = nc(&server, &["-N"]);
    client.type_in("hello\n");
    assert_eq!(client.line(), "hello");
    client.close_and_finish().with_code(0);

    let server = listen(|| wire::Chargen::new);
    let mut client = nc(&server, &["-N"]);
    for _ in 0..10_000 {
        assert_eq!(client.line().trim_end_matches('\r').len(), 72);
    }

    let server = listen(|| wire::Daytime::new);
    assert!(is_now(nc(&server, &["-N"]).close_and_finish().with_code(0).stdout.trim_end()));

    let server = listen(|| |transport| wire::Qotd::new(transport, "Less is more.\r\n"));
    assert_eq!(nc(&server, &["-N"]).close_and_finish().with_code(0).stdout, "Less is more.\r\n");
}

#[test]
fn nc_hears_an_answer_that_comes_after_the_end_of_its_question() {
    struct Slow(Lines);
    impl LineHandler for Slow {
        fn line_received(&mut self, line: &[u8]) {
            let line = line.to_vec();
            self.0.defer(self.0.reactor().sleep(Duration::from_millis(50)), |this: &mut Self, ()| {
                this.0.send_line(line);
            });
        }
    }
    if !netcat("nc_hears_an_answer_that_comes_after_the_end_of_its_question") {
        return;
    }
    let server = listen(|| LineReceiver::factory(Slow));
    let mut client = nc(&server, &["-N"]);
    client.type_in("q\r\n");
    assert_eq!(client.close_and_finish().with_code(0).stdout, "q\r\n");
}

#[test]
fn nc_asks_about_users_and_connections() {
    if !netcat("nc_asks_about_users_and_connections") {
        return;
    }
    let ask = |server: &Serving, question: &str| {
        let mut client = nc(server, &["-N"]);
        client.type_in(question);
        client.close_and_finish().with_code(0).stdout
    };
    let server = listen(|| Finger::factory(async |query| Some(format!("You asked {query}\n"))));
    assert_eq!(ask(&server, "/W root\n"), "You asked /W root\r\n");
    let server = listen(|| {
        IdentServer::factory(async |query| match query.server_port {
            23 => Ok(IdentReply::unix("root")),
            _ => Err(IdentError::NoUser),
        })
    });
    let answers = "23, 6191 : USERID : UNIX : root\r\n24, 6191 : ERROR : NO-USER\r\n";
    assert_eq!(ask(&server, "23,6191\n24,6191\n"), answers);
}

#[test]
fn a_finger_server_of_twisted_answers() {
    if !twisted("a_finger_server_of_twisted_answers") {
        return;
    }
    let (_server, address) = serve("twisted_finger.py");
    let reactor = test_reactor();
    let answers =
        ["root", "/W root", "nobody", "", "root@elsewhere"].map(|query| finger::lookup(&reactor, address, query));
    let answers = reactor.run_until(join_all(answers)).unwrap().into_iter().map(Result::unwrap);
    assert_eq!(
        answers.collect::<Vec<_>>(),
        [
            "Login: root\nVerbose: 0\n",
            "Login: root\nVerbose: 1\n",
            "Login: nobody\nNo such user\n",
            "Finger online list denied\n",
            "Finger forwarding service denied\n",
        ]
    );
}

/// The two ends of a connection through a forwarder; a byte has passed it.
fn forwarded() -> (TcpStream, TcpStream, Serving) {
    let (listener, to) = net::listen();
    let forwarder = listen(move || PortForward::new(to));
    let mut client = forwarder.connect();
    client.write_all(b"!").unwrap();
    let mut target = net::accept(&listener);
    target.read_exact(&mut [0]).unwrap();
    (client, target, forwarder)
}

#[test]
fn s264_half_close_and_a_reset_pass_a_forwarder_between_sockets() {
    let (mut client, mut target, _forwarder) = forwarded();
    client.write_all(&pattern(0, 1_000_000)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (received, end) = peer::read_to_end(&target);
    assert!(received == pattern(0, 1_000_000) && end == End::Clean);
    target.write_all(b"an answer").unwrap();
    drop(target);
    assert_eq!(peer::read_to_end(&client), (b"an answer".to_vec(), End::Clean));

    let (client, target, _forwarder) = forwarded();
    peer::reset(target);
    assert_eq!(peer::read_to_end(&client), (Vec::new(), End::Reset));
    let (client, target, _forwarder) = forwarded();
    peer::reset(client);
    assert_eq!(peer::read_to_end(&target), (Vec::new(), End::Reset));
}

#[test]
fn s264_a_forwarder_to_nobody_resets_its_clients() {
    // At an address that no other test listens on.
    let nobody = TcpListener::bind("127.0.0.113:0").unwrap().local_addr().unwrap();
    let forwarder = listen(move || PortForward::new(nobody));
    match peer::connect_from(Ipv4Addr::LOCALHOST.into(), forwarder.address()) {
        Ok(client) => assert_eq!(peer::read_to_end(&client), (Vec::new(), End::Reset)),
        // It was before the client knew that it was connected.
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
    }
}

/// Answers every request over HTTP with these bytes.
struct Http {
    transport: Transport,
    request: Vec<u8>,
}

impl Protocol for Http {
    fn data_received(&mut self, data: &[u8]) {
        self.request.extend_from_slice(data);
        if self.request.ends_with(b"\r\n\r\n") {
            write!(self.transport, "HTTP/1.0 200 OK\r\nContent-Length: {BODY}\r\n\r\n");
            self.transport.write(vec![b'x'; BODY]);
            self.transport.lose_connection();
        }
    }
}

const BODY: usize = 1_000_000;

/// Runs `curl` on a server of HTTP by this proxy.
#[track_caller]
fn curl(proxy: &Serving, host: &str, options: &[&str]) -> Ended {
    let server = listen(|| |transport| Http { transport, request: Vec::new() });
    let url = format!("http://{host}:{}/", server.address().port());
    let proxy = proxy.address().to_string();
    let options = options.iter().map(|option| if *option == "PROXY" { &*proxy } else { option });
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "30", "--noproxy", ""]).args(options).arg(url);
    Program::start(&mut command).close_and_finish()
}

#[test]
fn curl_gets_through_a_socks_proxy_in_every_version() {
    if !peers::curl("curl_gets_through_a_socks_proxy_in_every_version") {
        return;
    }
    let proxy = listen(|| Socks::new(|request| request.address.is_ipv4()));
    for (option, host) in [
        ("--socks4", "127.0.0.1"),
        ("--socks4a", "localhost"),
        ("--socks5", "127.0.0.1"),
        ("--socks5-hostname", "localhost"),
    ] {
        let ended = curl(&proxy, host, &[option, "PROXY"]).with_code(0);
        assert_eq!(ended.stdout.len(), BODY, "{option}");
    }
}

#[test]
fn curl_gets_through_a_socks_proxy_with_the_right_password_only() {
    if !peers::curl("curl_gets_through_a_socks_proxy_with_the_right_password_only") {
        return;
    }
    let proxy = listen(|| {
        let check = async |user, password| user == "me" && password == "secret";
        Socks::with_password(check, |request| request.user.as_deref() == Some("me"))
    });
    let ask = |options: &[&str]| curl(&proxy, "127.0.0.1", options);
    assert_eq!(ask(&["--socks5", "PROXY", "--proxy-user", "me:secret"]).with_code(0).stdout.len(), BODY);
    ask(&["--socks5", "PROXY", "--proxy-user", "me:wrong"]).with_code(PROXY_ERROR);
    ask(&["--socks5", "PROXY"]).with_code(PROXY_ERROR);
    ask(&["--socks4", "PROXY"]).with_code(PROXY_ERROR);
}

#[test]
fn curl_is_told_what_a_socks_proxy_refuses() {
    if !peers::curl("curl_is_told_what_a_socks_proxy_refuses") {
        return;
    }
    let proxy = listen(|| Socks::new(|_| false));
    let ended = curl(&proxy, "127.0.0.1", &["--show-error", "--socks5", "PROXY"]).with_code(PROXY_ERROR);
    assert!(ended.stderr.contains("(2)"), "{}", ended.stderr);
}

/// How `curl` ends when it is the proxy that has failed.
const PROXY_ERROR: i32 = 97;
