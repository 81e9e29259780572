//! How often a server allocates for a message when it has warmed up: R36.

use std::cell::Cell;
use std::cell::RefCell;
use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::mpsc::Sender;

use protocols::LineHandler;
use protocols::Lines;
use protocols::StringHandler;
use protocols::Strings;
use reactor::Factory;
use reactor::Protocol;
use reactor::Transport;

use crate::allocations::allocations;
use crate::peer;

/// Counts messages, and the allocations of its thread from the end of the warm-up to the last message.
#[derive(Debug)]
pub struct Meter {
    messages: u64,
    seen: Cell<u64>,
    at_start: Cell<u64>,
    result: Sender<u64>,
}

impl Meter {
    /// To be called for each message.
    pub fn message(&self) {
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

/// The allocations of a server thread over so many messages of 64 bytes, one at a time, each of which comes back on the
/// same connection.
pub fn answering<F: Factory>(messages: u64, factory: impl FnOnce(Rc<Meter>) -> F + Send + 'static) -> u64 {
    run(messages, 1, false, factory)
}

/// The same for messages that come in on one connection and leave on a second. Both greet with a byte.
pub fn forwarding<F: Factory>(messages: u64, factory: impl FnOnce(Rc<Meter>) -> F + Send + 'static) -> u64 {
    run(messages, 2, true, factory)
}

fn run<F: Factory>(
    messages: u64,
    connections: usize,
    greeted: bool,
    factory: impl FnOnce(Rc<Meter>) -> F + Send + 'static,
) -> u64 {
    let (result, counted) = mpsc::channel();
    let server = peer::serve(move |reactor| {
        let meter = Rc::new(Meter { messages, seen: Cell::new(0), at_start: Cell::new(0), result });
        reactor.listen_tcp("127.0.0.1:0", factory(meter))
    });
    let streams: Vec<_> = (0..connections).map(|_| server.connect()).collect();
    // A line, and a string of 63 bytes behind its length.
    let mut message = [b'x'; 64];
    message[0] = 63;
    message[62..].copy_from_slice(b"\r\n");
    if greeted {
        streams.iter().for_each(|mut stream| stream.read_exact(&mut [0]).expect("the server greets"));
    }
    for _ in 0..=WARM_UP + messages {
        exchange(&streams[0], &streams[connections - 1], &message);
    }
    counted.recv().expect("the server counts to the end")
}

fn exchange(mut to: &TcpStream, mut from: &TcpStream, message: &[u8; 64]) {
    let mut answer = [0; 64];
    to.write_all(message).expect("the server reads");
    from.read_exact(&mut answer).expect("the server answers");
    assert!(answer == *message, "the message has changed on its way");
}

/// An echo that counts what it is sent.
#[derive(Debug)]
pub struct Echo {
    /// Its connection.
    pub transport: Transport,
    /// What counts.
    pub meter: Rc<Meter>,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
        self.meter.message();
    }
}

/// Sends every line back.
#[derive(Debug)]
pub struct EchoLines {
    /// Its connection.
    pub lines: Lines,
    /// What counts.
    pub meter: Rc<Meter>,
}

impl LineHandler for EchoLines {
    fn line_received(&mut self, line: &[u8]) {
        self.lines.send_line(line);
        self.meter.message();
    }
}

/// Sends every string back.
#[derive(Debug)]
pub struct EchoStrings {
    /// Its connection.
    pub strings: Strings,
    /// What counts.
    pub meter: Rc<Meter>,
}

impl StringHandler for EchoStrings {
    fn string_received(&mut self, string: &[u8]) {
        self.strings.send_string(string).expect("it is as long as the one that came");
        self.meter.message();
    }
}

/// Passes on to another connection what it is sent.
#[derive(Debug)]
pub struct Forward {
    transport: Transport,
    to: Destination,
    meter: Rc<Meter>,
}

/// Where messages go, when that is there.
type Destination = Rc<RefCell<Option<Transport>>>;

impl Forward {
    /// Of two connections, one after another, the first passes on to the second.
    pub fn factory(meter: Rc<Meter>) -> impl Factory {
        let first: Cell<Option<(Transport, Destination)>> = Cell::new(None);
        move |transport: Transport| {
            let to = Rc::new(RefCell::new(None));
            match first.take() {
                None => first.set(Some((transport.clone(), Rc::clone(&to)))),
                Some((incoming, to)) => {
                    incoming.paced_by(&transport);
                    let _ = to.replace(Some(transport.clone()));
                }
            }
            Self { transport, to, meter: Rc::clone(&meter) }
        }
    }
}

impl Protocol for Forward {
    fn connection_made(&mut self) {
        self.transport.write(".");
    }

    fn data_received(&mut self, data: &[u8]) {
        self.to.borrow().as_ref().expect("the second connection was greeted before the first message").write(data);
        self.meter.message();
    }
}

const WARM_UP: u64 = 1000;
