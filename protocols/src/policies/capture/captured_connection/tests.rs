use reactor::OnEof;
use reactor::task::Tick;

use super::*;
use crate::policies::Capture;
use crate::policies::capture::pcap::HEADER;
use crate::policies::kept::Kept;
use crate::{LineHandler, LineReceiver, Lines};

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
        assert!(wire.close_reason().unwrap().is_clean());
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
        crate::policies::capture::pcap::record(&mut file, Duration::ZERO, b"", event);
        file
    };
    let mut ethernet = header.clone();
    ethernet[23] = 1;
    let mut short = record(b"........M");
    short[HEADER.len() + 15] += 1;
    for (file, says) in [
        (b"\x0a\x0d\x0d\x0a and some more of it....".to_vec(), r"not a pcap file: it begins with \n\r\r\n"),
        (ethernet, "not a capture of this crate: the link type is 1, not 147"),
        (record(b"1234567"), "a record of 7 bytes: the minimum is 9"),
        (record(b"\0\0\0\0\0\0\0\x07"), "an event of unknown kind of connection 7"),
        (record(b"\0\0\0\0\0\0\0\x07?"), "an event of unknown kind of connection 7"),
        (record(b"\0\0\0\0\0\0\0\x07R"), "an event of connection 7 before the connection was made"),
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

/// Stamps each line with the time of day, and asks again after ten seconds of silence.
struct Stamped {
    lines: Lines,
    greeting: &'static str,
}

impl Stamped {
    fn factory(greeting: &'static str) -> impl Factory {
        LineReceiver::factory(move |lines| Self { lines, greeting })
    }

    fn stamp(&self) -> u64 {
        self.lines.reactor().time_of_day().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }
}

impl LineHandler for Stamped {
    fn connection_made(&mut self) {
        self.lines.send_line(format!("{} {}", self.stamp(), self.greeting));
        self.lines.call_later(Duration::from_secs(10), |this: &mut Self| {
            this.lines.send_line(format!("{} still there?", this.stamp()));
        });
    }

    fn line_received(&mut self, line: &[u8]) {
        self.lines.send_line(format!("{} {}", self.stamp(), line.escape_ascii()));
    }
}

/// Two lines in three pieces, with a timed call in between, on some day.
fn stamped() -> CapturedConnection {
    let kept = Kept::default();
    let capture = Capture::new(kept.clone());
    let mut clock = StringTransport::connect(Answering);
    clock.set_time_of_day(UNIX_EPOCH + Duration::from_secs(1_000_000));
    let mut wire = StringTransport::connect_on(clock.reactor(), capture.around(Stamped::factory("hello")));
    wire.receive("on");
    wire.advance(Duration::from_secs(1));
    wire.receive("e\r\ntw");
    wire.advance(Duration::from_secs(10));
    wire.receive("o\r\n");
    drop(wire);
    CapturedConnection::read_all(&*kept.take()).unwrap().remove(0)
}

#[test]
fn the_same_protocol_answers_the_same_by_the_captured_clock_however_the_bytes_are_cut() {
    let connection = stamped();
    let sent = "1000000 hello\r\n1000001 one\r\n1000010 still there?\r\n1000011 two\r\n";
    assert_eq!(String::from_utf8(connection.sent()).unwrap(), sent);
    assert_eq!(connection.compare(Stamped::factory("hello")), Ok(()));
    connection.compare_every_cut(|| Stamped::factory("hello"));
}

#[test]
fn a_difference_is_told_with_its_place_and_both_sides() {
    let connection = stamped();
    let difference = connection.compare(Stamped::factory("hollo")).unwrap_err();
    assert_eq!((difference.position, difference.received, difference.time), (9, 0, Duration::ZERO));
    // What is missing is missed at the end.
    let difference = CapturedDifference::between(b"one two", b"one", &[(3, 5, Duration::from_secs(2))]).unwrap();
    let told = "from byte 3 of the answers on, after 5 received bytes, 2s after the connection was made:\n \
                then: one two\n  now: one";
    assert_eq!(difference.to_string(), told);
    // What is new is found at the event that it comes by.
    let steps = [(2, 1, Duration::from_secs(1)), (6, 2, Duration::from_secs(2)), (8, 3, Duration::from_secs(3))];
    let difference = CapturedDifference::between(b"ab", b"ab\x1b\xff\r\n12", &steps).unwrap();
    assert_eq!((difference.received, difference.time), (2, Duration::from_secs(2)));
    assert!(difference.to_string().ends_with("then: ab\n  now: ab\\x1b\\xff\\r\\n12"), "{difference}");
    assert_eq!(CapturedDifference::between(b"ab", b"ab", &steps), None);
}

#[test]
#[should_panic(expected = "the cut matters")]
fn answers_that_depend_on_the_cut_are_found() {
    let capture = captured(|wire, _| wire.receive("hello"));
    let connection = &CapturedConnection::read_all(&*capture).unwrap()[0];
    assert_eq!(connection.compare(Answering), Ok(()));
    connection.compare_every_cut(|| Answering);
}
