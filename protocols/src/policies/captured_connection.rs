use std::collections::HashMap;
use std::io;
use std::io::Read;
use std::time::Duration;

use reactor::testing::StringTransport;

use crate::policies::capture::{ENDED, LOST, MADE, RECEIVED, SENT};
use crate::policies::pcap::{Records, invalid};

/// One connection of a [`Capture`](crate::policies::Capture), read back to be replayed.
///
/// ```
/// use protocols::policies::{Capture, CapturedConnection};
/// use reactor::testing::StringTransport;
/// # use std::cell::RefCell;
/// # use std::io;
/// # use std::rc::Rc;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
/// # #[derive(Clone, Default)]
/// # struct File(Rc<RefCell<Vec<u8>>>);
/// # impl io::Write for File {
/// #     fn write(&mut self, data: &[u8]) -> io::Result<usize> { self.0.borrow_mut().write(data) }
/// #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
/// # }
/// # let file = File::default();
/// # let capture = Capture::new(file.clone());
/// # let mut wire = StringTransport::connect(capture.around(|transport| Echo { transport }));
/// # wire.receive("hello");
/// # let file = file.0.take();
/// # let file = io::Cursor::new(file);
///
/// for connection in CapturedConnection::read_all(file)? {
///     let mut wire = StringTransport::connect(|transport| Echo { transport });
///     connection.replay(&mut wire);
///     assert_eq!(wire.written(), connection.sent(), "of {}", connection.peer());
/// }
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CapturedConnection {
    peer: String,
    /// With the time of day at which each came, as that since 1970.
    events: Vec<(Duration, Event)>,
}

#[derive(Clone, Debug)]
enum Event {
    Made,
    Received(Vec<u8>),
    Sent(Vec<u8>),
    Ended,
    Lost,
}

impl CapturedConnection {
    /// Reads all connections of a capture, in the order in which they were made. A last record that is cut off, as that
    /// of a program that was killed, is left out.
    ///
    /// # Errors
    ///
    /// `InvalidData`, with what is wrong, if it was not written by [`Capture`](crate::policies::Capture); otherwise that of the
    /// reader. No input makes it panic, or use more memory than the capture is long.
    pub fn read_all(capture: impl Read) -> io::Result<Vec<Self>> {
        let mut records = Records::new(capture)?;
        let mut connections = Vec::<Self>::new();
        let mut numbers = HashMap::new();
        while let Some((time, record)) = records.next()? {
            let Some((number, rest)) = record.split_first_chunk() else {
                return Err(invalid(format!("a record of {} bytes: there are at least 9", record.len())));
            };
            let number = u64::from_be_bytes(*number);
            let event = match rest {
                [MADE, peer @ ..] => {
                    numbers.insert(number, connections.len());
                    connections.push(Self { peer: String::from_utf8_lossy(peer).into_owned(), events: Vec::new() });
                    Event::Made
                }
                [RECEIVED, data @ ..] => Event::Received(data.to_vec()),
                [SENT, data @ ..] => Event::Sent(data.to_vec()),
                [ENDED, ..] => Event::Ended,
                [LOST, ..] => Event::Lost,
                _ => return Err(invalid(format!("an event of connection {number} that is of no known kind"))),
            };
            let Some(index) = numbers.get(&number) else {
                return Err(invalid(format!("an event of connection {number}, which was not made before")));
            };
            connections[*index].events.push((time, event));
        }
        Ok(connections)
    }

    /// The address of its peer.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// All that was received.
    pub fn received(&self) -> Vec<u8> {
        self.bytes(|event| if let Event::Received(data) = event { data } else { &[] })
    }

    /// All that was sent.
    pub fn sent(&self) -> Vec<u8> {
        self.bytes(|event| if let Event::Sent(data) = event { data } else { &[] })
    }

    /// Does to a protocol what the peer did to the one that was captured: it receives the same bytes, cut in the same
    /// way, and the end of the stream, after the same times. Between them and behind the last, timers run as long as they
    /// did then.
    pub fn replay(&self, wire: &mut StringTransport) {
        let mut now = self.events.first().map(|(time, _)| *time).unwrap_or_default();
        for (time, event) in &self.events {
            // The clock may have been set back.
            wire.advance(time.saturating_sub(now));
            now = *time;
            match event {
                Event::Received(data) => wire.receive(data),
                Event::Ended => wire.receive_eof(),
                Event::Made | Event::Sent(_) | Event::Lost => {}
            }
        }
    }

