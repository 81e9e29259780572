//! R30: busy connections do not starve others. Counted in turns, not in time.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use reactor::{Address, CloseReason, Protocol, Reactor, Transport};
use rig::peer;

use crate::support::{Log, in_time, test_reactor};

const LIGHT: usize = 100;

/// The most reads of the firehose that may come before a light connection which was ready from the start. Two are
/// usual; without a turn's end behind a full read it is what Tokio lets a task do at once, 128.
const TURNS: usize = 16;

/// Tells its kind by its first byte: the firehose sends `#` without an end, the others one byte.
struct Counting {
    transport: Transport,
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Reads of the firehose so far.
    reads: Cell<usize>,
    light: Cell<usize>,
    /// Reads of the firehose when the last of the light ones was served.
    reads_at_last: Cell<usize>,
}

impl Protocol for Counting {
    fn data_received(&mut self, data: &[u8]) {
        let shared = &self.shared;
        if data[0] == b'#' {
            shared.reads.set(shared.reads.get() + 1);
            return;
        }
        shared.light.set(shared.light.get() + 1);
        self.transport.write(data);
        if shared.light.get() == LIGHT {
            shared.reads_at_last.set(shared.reads.get());
            self.transport.reactor().stop();
        }
    }
}

#[test]
fn a_connection_that_always_has_data_lets_the_others_have_their_turn() {
    let shared = Rc::new(Shared::default());
    let reactor = Reactor::new().unwrap();
    reactor.set_signal_handling(false);
    let counting = Rc::clone(&shared);
    let port = reactor
        .listen_tcp("127.0.0.1:0", move |transport| Counting { transport, shared: Rc::clone(&counting) })
        .unwrap();
    let address = port.host().socket_addr().unwrap();
    // Everything has arrived before the reactor first polls, so that the result does not depend on timing.
    let firehose = peer::connect(address);
    let (full, is_full) = mpsc::channel();
    let pouring = thread::spawn(move || {
        firehose.set_nonblocking(true).unwrap();
        let chunk = [b'#'; 65_536];
        while (&firehose).write(&chunk).is_ok() {}
        firehose.set_nonblocking(false).unwrap();
        full.send(()).unwrap();
        while (&firehose).write_all(&chunk).is_ok() {}
    });
    is_full.recv().unwrap();
    let light: Vec<_> = (0..LIGHT).map(|_| peer::connect(address)).collect();
    light.iter().for_each(|mut stream| stream.write_all(b"a").unwrap());

    reactor.run().unwrap();
    assert_eq!(shared.light.get(), LIGHT);
    assert!(shared.reads_at_last.get() <= TURNS, "after {} reads of the firehose", shared.reads_at_last.get());
    light.iter().for_each(|mut stream| assert_eq!(stream.read(&mut [0]).unwrap(), 1));
    pouring.join().unwrap();
}

#[test]
fn a_writer_that_always_has_more_lets_the_others_have_their_turn() {
    struct Source {
        transport: Transport,
        calls: Rc<Cell<usize>>,
    }
    impl Protocol for Source {
        fn connection_made(&mut self) {
            self.resume_writing();
        }
        fn resume_writing(&mut self) {
            self.calls.set(self.calls.get() + 1);
            while !self.transport.is_full() {
                self.transport.write([b'x'; 16_384]);
            }
        }
        fn data_received(&mut self, _data: &[u8]) {}
    }
    struct Echo {
        transport: Transport,
        calls: Rc<Cell<usize>>,
    }
    impl Protocol for Echo {
        fn data_received(&mut self, _data: &[u8]) {
            writeln!(self.transport, "{:09}", self.calls.get());
        }
    }
    let (tell, told) = mpsc::channel();
    let server = peer::serve(move |reactor| {
        let calls = Rc::new(Cell::new(0));
        let counting = Rc::clone(&calls);
        let source = move |transport| Source { transport, calls: Rc::clone(&counting) };
        let port = reactor.listen_tcp("127.0.0.1:0", source)?;
        tell.send(port.host().socket_addr().unwrap()).unwrap();
        reactor.listen_tcp("127.0.0.1:0", move |transport| Echo { transport, calls: Rc::clone(&calls) })
    });
    let sink = peer::connect(told.recv().unwrap());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = vec![0; 1 << 20];
            while !done.load(Ordering::Relaxed) {
                let _ = (&sink).read(&mut buffer);
            }
        });
        let stream = server.connect();
        let mut seen = Vec::new();
        for _ in 0..200 {
            (&stream).write_all(b"?").unwrap();
            let mut answer = [0; 10];
            (&stream).read_exact(&mut answer).unwrap();
            seen.push(String::from_utf8_lossy(&answer).trim().parse::<usize>().unwrap());
        }
        done.store(true, Ordering::Relaxed);
        assert!(seen.is_sorted());
        assert!(seen[199] > seen[0], "the source went on meanwhile");
    });
    drop(sink);
    server.stop();
}

#[test]
fn a_timed_call_that_calls_itself_without_delay_keeps_no_connection_waiting() {
    fn again(reactor: Reactor, turns: Rc<Cell<usize>>) {
        turns.set(turns.get() + 1);
        let next = reactor.clone();
        reactor.call_later(Duration::ZERO, move || again(next, turns));
    }
    struct Echo {
        transport: Transport,
        turns: Rc<Cell<usize>>,
    }
    impl Protocol for Echo {
        fn data_received(&mut self, data: &[u8]) {
            assert!(self.turns.get() > 0);
            self.transport.write(data);
        }
    }
    let server = peer::serve(|reactor| {
        let turns = Rc::new(Cell::new(0));
        again(reactor.clone(), Rc::clone(&turns));
        reactor.listen_tcp("127.0.0.1:0", move |transport| Echo { transport, turns: Rc::clone(&turns) })
    });
    let streams: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    for _ in 0..50 {
        streams.iter().for_each(|stream| peer::round_trip(stream, b"hello"));
    }
    drop(streams);
    server.stop();
}

/// Writes as long as its peer takes it.
struct Endless {
    transport: Transport,
    log: Log,
}

impl Protocol for Endless {
    fn connection_made(&mut self) {
        self.resume_writing();
    }

    fn data_received(&mut self, data: &[u8]) {
        self.log.data(data);
    }

    fn resume_writing(&mut self) {
        while !self.transport.is_full() && !self.transport.is_closing() {
            self.transport.write([b'x'; 4096]);
        }
    }

    fn connection_lost(&mut self, reason: CloseReason) {
        self.log.add(format!("lost {reason:?}"));
        self.transport.reactor().stop();
    }
}

#[test]
fn a_protocol_that_keeps_writing_hears_its_peer_and_its_end_however_fast_the_peer_reads() {
    let seen = in_time(|| {
        let (reactor, log) = (test_reactor(), Log::default());
        // Takes whatever is written at once.
        let peer = tokio::io::join(&b"hello"[..], tokio::io::sink());
        let nowhere = || Address::memory("nowhere");
        let seen = log.clone();
        let endless = move |transport| Endless { transport, log: seen.clone() };
        reactor.adopt_stream(peer, nowhere(), nowhere(), endless);
        reactor.run().unwrap();
        log.lines()
    });
    assert_eq!(seen, ["data hello", "lost Done"]);
}
