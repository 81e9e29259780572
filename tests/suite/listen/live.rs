//! Connections that go on in the next process, here on the next reactor of the same process.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use protocols::policies::{FirstMessageTimeout, IdleTimeout};
use protocols::{LineHandler, LineReceiver, Lines};
use reactor::connection::{Resumable, resumable};
use reactor::listen::Handover;
use reactor::threads::RemoteReactor;
use reactor::unix::UnixListenOptions;
use reactor::{CloseReason, Factory, Protocol, Transport};

use crate::listen::finish_and_stop;
use crate::support::{Log, PATIENCE, connect, connect_unix, fresh_path, in_time, receive_descriptors, test_reactor};

/// Answers each chunk with the number of bytes received so far, and the name of its server. Told to `keep`, it cannot say its
/// state; told to `pour`, it writes more than the system takes.
struct Count {
    transport: Transport,
    bytes: u64,
    keeps: bool,
    server: Rc<RefCell<Shared>>,
}

/// What the connections of a server share.
#[derive(Default)]
struct Shared {
    name: &'static str,
    log: Log,
}

const POURED: usize = 8 << 20;

impl Count {
    fn new(transport: Transport, bytes: u64, server: &Rc<RefCell<Shared>>) -> Self {
        Self { transport, bytes, keeps: false, server: Rc::clone(server) }
    }

    fn factory(server: &Rc<RefCell<Shared>>) -> impl Factory + use<> {
        let (first, next) = (Rc::clone(server), Rc::clone(server));
        resumable(
            move |transport| Self::new(transport, 0, &first),
            move |transport, state| {
                next.borrow().log.add("resumed");
                Some(Self::new(transport, u64::from_be_bytes(state.try_into().ok()?), &next))
            },
        )
    }
}

impl Protocol for Count {
    fn connection_made(&mut self) {
        self.server.borrow().log.add("made");
    }

    fn data_received(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        match data {
            b"keep" => self.keeps = true,
            b"pour" => return self.transport.write(vec![b'x'; POURED]),
            _ => {}
        }
        writeln!(self.transport, "{} {}", self.bytes, self.server.borrow().name);
    }

    fn pause_writing(&mut self) {
        self.server.borrow().log.add("pause");
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.server.borrow().log.add(format!("lost {reason:?}"));
    }
}

impl Resumable for Count {
    fn state(&mut self) -> Option<Vec<u8>> {
        (!self.keeps).then(|| self.bytes.to_be_bytes().to_vec())
    }
}

/// Answers lines with their number. Those behind `stop` wait for another process, and those behind `ask` for another thread.
struct Numbered {
    lines: Lines,
    number: u8,
}

impl LineHandler for Numbered {
    fn line_received(&mut self, line: &[u8]) {
        self.number = self.number.wrapping_add(1);
        self.lines.send_line([format!("{} ", self.number).as_bytes(), line].concat());
        match line {
            b"stop" => self.lines.pause_reading(),
            b"ask" => {
                self.lines.pause_reading();
                let asked = self.lines.transport().reactor().defer_to_thread(|| ());
                self.lines.defer(asked, |this: &mut Self, _| this.lines.resume_reading());
            }
            _ => {}
        }
    }
}

impl Resumable for Numbered {
    fn state(&mut self) -> Option<Vec<u8>> {
        Some(vec![self.number])
    }
}

struct Server {
    tcp: SocketAddr,
    lines: SocketAddr,
    log: Log,
    remote: RemoteReactor,
    finished: Receiver<Result<(), String>>,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(name: &'static str, folder: &Path) -> Self {
        let folder = folder.to_owned();
        let (tell, told) = mpsc::channel();
        let (finish, finished) = mpsc::channel();
        let log = Log::default();
        let seen = log.clone();
        let thread = thread::spawn(move || {
            let reactor = test_reactor();
            reactor.set_shutdown_deadline(PATIENCE);
            let server = Rc::new(RefCell::new(Shared { name, log: seen }));
            let handover = Handover::begin(&reactor, folder.join("handover")).unwrap();
            let tcp = reactor.listen_tcp("127.0.0.1:0", Count::factory(&server)).unwrap();
            let lines = LineReceiver::factory(|lines| Numbered { lines, number: 0 });
            let lines = lines.resumable(|lines, state| Some(Numbered { lines, number: *state.first()? }));
            let hour = Duration::from_secs(3600);
            let lines = FirstMessageTimeout::around(hour, IdleTimeout::around(hour, lines));
            let lines = reactor.listen_tcp("127.0.0.2:0", lines).unwrap();
            let path = UnixListenOptions::new(folder.join("socket")).lock(true);
            reactor.listen_unix(path, IdleTimeout::around(hour, Count::factory(&server))).unwrap();
            let hosts = [tcp.host(), lines.host()].map(|host| host.socket_addr().unwrap());
            tell.send((hosts, reactor.remote())).unwrap();
            finish_and_stop(&reactor, handover, finish);
            reactor.run().unwrap();
        });
        let ([tcp, lines], remote) = told.recv_timeout(PATIENCE).unwrap();
        Self { tcp, lines, log, remote, finished, thread }
    }