    fn bytes(&self, of: impl Fn(&Event) -> &[u8]) -> Vec<u8> {
        self.events.iter().flat_map(|(_, event)| of(event)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use reactor::task::Tick;
    use reactor::{Factory, OnEof, Protocol, Transport};

    use super::*;
    use crate::policies::Capture;
    use crate::policies::kept::Kept;
    use crate::policies::pcap::HEADER;

    /// Answers everything, the end too, and says how time goes by.
    struct Answering(Transport);

    impl Protocol for Answering {
        fn connection_made(&mut self) {
            self.0.call_every(Duration::from_secs(1), |this: &mut Self, _: Tick| this.0.write("tick "));
        }
        fn data_received(&mut self, data: &[u8]) {
            write!(self.0, "{} bytes ", data.len());
        }
        fn eof_received(&mut self) -> OnEof {
            self.0.write("bye");
            OnEof::Close
        }
    }

    fn captured(play: impl FnOnce(&mut StringTransport, &dyn Fn() -> Box<dyn Factory>)) -> Vec<u8> {
        let kept = Kept::default();
        let capture = Capture::new(kept.clone());
        let around: &dyn Fn() -> Box<dyn Factory> = &|| Box::new(capture.around(Answering));
        play(&mut StringTransport::connect(around()), around);
        kept.take()
    }

    fn example() -> Vec<u8> {
        captured(|wire, _| {
            wire.receive("hello");
            wire.advance(Duration::from_millis(2500));
            wire.receive([b'x'; 70_000]);
            wire.receive("y");
            wire.advance(Duration::from_millis(1000));
            wire.receive_eof();
        })
    }

    /// What is read of a capture whose fields are all written in the other byte order.
    fn swapped(capture: &[u8]) -> Vec<u8> {
        let mut swapped = capture.to_vec();
        let swap = |bytes: &mut [u8]| bytes.chunks_exact_mut(4).for_each(<[u8]>::reverse);
        swap(&mut swapped[..4]);
        swapped[4..6].reverse();
        swapped[6..8].reverse();
        swap(&mut swapped[8..24]);
        let mut at = HEADER.len();
        while at < swapped.len() {
            let len = u32::from_be_bytes(capture[at + 8..at + 12].try_into().unwrap()) as usize;
            swap(&mut swapped[at..at + 16]);
            at += 16 + len;
        }
        swapped
    }

    #[test]
    fn s253_a_captured_connection_can_be_replayed_and_compared() {
        let capture = example();
        for capture in [swapped(&capture), capture] {
            let connections = CapturedConnection::read_all(&*capture).unwrap();
            let [connection] = &connections[..] else { panic!("{connections:?}") };
            assert_eq!(connection.peer(), "memory:test");
            assert_eq!(connection.received().len(), 70_006);
            let mut wire = StringTransport::connect(Answering);
            connection.replay(&mut wire);
            assert_eq!(wire.written(), b"5 bytes tick tick 65536 bytes 4464 bytes 1 bytes tick bye");
            assert_eq!(wire.written(), connection.sent());
            assert!(wire.closed().unwrap().is_clean());
        }
    }

    #[test]
    fn connections_are_told_apart() {
        let capture = captured(|wire, around| {
            let mut other = StringTransport::connect(around());
            other.receive("b");
            wire.receive("a");
            other.receive("d");
            wire.receive("c");
        });
        let connections = CapturedConnection::read_all(&*capture).unwrap();
        let received: Vec<_> = connections.iter().map(CapturedConnection::received).collect();
        assert_eq!(received, [b"ac", b"bd"]);
    }

    #[test]
    fn the_last_record_may_be_cut_off() {
        let capture = captured(|wire, _| {
            wire.receive("hello");
            wire.receive("you");
            wire.receive_eof();
        });
        let whole = CapturedConnection::read_all(&*capture).unwrap();
        for end in 0..capture.len() {
            match CapturedConnection::read_all(&capture[..end]) {
                Ok(connections) => {
                    assert!(end >= HEADER.len());
                    let received = connections.first().map(CapturedConnection::received).unwrap_or_default();
                    assert!(whole[0].received().starts_with(&received));
                }
                Err(error) => assert!(end < HEADER.len() && error.kind() == io::ErrorKind::UnexpectedEof, "{error}"),
            }
        }
    }

    #[test]
    fn what_is_no_capture_says_so() {
        let header = HEADER.to_vec();
        let record = |event: &[u8]| {
            let mut file = HEADER.to_vec();
            crate::policies::pcap::record(&mut file, Duration::ZERO, b"", event);
            file
        };
        let mut ethernet = header.clone();
        ethernet[23] = 1;
        let mut short = record(b"........M");
        short[HEADER.len() + 15] += 1;
        for (file, says) in [
            (b"\x0a\x0d\x0d\x0a and some more of it....".to_vec(), r"not a pcap file: it begins with \n\r\r\n"),
            (ethernet, "a capture of another kind: its link type is 1, not 147"),
            (record(b"1234567"), "a record of 7 bytes: there are at least 9"),
            (record(b"\0\0\0\0\0\0\0\x07"), "an event of connection 7 that is of no known kind"),
            (record(b"\0\0\0\0\0\0\0\x07?"), "an event of connection 7 that is of no known kind"),
            (record(b"\0\0\0\0\0\0\0\x07R"), "an event of connection 7, which was not made before"),
            (short, "of 10 bytes only 9 were captured: it cannot be replayed"),
        ] {
            let error = CapturedConnection::read_all(&*file).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::InvalidData, says));
        }
        assert!(CapturedConnection::read_all(&*header).unwrap().is_empty());
    }

    #[test]
    fn no_input_makes_it_panic_or_use_more_memory_than_there_is() {
        let mut claims = HEADER.to_vec();
        claims.extend([0xff; 16]);
        assert!(CapturedConnection::read_all(&*claims).unwrap().is_empty(), "4 GiB of nothing");
        let seed = captured(|wire, _| {
            wire.receive("hello");
            wire.receive_eof();
        });
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..20_000 {
            let mut file = seed.clone();
            for _ in 0..random.usize(1..6) {
                let index = random.usize(..file.len());
                file[index] = random.u8(..);
            }
            file.truncate(random.usize(..=file.len()));
            if let Ok(connections) = CapturedConnection::read_all(&*file) {
                assert!(connections.iter().map(|connection| connection.received().len()).sum::<usize>() <= file.len());
            }
        }
    }
}
