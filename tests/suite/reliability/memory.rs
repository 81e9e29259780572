//! What peers can make the program hold: output that they do not read, messages that they do not complete.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use protocols::amp::{AmpHandler, AmpReceiver};
use protocols::codec::{CodecHandler, CodecReceiver, Messages};
use protocols::proxy_header::ProxyHeader;
use protocols::stateful::{State, StatefulHandler, StatefulReceiver};
use protocols::string::StringFormat;
use protocols::web_socket::WebSocket;
use protocols::{LineHandler, LineReceiver, Lines, StringHandler, StringReceiver};
use reactor::connection::MemoryCharge;
use reactor::io::TokioStream;
use reactor::testing::{Simulation, StringTransport};
use reactor::{Address, CloseReason, Factory, Protocol, Reactor, Transport, run_on_threads};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::LengthDelimitedCodec;

use crate::support::{Callback, Log, PATIENCE, Recorder};

const SECOND: Duration = Duration::from_secs(1);

struct Echo {
    lines: Lines,
    log: Log,
}

impl LineHandler for Echo {
    fn line_received(&mut self, line: &[u8]) {
        self.lines.send_line(line);
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.add(format!("lost {reason:?}"));
    }
}

/// A server of lines whose connections log how they end.
fn serve_lines(server: &Reactor, port: u16) -> Log {
    let log = Log::default();
    let seen = log.clone();
    let factory = LineReceiver::factory(move |lines| Echo { lines, log: seen.clone() }).max_length(1 << 20);
    server.listen_tcp(port, factory).unwrap();
    log
}

/// Connects, and sends this at once.
fn send(sim: &Simulation, target: &str, data: impl Into<Vec<u8>>) -> Log {
    let log = Log::default();
    let (seen, data) = (log.clone(), data.into());
    sim.host("client").connect_tcp(target, move |transport| {
        let data = data.clone();
        Recorder::new(transport, seen.clone()).on(Callback::Made, move |this| this.transport.write(&data))
    });
    log
}

#[test]
fn beyond_the_memory_budget_the_longest_unfinished_line_ends_its_connection_and_others_are_served_on() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    let (large, small) = (serve_lines(&server, 7), serve_lines(&server, 8));
    server.set_memory_budget(200_000);
    send(&sim, "server:7", vec![b'x'; 110_000]);
    sim.run_for(SECOND);
    assert!((110_000..=200_000).contains(&server.held_bytes()), "{}", server.held_bytes());
    for number in 0..8 {
        send(&sim, "server:8", vec![b'x'; 12_000]);
        for _ in 0..100 {
            sim.run_for(SECOND / 100);
            assert!(server.held_bytes() <= 200_000, "{} behind number {number}", server.held_bytes());
        }
        let honest = send(&sim, "server:8", "hello\r\n");
        sim.run_for(SECOND);
        assert_eq!(honest.received_len(), 7);
    }
    assert_eq!(large.lines(), ["lost Evicted"]);
    assert!(small.lines().is_empty(), "{:?}", small.lines());
    assert_eq!(server.evicted(), 1);
}

#[test]
fn connections_that_hold_little_are_served_while_others_hold_the_whole_budget() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    let log = serve_lines(&server, 7);
    server.set_memory_budget(100_000);
    for _ in 0..60 {
        send(&sim, "server:7", vec![b'x'; 2_000]);
    }
    sim.run_for(SECOND);
    assert!(server.held_bytes() > 100_000);
    let honest = send(&sim, "server:7", "hello\r\n");
    sim.run_for(SECOND);
    assert_eq!((honest.received_len(), log.lines().len()), (7, 0));
    // One that holds more than all others has to go.
    send(&sim, "server:7", vec![b'x'; 5_000]);
    sim.run_for(SECOND);
    assert_eq!(log.lines(), ["lost Evicted"]);
}

/// Sends what anybody says to all.
struct Chat {
    transport: Transport,
    members: Rc<RefCell<Vec<Transport>>>,
    log: Log,
}

impl Protocol for Chat {
    fn data_received(&mut self, data: &[u8]) {
        self.members.borrow().iter().for_each(|member| member.write(data));
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.members.borrow_mut().retain(|member| *member != self.transport);
        self.log.add(format!("lost {reason:?}"));
    }
}

