use std::time::Duration;

use reactor::Protocol;
use reactor::testing::StringTransport;

use super::*;
use crate::policies::TrafficLog;
use crate::policies::kept::Kept;

struct Echo(Transport);

impl Protocol for Echo {
    fn data_received(&mut self, data: &[u8]) {
        self.0.write(data);
    }
}

fn sending(bucket: &Bucket) -> StringTransport {
    let bucket = bucket.clone();
    StringTransport::connect(Throttle::around(move |_| Throttle::new().sending(bucket.clone()), Echo))
}

fn receiving(bucket: &Bucket) -> StringTransport {
    let bucket = bucket.clone();
    StringTransport::connect(Throttle::around(move |_| Throttle::new().receiving(bucket.clone()), Echo))
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn s254_what_has_room_leaves_at_once_and_the_rest_at_the_rate() {
    let mut wire = sending(&Bucket::new(100, 10));
    wire.receive([b'x'; 1000]);
    assert_eq!(wire.take_written().len(), 10);
    for _ in 0..9 {
        wire.advance(SECOND);
        assert_eq!(wire.take_written().len(), 100);
    }
    wire.advance(SECOND);
    assert_eq!(wire.take_written().len(), 90);
    assert_eq!(wire.reactor().pending_call_count(), 0, "nothing is called while nothing waits");
    wire.receive([b'x'; 20]);
    assert_eq!(wire.take_written().len(), 10, "it is full again");
    wire.advance(SECOND);
    assert_eq!(wire.take_written().len(), 10);
    wire.advance(1000 * SECOND);
    wire.receive([b'x'; 20]);
    assert_eq!(wire.take_written().len(), 10, "it does not overflow");
}

#[test]
fn what_has_room_leaves_in_one_piece() {
    let kept = Kept::default();
    let throttled = Throttle::around(|_| Throttle::new().sending(Bucket::new(100, 70)), Echo);
    let mut wire = StringTransport::connect(TrafficLog::new(kept.clone()).around(throttled));
    wire.receive([b'x'; 70]);
    assert_eq!(wire.written().len(), 70);
    let log = String::from_utf8(kept.take()).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("sent")).count(), 1, "{log}");
}

#[test]
fn s254_a_byte_needs_room_in_the_whole_chain() {
    let narrow = || Bucket::new(100, 50);
    let wide = |bucket: Bucket| bucket.child(10_000, 10_000);
    for chain in [narrow(), wide(narrow()), wide(wide(narrow())), wide(Bucket::new(10_000, 10_000).child(100, 50))] {
        let mut wire = sending(&chain);
        wire.receive([b'x'; 1000]);
        assert_eq!(wire.take_written().len(), 50, "{chain:?}");
        wire.advance(SECOND);
        assert_eq!(wire.take_written().len(), 100, "{chain:?}");
    }
}

#[test]
fn s248_reading_is_limited_after_the_fact() {
    let mut wire = receiving(&Bucket::new(10, 10));
    wire.receive([b'x'; 10]);
    wire.receive([b'x'; 25]);
    assert_eq!(wire.take_written().len(), 35, "what was read is delivered");
    wire.receive("later");
    wire.advance(Duration::from_millis(2499));
    assert_eq!(wire.take_written(), b"");
    wire.advance(Duration::from_millis(1));
    assert_eq!(wire.take_written(), b"later");
    wire.advance(SECOND);
    assert_eq!(wire.reactor().pending_call_count(), 0);
}

#[test]
fn s247_twenty_five_bytes_at_ten_a_second_pause_for_one_and_a_half_seconds() {
    let mut wire = receiving(&Bucket::new(10, 10));
    wire.receive([b'x'; 25]);
    wire.receive("y");
    wire.advance(Duration::from_millis(1499));
    assert_eq!(wire.take_written().len(), 25);
    wire.advance(Duration::from_millis(1));
    assert_eq!(wire.take_written(), b"y");
}

#[test]
fn throttled_output_leaves_before_the_connection_closes() {
    let mut wire = sending(&Bucket::new(10, 10));
    wire.receive([b'x'; 100]);
    wire.receive_eof();
    wire.advance(Duration::from_millis(8999));
    assert!(wire.close_reason().is_none());
    wire.advance(Duration::from_millis(1));
    assert_eq!(wire.written().len(), 100);
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn an_abort_waits_for_nothing() {
    let mut wire = sending(&Bucket::new(10, 10));
    wire.receive([b'x'; 100]);
    wire.transport().abort_connection();
    wire.settle();
    assert!(wire.close_reason().is_some() && wire.was_reset());
    assert_eq!(wire.reactor().pending_call_count(), 0);
}

#[test]
#[should_panic(expected = "nothing can pass a bucket of rate 0, burst 5")]
fn a_bucket_that_never_fills_is_refused() {
    Bucket::new(0, 5);
}
