//! The allocations of a warmed-up server per message: R36.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use protocols::forward::PortForward;
use protocols::string::StringFormat;
use protocols::{LineHandler, LineReceiver, Lines, StringHandler, StringReceiver, Strings};
use reactor::datagram::{DatagramProtocol, DatagramTransport};
use reactor::layer::{self, Policy};
use reactor::{Factory, Protocol, Transport};

use crate::allocations::allocations;
use crate::peer;

/// Counts messages, and the allocations of its thread from the end of the warm-up to the last message.
struct Meter {
    messages: u64,
    seen: Cell<u64>,
    at_start: Cell<u64>,
    result: Sender<u64>,
}

impl Meter {
    fn new(messages: u64, result: Sender<u64>) -> Rc<Self> {
        Rc::new(Self { messages, seen: Cell::new(0), at_start: Cell::new(0), result })
    }

    /// Called for each message.
    fn message(&self) {
        let seen = self.seen.get();
        self.seen.set(seen + 1);
        if seen == WARM_UP {
            self.at_start.set(allocations());
        } else if seen == WARM_UP + self.messages {
            let counted = allocations() - self.at_start.get();
            let _ = self.result.send(counted);
        }
    }
}

/// The allocations of a server thread for `messages` messages of 64 bytes, sent one at a time and each echoed on the
/// same connection.
pub fn echoing(messages: u64) -> u64 {
    answering(messages, |meter| move |transport| Echo { transport, meter: Rc::clone(&meter) })
}

/// The same for lines.
pub fn echoing_lines(messages: u64) -> u64 {
    answering(messages, |meter| LineReceiver::factory(move |lines| EchoLines { lines, meter: Rc::clone(&meter) }))
}

/// The same for length-prefixed strings.
pub fn echoing_strings(messages: u64) -> u64 {
    answering(messages, |meter| {
        StringReceiver::factory(StringFormat::Int8, move |strings| EchoStrings { strings, meter: Rc::clone(&meter) })
    })
}

/// The same for datagrams, sent in volleys of eight.
///
/// # Panics
///
/// If one is lost.
pub fn echoing_datagrams(host: IpAddr, datagrams: u64) -> u64 {
    let (result, counted) = mpsc::channel();
    let server = peer::serve(move |reactor| {
        let meter = Meter::new(datagrams, result);
        reactor.listen_udp((host, 0), move |transport| EchoDatagrams { transport, meter })
    });
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    socket.connect(server.address()).expect("loopback is reached");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("it is not zero");
    for _ in 0..(WARM_UP + datagrams) / VOLLEY + 1 {
        (0..VOLLEY).for_each(|_| assert_eq!(socket.send(&[b'x'; 64]).ok(), Some(64)));
        (0..VOLLEY).for_each(|_| assert_eq!(socket.recv(&mut [0; 65]).expect("none is lost"), 64));
    }
    counted.recv().expect("the server counts to the end")
}

/// The same for messages that a [`PortForward`] forwards to another connection.
pub fn forwarding(messages: u64) -> u64 {
    let target = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let to = target.local_addr().expect("a listener has an address");
    let (server, counted) =
        start(messages, move |meter| layer::around(move |_| Count { meter: Rc::clone(&meter) }, PortForward::new(to)));
    let incoming = server.connect();
    let (outgoing, _) = target.accept().expect("the forwarder connects");
    run(messages, &incoming, &outgoing, &counted)
}

fn answering<F: Factory>(messages: u64, factory: impl FnOnce(Rc<Meter>) -> F + Send + 'static) -> u64 {
    let (server, counted) = start(messages, factory);
    let stream = server.connect();
    run(messages, &stream, &stream, &counted)
}

fn start<F: Factory>(
    messages: u64,
    factory: impl FnOnce(Rc<Meter>) -> F + Send + 'static,
) -> (peer::Serving, Receiver<u64>) {
    let (result, counted) = mpsc::channel();
    let server = peer::serve(move |reactor| reactor.listen_tcp("127.0.0.1:0", factory(Meter::new(messages, result))));
    (server, counted)
}

fn run(messages: u64, to: &TcpStream, from: &TcpStream, counted: &Receiver<u64>) -> u64 {
    // A line, and a length-prefixed string of 63 bytes.
    let mut message = [b'x'; 64];
    message[0] = 63;
    message[62..].copy_from_slice(b"\r\n");
    for _ in 0..=WARM_UP + messages {
        exchange(to, from, &message);
    }
    counted.recv().expect("the server counts to the end")
}

fn exchange(mut to: &TcpStream, mut from: &TcpStream, message: &[u8; 64]) {
    let mut answer = [0; 64];
    to.write_all(message).expect("the server reads");
    from.read_exact(&mut answer).expect("the server answers");
    assert!(answer == *message, "the message has changed on its way");
}

/// An echo that counts what it receives.
struct Echo {
    transport: Transport,
    meter: Rc<Meter>,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
        self.meter.message();
    }
}

/// Sends datagrams back.
struct EchoDatagrams {
    transport: DatagramTransport,
    meter: Rc<Meter>,
}

impl DatagramProtocol for EchoDatagrams {
    fn datagram_received(&mut self, data: &[u8], peer: SocketAddr) {
        let _ = self.transport.write(data, peer);
        self.meter.message();
    }
}

/// Sends lines back.
struct EchoLines {
    lines: Lines,
    meter: Rc<Meter>,
}

impl LineHandler for EchoLines {
    fn line_received(&mut self, line: &[u8]) {
        self.lines.send_line(line);
        self.meter.message();
    }
}

/// Sends strings back.
struct EchoStrings {
    strings: Strings,
    meter: Rc<Meter>,
}

impl StringHandler for EchoStrings {
    fn string_received(&mut self, string: &[u8]) {
        self.strings.send_string(string).expect("it is as long as the one that came");
        self.meter.message();
    }
}

/// Counts passing bytes.
struct Count {
    meter: Rc<Meter>,
}

impl Policy for Count {
    fn incoming(&mut self, _data: &[u8]) {
        self.meter.message();
    }
}

const WARM_UP: u64 = 1000;

const VOLLEY: u64 = 8;