    #[track_caller]
    fn expect_finished(&self) {
        self.finished.recv_timeout(PATIENCE).unwrap().unwrap();
    }

    /// Takes over from `before`, which ends.
    fn replace(name: &'static str, folder: &Path, before: Self) -> Self {
        let next = Self::start(name, folder);
        next.expect_finished();
        before.expect_finished();
        before.thread.join().unwrap();
        next
    }

    fn stop(self) {
        self.remote.stop();
        self.thread.join().unwrap();
    }
}

fn offering(name: &'static str) -> (impl Sized, PathBuf, Server) {
    let (kept, path) = fresh_path();
    let folder = path.parent().unwrap().to_owned();
    let server = Server::start(name, &folder);
    server.expect_finished();
    (kept, folder, server)
}

/// Asks, and reads a line.
#[track_caller]
fn ask(mut stream: impl Read + Write, question: &str) -> String {
    stream.write_all(question.as_bytes()).unwrap();
    read_line(stream)
}

#[track_caller]
fn read_line(mut stream: impl Read) -> String {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    String::from_utf8(line).unwrap().trim_end().to_owned()
}

#[test]
fn a_connection_goes_on_with_its_state_and_its_peer_notices_nothing() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let (tcp, unix) = (connect(one.tcp), connect_unix(&folder.join("socket")));
        assert_eq!((ask(&tcp, "12345"), ask(&unix, "1")), ("5 one".to_owned(), "1 one".to_owned()));
        let old = one.log.clone();
        let mut server = Server::replace("two", &folder, one);
        assert_eq!(old.count("lost HandedOver"), 2);
        server.log.wait_for("resumed");
        assert_eq!((ask(&tcp, "67"), ask(&unix, "23")), ("7 two".to_owned(), "3 two".to_owned()));
        assert!(!server.log.has("made"), "it is not new");
        for (name, number) in [("tre", 8), ("for", 9)] {
            server = Server::replace(name, &folder, server);
            assert_eq!(ask(&tcp, "8"), format!("{number} {name}"));
        }
        drop((tcp, unix));
        server.log.wait_for("lost Done");
        server.stop();
    });
}

#[test]
fn what_is_not_sent_and_what_is_not_read_goes_along() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let mut client = connect(one.tcp);
        client.write_all(b"pour").unwrap();
        one.log.wait_for("pause");
        // It is not read while its answer is not.
        client.write_all(b"more").unwrap();
        let two = Server::replace("two", &folder, one);
        two.log.wait_for("pause");
        let mut poured = vec![0; POURED];
        client.read_exact(&mut poured).unwrap();
        assert!(poured.iter().all(|byte| *byte == b'x'));
        assert_eq!(read_line(&client), "8 two");
        drop(client);
        two.stop();
    });
}

#[test]
fn the_beginning_of_a_line_goes_along_through_policies() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let (mut begun, quiet) = (connect(one.lines), connect(one.lines));
        assert_eq!(ask(&begun, "first\r\nsec"), "1 first");
        let two = Server::replace("two", &folder, one);
        begun.write_all(b"ond\r").unwrap();
        let tre = Server::replace("tre", &folder, two);
        assert_eq!(ask(&begun, "\n"), "2 second");
        assert_eq!(ask(&quiet, "hello\r\n"), "1 hello");
        drop((begun, quiet));
        tre.stop();
    });
}

#[test]
fn lines_that_wait_in_the_receiver_go_along_and_are_delivered_without_another_byte() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let client = connect(one.lines);
        assert_eq!(ask(&client, "stop\r\nsecond\r\nthird\r\nfour"), "1 stop");
        let two = Server::replace("two", &folder, one);
        assert_eq!((read_line(&client), read_line(&client)), ("2 second".into(), "3 third".into()));
        assert_eq!(ask(&client, "th\r\n"), "4 fourth");
        drop(client);
        two.stop();
    });
}

#[test]
fn a_connection_that_always_waits_for_an_answer_goes_on_between_two() {
    in_time(|| {
        let (_kept, folder, mut server) = offering("one");
        let mut asks = connect(server.lines);
        let answers = connect(server.lines);
        asks.write_all(&b"ask\r\n".repeat(2_000)).unwrap();
        for number in 1..=2_000 {
            assert_eq!(read_line(&asks), format!("{} ask", number % 256));
            if number == 10 {
                server = Server::replace("two", &folder, server);
            }
        }
        assert_eq!(ask(&answers, "first\r\n"), "1 first");
        drop((asks, answers));
        server.stop();
    });
}

