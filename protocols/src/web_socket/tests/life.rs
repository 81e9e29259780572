//! Peers that vanish.

use super::*;

const INTERVAL: Duration = Duration::from_secs(20);

#[test]
fn a_peer_of_which_nothing_is_heard_is_asked_and_then_let_go() {
    let mut test = Test::open(|socket| socket);
    test.wire.advance(INTERVAL);
    assert_eq!(test.sent(), [], "its request was heard");
    test.wire.advance(INTERVAL);
    assert_eq!(test.sent(), [(PING, vec![])]);
    test.wire.advance(INTERVAL - Duration::from_millis(1));
    assert!(test.wire.close_reason().is_none());
    test.wire.advance(Duration::from_millis(1));
    assert_eq!(test.log.take(), ["lost: connection timed out"]);
    assert!(test.wire.was_reset());
}

#[test]
fn a_peer_that_answers_stays_for_as_long_as_it_does() {
    let mut test = Test::open(|socket| socket);
    for _ in 0..100 {
        test.wire.advance(INTERVAL);
        for (kind, data) in test.sent() {
            assert_eq!((kind, data), (PING, vec![]));
            test.wire.receive(frame(PONG, ""));
        }
    }
    assert!(test.wire.close_reason().is_none());
}

#[test]
fn pings_can_be_switched_off_and_set() {
    let mut test = Test::open(|socket| socket.ping_interval(None));
    test.wire.advance(Duration::from_secs(100_000));
    assert_eq!(test.sent(), []);
    let second = Duration::from_secs(1);
    let mut test = Test::open(|socket| socket.ping_interval(Some(second)).pong_timeout(second * 5));
    test.wire.advance(second * 2);
    assert_eq!(test.sent(), [(PING, vec![])]);
    test.wire.advance(second * 4);
    assert!(test.wire.close_reason().is_none());
    test.wire.advance(second);
    assert!(matches!(test.wire.close_reason(), Some(CloseReason::TimedOut)));
}

#[test]
fn a_peer_that_takes_nothing_in_is_let_go_and_one_that_is_slow_is_not() {
    let mut test = Test::open(|socket| socket);
    test.wire.stall(true);
    for _ in 0..32 {
        test.wire.receive(frame(BINARY, [7; 8192]));
    }
    test.wire.advance(INTERVAL * 4);
    assert!(matches!(test.wire.close_reason(), Some(CloseReason::TimedOut)));
}

#[test]
fn a_peer_that_is_not_read_cannot_answer_and_stays() {
    let mut test = Test::open(|socket| socket);
    test.receive(&[frame(TEXT, "pause")]);
    test.wire.advance(INTERVAL * 10);
    assert!(test.wire.close_reason().is_none());
    test.wire.protocol::<Echo>().transport.resume_reading();
    test.wire.advance(INTERVAL * 3);
    assert!(matches!(test.wire.close_reason(), Some(CloseReason::TimedOut)));
}

#[test]
fn how_long_a_handshake_takes_can_be_set() {
    let mut wire = StringTransport::connect(echo(&Log::default()).handshake_timeout(Duration::from_secs(3)));
    wire.advance(Duration::from_secs(3));
    assert!(matches!(wire.close_reason(), Some(CloseReason::TimedOut)));
    let mut test = Test::open(|socket| socket.handshake_timeout(Duration::from_secs(3)));
    test.receive(&[frame(TEXT, "close")]);
    test.wire.advance(Duration::from_secs(3));
    assert!(matches!(test.wire.close_reason(), Some(CloseReason::TimedOut)));
}