#[test]
fn members_of_a_chat_that_do_not_read_end_before_they_hold_more_than_the_budget() {
    let sim = Simulation::new(1);
    let server = sim.host("server");
    let (members, lost) = (Rc::<RefCell<Vec<Transport>>>::default(), Log::default());
    let log = lost.clone();
    let chat = move |transport: Transport| {
        members.borrow_mut().push(transport.clone());
        Chat { transport, members: Rc::clone(&members), log: log.clone() }
    };
    server.listen_tcp(7, chat).unwrap();
    server.set_memory_budget(1 << 20);
    for _ in 0..20 {
        sim.host("client").connect_tcp("server:7", |transport: Transport| {
            Recorder::new(transport, Log::default()).on(Callback::Made, |this| this.transport.pause_reading())
        });
    }
    sim.run_for(SECOND);
    let honest = Log::default();
    let seen = honest.clone();
    let speaker = Rc::<RefCell<Option<Transport>>>::default();
    let spoken = Rc::clone(&speaker);
    sim.host("speaker").connect_tcp("server:7", move |transport: Transport| {
        spoken.replace(Some(transport.clone()));
        Recorder::new(transport, seen.clone())
    });
    sim.run_for(SECOND);
    for _ in 0..100 {
        speaker.borrow().as_ref().unwrap().write([b'x'; 10_000]);
        sim.run_for(SECOND);
        assert!(server.held_bytes() <= 1 << 20, "{}", server.held_bytes());
    }
    assert_eq!(honest.received_len(), 1_000_000);
    assert!(!lost.lines().is_empty() && lost.lines().iter().all(|line| line == "lost Evicted"), "{:?}", lost.lines());
    assert_eq!(server.evicted(), lost.lines().len() as u64);
}

struct Deaf;

impl LineHandler for Deaf {
    fn line_received(&mut self, _line: &[u8]) {}
}

impl StringHandler for Deaf {
    fn string_received(&mut self, _string: &[u8]) {}
}

impl AmpHandler for Deaf {}

impl StatefulHandler for Deaf {
    fn initial_state(&mut self) -> State<Self> {
        State::new(50_000, |_, _| None)
    }
}

impl CodecHandler for Deaf {
    type Codec = LengthDelimitedCodec;

    fn message_received(&mut self, _message: BytesMut) {}
}

/// What a connection holds of 20,000 bytes behind this beginning, and behind what completes them.
#[track_caller]
fn held(what: &str, factory: impl Factory, beginning: &[u8], completion: usize) {
    let mut wire = StringTransport::connect(factory);
    let reactor = wire.reactor().clone();
    assert_eq!(reactor.held_bytes(), 0, "{what}");
    wire.receive(beginning);
    for _ in 0..20 {
        wire.receive([b'x'; 1_000]);
    }
    let held = reactor.held_bytes();
    assert!((20_000..=50_000).contains(&held), "{what}: {held}");
    if completion > 0 {
        wire.receive(vec![b'x'; completion - 1]);
        wire.receive([b'x']);
        assert_eq!(reactor.held_bytes(), 0, "{what}, complete");
        wire.receive(beginning);
        wire.receive([b'x'; 20_000]);
        assert!(reactor.held_bytes() >= 20_000, "{what}, again");
    }
    drop(wire);
    assert_eq!(reactor.held_bytes(), 0, "{what}, over");
}

#[test]
fn what_receivers_and_layers_keep_of_unfinished_messages_is_counted_and_given_back() {
    held("a line", LineReceiver::factory(|_| Deaf).max_length(1 << 20), b"", 0);
    let length = 30_000_u32.to_be_bytes();
    held("a string", StringReceiver::factory(StringFormat::Int32, |_| Deaf), &length, 10_000);
    held("a part", StatefulReceiver::factory(|_| Deaf), b"", 30_000);
    let codec = |_: Messages<LengthDelimitedCodec>| Deaf;
    held("a message", CodecReceiver::factory(LengthDelimitedCodec::new, codec), &length, 10_000);
    held("a box", AmpReceiver::factory(|_| Deaf), b"\0\x01a\xff\xff", 0);
    let open = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n\x82\xfe\xea\x60\0\0\0\0";
    held("a frame", WebSocket::around(|transport| Recorder::new(transport, Log::default())), open, 0);
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";
    let proxied = ProxyHeader::around(|transport| Recorder::new(transport, Log::default()));
    held("a header", proxied, header, 0);
    let unread = TokioStream::factory(async |stream| {
        pending::<()>().await;
        drop(stream);
        Ok(())
    });
    held("a stream that is not read", unread, b"", 0);
}

/// Holds on behalf of its peer as many bytes as it is told.
struct Holding {
    transport: Transport,
    charges: Vec<MemoryCharge>,
    kept: Rc<RefCell<Vec<MemoryCharge>>>,
}

impl Protocol for Holding {
    fn data_received(&mut self, data: &[u8]) {
        match data {
            b"less" => drop(self.charges.pop()),
            b"keep" => self.kept.borrow_mut().append(&mut self.charges),
            _ => self.charges.push(self.transport.charge_memory(10_000)),
        }
    }
}