#[test]
fn a_connection_that_cannot_say_its_state_stays_and_finishes_where_it_is() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let (keeps, half_closed, goes) = (connect(one.tcp), connect(one.tcp), connect(one.tcp));
        assert_eq!(
            (ask(&keeps, "keep"), ask(&half_closed, "1"), ask(&goes, "1")),
            ("4 one".into(), "1 one".into(), "1 one".into())
        );
        let old = one.log.clone();
        let two = Server::replace("two", &folder, one);
        let mut keeps = keeps;
        assert_eq!(keeps.read(&mut [0]).unwrap(), 0, "it was closed in order");
        assert_eq!((old.count("lost Done"), old.count("lost HandedOver")), (1, 2));
        assert_eq!(ask(&goes, "1"), "2 two");
        half_closed.shutdown(Shutdown::Write).unwrap();
        two.log.wait_for("lost Done");
        two.stop();
    });
}

/// A next process that is made by hand: it has read the list of sockets, and says that it is ready.
fn next_by_hand(folder: &Path) -> UnixStream {
    let mut next = connect_unix(&folder.join("handover"));
    let (mut list, mut sockets) = (Vec::new(), Vec::new());
    while !list.ends_with(b"\n\n") {
        list.extend(receive_descriptors(&next, &mut sockets));
    }
    next.write_all(b"ready\nconnections 1\n").unwrap();
    next
}

/// Reads the next message, with its descriptors: its kind and the rest.
fn message(next: &UnixStream, descriptors: &mut Vec<OwnedFd>) -> (u8, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        if let Some((head, rest)) = bytes.split_first_chunk::<5>() {
            let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
            if rest.len() == length {
                return (head[0], rest.to_vec());
            }
        }
        bytes.extend(receive_descriptors(next, descriptors));
    }
}

#[test]
fn connections_that_a_next_server_has_not_accepted_when_it_ends_go_on_in_the_old_one() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        for dies_with_half_a_message in [false, true] {
            let client = connect(one.tcp);
            assert_eq!(ask(&client, "1"), "1 one");
            let mut next = next_by_hand(&folder);
            let mut descriptors = Vec::new();
            let (kind, rest) = message(&next, &mut descriptors);
            assert_eq!((kind, descriptors.len()), (b'C', 1));
            // What the peer says meanwhile is read by nobody.
            (&client).write_all(b"23").unwrap();
            if dies_with_half_a_message {
                next.write_all(&[&b"A\0\0\0\x04"[..], &rest[..3]].concat()).unwrap();
            }
            drop((next, descriptors));
            assert_eq!(read_line(&client), "3 one");
            let newcomer = connect(one.tcp);
            assert_eq!(ask(&newcomer, "1"), "1 one", "it accepts again");
        }
        let two = Server::replace("two", &folder, one);
        two.stop();
    });
}

#[test]
fn a_connection_that_a_next_server_has_accepted_is_its_own_even_if_it_ends() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let client = connect(one.tcp);
        assert_eq!(ask(&client, "1"), "1 one");
        let mut next = next_by_hand(&folder);
        let mut descriptors = Vec::new();
        let (_, rest) = message(&next, &mut descriptors);
        next.write_all(&[&b"A\0\0\0\x04"[..], &rest[..4]].concat()).unwrap();
        drop(next);
        one.log.wait_for("lost HandedOver");
        let taken: TcpStream = descriptors.pop().unwrap().into();
        taken.set_nonblocking(false).unwrap();
        (&client).write_all(b"for the next").unwrap();
        let mut heard = [0; 12];
        (&taken).read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"for the next");
        one.stop();
    });
}

#[test]
fn a_next_server_that_answers_nonsense_gets_no_connection() {
    in_time(|| {
        let (_kept, folder, one) = offering("one");
        let client = connect(one.tcp);
        assert_eq!(ask(&client, "1"), "1 one");
        for (number, answer) in
            (2..).zip([&b"A\0\0\0\x04\xff\xff\xff\xff"[..], b"Z\0\0\0\0", b"A\xff\xff\xff\xff", b"C\0\0\0\0"])
        {
            let mut next = next_by_hand(&folder);
            let mut descriptors = Vec::new();
            message(&next, &mut descriptors);
            next.write_all(answer).unwrap();
            let _ = next.read_to_end(&mut Vec::new());
            assert_eq!(ask(&client, "1"), format!("{number} one"));
        }
        one.stop();
    });
}
