//! R8, R10: peers that never read, and writers that never stop.

use std::cell::RefCell;
use std::io::{ErrorKind, Read as _, Write as _};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use reactor::testing::StringTransport;
use reactor::{CloseReason, Protocol, Transport};
use rig::peer;
use rig::peer::{End, pattern};

use crate::reliability::server;

/// An echo that records its maximum of unsent bytes.
struct Echo {
    transport: Transport,
    most_unsent: Arc<AtomicUsize>,
}

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.transport.write(data);
        self.most_unsent.fetch_max(self.transport.unsent_bytes(), Ordering::Relaxed);
    }
}

/// How much one read may add to the 64 KiB at which reading stops.
const MOST: usize = 2 * 65_536;

#[test]
fn a_peer_that_sends_and_never_reads_is_not_read_beyond_what_it_owes() {
    let most_unsent = Arc::new(AtomicUsize::new(0));
    let mut wire = StringTransport::connect({
        let most_unsent = Arc::clone(&most_unsent);
        move |transport| Echo { transport, most_unsent: Arc::clone(&most_unsent) }
    });
    wire.stall(true);
    for part in 0..300 {
        wire.receive(pattern(part << 16, (part + 1) << 16));
    }
    assert!(wire.transport().unsent_bytes() <= MOST, "{} bytes are unsent", wire.transport().unsent_bytes());
    wire.stall(false);
    assert!(wire.take_written() == pattern(0, 300 << 16), "and then it gets everything, in order");
    assert!(most_unsent.load(Ordering::Relaxed) <= MOST);
}

#[test]
fn a_peer_that_never_reads_slows_nobody_and_loses_nothing_when_it_reads_at_last() {
    let most_unsent = Arc::new(AtomicUsize::new(0));
    let record = Arc::clone(&most_unsent);
    let server = peer::serve(move |reactor| {
        reactor.listen_tcp("127.0.0.1:0", move |transport| Echo { transport, most_unsent: Arc::clone(&record) })
    });
    let honest = server.connect();
    let mut greedy = server.connect();
    greedy.set_nonblocking(true).unwrap();
    // It is stuck if it could not send anything during this many round trips of the other.
    let (mut sent, mut stuck) = (0, 0);
    while stuck < 500 {
        match greedy.write(&pattern(sent % 251, sent % 251 + 65_536)) {
            Ok(n) => (sent, stuck) = (sent + n, 0),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                peer::round_trip(&honest, b"are you there?");
                stuck += 1;
            }
        }
        assert!(sent < 200 << 20, "{sent} bytes were taken from a peer that reads nothing");
    }
    assert!(most_unsent.load(Ordering::Relaxed) <= MOST);

    greedy.set_nonblocking(false).unwrap();
    greedy.shutdown(std::net::Shutdown::Write).unwrap();
    let (received, end) = peer::read_to_end(&greedy);
    assert_eq!((received.len(), end), (sent, End::Clean));
    assert!(received == pattern(0, sent));
    server.stop();
}

/// Writes 10 MiB every time it is called, and calls itself.
struct Flood {
    transport: Transport,
    ends: Rc<RefCell<Vec<CloseReason>>>,
}

impl Flood {
    fn pour(&mut self) {
        self.transport.write(vec![b'x'; 10 << 20]);
        self.transport.call_later(Duration::from_millis(1), Self::pour);
    }
}

impl Protocol for Flood {
    fn connection_made(&mut self) {
        self.pour();
    }
    fn data_received(&mut self, _data: &[u8]) {}
    fn connection_lost(&mut self, reason: CloseReason) {
        self.ends.borrow_mut().push(reason);
    }
}

#[test]
fn a_writer_that_never_stops_is_ended_by_the_output_limit_once_and_with_a_reset() {
    let ends = Rc::new(RefCell::default());
    let mut wire = StringTransport::connect({
        let ends = Rc::clone(&ends);
        move |transport| Flood { transport, ends: Rc::clone(&ends) }
    });
    let before = wire.written().len();
    wire.stall(true);
    for _ in 0..100 {
        wire.advance(Duration::from_millis(1));
        assert!(wire.transport().unsent_bytes() <= 16 << 20);
    }
    assert!(wire.written().len() >= before);
    assert!(matches!(wire.close_reason(), Some(CloseReason::Overflow)), "{:?}", wire.close_reason());
    assert!(matches!(ends.borrow()[..], [CloseReason::Overflow]), "{ends:?}");
    assert!(wire.was_reset());
    assert_eq!(wire.reactor().held_bytes(), 0);
    assert_eq!(wire.reactor().pending_call_count(), 0);
}

#[test]
fn a_writer_that_never_stops_ends_alone_and_its_peer_sees_a_reset() {
    let server = server("flood", &[]);
    let honest = peer::connect(server.address());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut victim = peer::connect(server.address());
                victim.write_all(b"flood").unwrap();
                // It does not read before the others were served for a while.
                for _ in 0..200 {
                    peer::round_trip(&peer::connect(server.address()), b"hello");
                }
                let (_, end) = peer::read_to_end(&victim);
                assert_eq!(end, End::Reset);
            });
        }
    });
    peer::round_trip(&honest, b"still there?");
    assert_eq!(server.stop().count("overflows"), 4);
}

#[test]
fn a_stream_written_whenever_there_is_room_never_holds_more_than_it_must() {
    const CHUNK: usize = 10_000;
    const BYTES: usize = 2000 * CHUNK;
    struct Source {
        transport: Transport,
        next: usize,
        most_unsent: Arc<AtomicUsize>,
    }
    impl Protocol for Source {
        fn connection_made(&mut self) {
            self.resume_writing();
        }
        fn resume_writing(&mut self) {
            while !self.transport.is_full() && self.next < BYTES {
                self.transport.write(pattern(self.next, self.next + CHUNK));
                self.next += CHUNK;
            }
            self.most_unsent.fetch_max(self.transport.unsent_bytes(), Ordering::Relaxed);
            if self.next == BYTES {
                self.transport.lose_connection();
            }
        }
        fn data_received(&mut self, _data: &[u8]) {}
    }
    let most_unsent = Arc::new(AtomicUsize::new(0));
    let record = Arc::clone(&most_unsent);
    let server = peer::serve(move |reactor| {
        reactor.listen_tcp("127.0.0.1:0", move |transport| Source {
            transport,
            next: 0,
            most_unsent: Arc::clone(&record),
        })
    });
    let mut stream = server.connect();
    let mut received = 0;
    let mut part = vec![0; 7777];
    loop {
        let n = stream.read(&mut part).unwrap();
        if n == 0 {
            break;
        }
        assert!(part[..n] == pattern(received % 251, received % 251 + n));
        received += n;
    }
    assert_eq!(received, BYTES);
    assert!(most_unsent.load(Ordering::Relaxed) <= 65_536 + CHUNK);
    server.stop();
}
