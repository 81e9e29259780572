//! R14: the end of one direction loses nothing in the other.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;

use reactor::{OnEof, Protocol, Transport};
use rig::echo::Echo;
use rig::peer;
use rig::peer::{End, pattern};

#[test]
fn all_that_was_sent_before_the_end_of_the_stream_comes_back() {
    const BYTES: usize = 512 * 1024;
    let server = peer::serve(|reactor| reactor.listen_tcp("127.0.0.1:0", |transport| Echo { transport }));
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let stream = server.connect();
                thread::scope(|scope| {
                    scope.spawn(|| {
                        (&stream).write_all(&pattern(0, BYTES)).unwrap();
                        stream.shutdown(Shutdown::Write).unwrap();
                    });
                    let (received, end) = peer::read_to_end(&stream);
                    assert_eq!((received.len(), end), (BYTES, End::Clean));
                    assert!(received == pattern(0, BYTES));
                });
            });
        }
    });
    server.stop();
}

#[test]
fn a_peer_that_reads_only_after_it_has_ended_its_stream_gets_everything() {
    // As much as the system takes while the peer does not read.
    let server = peer::serve(|reactor| reactor.listen_tcp("127.0.0.1:0", |transport| Echo { transport }));
    let mut stream = server.connect();
    const BYTES: usize = 128 * 1024;
    stream.write_all(&pattern(0, BYTES)).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // Another client is served meanwhile.
    peer::round_trip(&server.connect(), b"hello");
    let (received, end) = peer::read_to_end(&stream);
    assert_eq!((received.len(), end), (BYTES, End::Clean));
    assert!(received == pattern(0, BYTES));
    server.stop();
}

#[test]
fn a_protocol_that_goes_on_writing_behind_the_peers_end_loses_nothing() {
    const PARTS: usize = 200;
    const PART: usize = 10_000;
    struct LongAnswer {
        transport: Transport,
        part: usize,
    }
    impl Protocol for LongAnswer {
        fn data_received(&mut self, _data: &[u8]) {}
        fn eof_received(&mut self) -> OnEof {
            self.next_part();
            OnEof::KeepWriting
        }
    }
    impl LongAnswer {
        fn next_part(&mut self) {
            self.transport.write(pattern(self.part * PART, (self.part + 1) * PART));
            self.part += 1;
            if self.part == PARTS {
                self.transport.lose_connection();
            } else {
                self.transport.call_later(std::time::Duration::ZERO, Self::next_part);
            }
        }
    }
    let server =
        peer::serve(|reactor| reactor.listen_tcp("127.0.0.1:0", |transport| LongAnswer { transport, part: 0 }));
    let mut stream = server.connect();
    stream.write_all(b"a question").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let (received, end) = peer::read_to_end(&stream);
    assert_eq!((received.len(), end), (PARTS * PART, End::Clean));
    assert!(received == pattern(0, PARTS * PART));
    server.stop();
}

#[test]
fn a_server_that_has_ended_its_stream_still_receives_everything() {
    const BYTES: usize = 3_000_000;
    struct Counter {
        transport: Transport,
        received: usize,
        tell: std::sync::mpsc::Sender<(usize, bool)>,
    }
    impl Protocol for Counter {
        fn connection_made(&mut self) {
            self.transport.write("go on\n");
            self.transport.write_eof();
        }
        fn data_received(&mut self, data: &[u8]) {
            assert_eq!(data, pattern(self.received % 251, self.received % 251 + data.len()));
            self.received += data.len();
        }
        fn connection_lost(&mut self, reason: reactor::CloseReason) {
            self.tell.send((self.received, reason.is_clean())).unwrap();
        }
    }
    let (tell, told) = std::sync::mpsc::channel();
    let server = peer::serve(move |reactor| {
        reactor.listen_tcp("127.0.0.1:0", move |transport| Counter { transport, received: 0, tell: tell.clone() })
    });
    let mut stream = server.connect();
    let mut greeting = Vec::new();
    stream.read_to_end(&mut greeting).unwrap();
    assert_eq!(greeting, b"go on\n");
    stream.write_all(&pattern(0, BYTES)).unwrap();
    drop(stream);
    assert_eq!(told.recv().unwrap(), (BYTES, true));
    server.stop();
}