#[test]
fn what_a_protocol_is_charged_for_is_given_back_when_the_charge_is_dropped_or_the_connection_ends() {
    let kept = Rc::<RefCell<Vec<MemoryCharge>>>::default();
    let factory = {
        let kept = Rc::clone(&kept);
        move |transport| Holding { transport, charges: Vec::new(), kept: Rc::clone(&kept) }
    };
    let mut wire = StringTransport::connect(factory);
    let reactor = wire.reactor().clone();
    reactor.set_memory_budget(35_000);
    for (told, held) in [("more", 10_000), ("more", 20_000), ("less", 10_000), ("keep", 10_000), ("more", 20_000)] {
        wire.receive(told);
        assert_eq!(reactor.held_bytes(), held, "{told}");
    }
    kept.borrow()[0].set(25_000);
    assert_eq!((reactor.held_bytes(), reactor.evicted()), (35_000, 0));
    kept.borrow()[0].set(25_001);
    assert_eq!((reactor.held_bytes(), reactor.evicted()), (0, 1));
    wire.receive("more");
    assert!(matches!(wire.close_reason(), Some(CloseReason::Evicted)), "{:?}", wire.close_reason());
    kept.borrow()[0].set(30_000);
    kept.take();
    assert_eq!(reactor.held_bytes(), 0, "behind its end nothing counts");
}

/// Is charged for as long as it lives.
struct Charged {
    log: Log,
    charge: Option<MemoryCharge>,
}

impl Protocol for Charged {
    fn data_received(&mut self, _data: &[u8]) {}

    fn connection_lost(&mut self, reason: CloseReason) {
        let held = self.charge.as_ref().map(MemoryCharge::bytes);
        self.log.add(format!("{held:?} {reason:?}"));
    }
}

#[test]
fn several_reactors_share_one_memory_budget_and_the_one_that_holds_most_makes_room() {
    let (tell, told) = mpsc::channel();
    let (tell, told) = (Mutex::new(Some(tell)), Mutex::new(told));
    let log = Log::default();
    run_on_threads(2, |reactor| {
        let first = tell.lock().unwrap().take();
        if let Some(tell) = first {
            reactor.set_memory_budget(1_000_000);
            let log = log.clone();
            hold(reactor, move |transport| {
                let charge = transport.charge_memory(900_000);
                tell.send(()).unwrap();
                let reactor = transport.reactor();
                transport.reactor().spawn({
                    let finished = transport.finished();
                    async move {
                        finished.await;
                        reactor.stop();
                    }
                });
                Charged { log, charge: Some(charge) }
            });
        } else {
            let log = log.clone();
            let told = told.lock().unwrap();
            told.recv_timeout(PATIENCE).unwrap();
            assert_eq!(reactor.memory_budget(), 1_000_000);
            hold(reactor, move |transport| Charged { log, charge: Some(transport.charge_memory(150_000)) });
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(log.lines(), ["Some(900000) Evicted", "Some(150000) Done"]);
}

/// A connection whose peer does nothing.
fn hold<P: Protocol>(reactor: &Reactor, build: impl FnOnce(Transport) -> P + 'static) {
    let (near, far) = tokio::io::duplex(64);
    let mut build = Some(build);
    let nowhere = || Address::Inet(([127, 0, 0, 1], 9).into());
    reactor.adopt_stream(near, nowhere(), nowhere(), move |transport: Transport| {
        let build = build.take()?;
        Some(build(transport))
    });
    // Until the reactor ends.
    reactor.after_shutdown(move || drop(far));
}

#[test]
fn a_reactors_memory_budget_is_a_part_of_what_the_process_may_use() {
    let machine = std::fs::read_to_string("/proc/meminfo").unwrap();
    let kibibytes: usize = machine.split_whitespace().nth(1).unwrap().parse().unwrap();
    let budget = Reactor::new().unwrap().memory_budget();
    assert!((1..=kibibytes * 1024 / 4).contains(&budget), "{budget}");
    assert_eq!(Simulation::new(1).host("server").memory_budget(), usize::MAX);
}

/// Under a limit of memory that a part of these could pass, nothing of an honest client is lost.
#[test]
fn peers_that_do_not_complete_their_strings_do_not_abort_a_program_whose_memory_is_limited() {
    use std::io::Write as _;

    let server = super::server("strings", &["address-space=300"]);
    let honest = rig::peer::connect(server.address());
    let hostile: Vec<_> = (0..800)
        .map(|_| {
            let mut stream = rig::peer::connect(server.address());
            // It may be evicted.
            let _ = stream.write_all(&[&99_999_u32.to_be_bytes()[..], &[b'x'; 98_000]].concat());
            rig::peer::round_trip(&honest, b"\0\0\0\x05hello");
            stream
        })
        .collect();
    assert!(server.resident() < 200 << 20);
    drop(hostile);
    let ended = server.stop();
    assert!(ended.status.success() && ended.count("evicted") > 0, "{:?}", ended.errors);
}
