use reactor::CloseReason;

use super::Wire;

#[test]
fn s196_a_close_is_told_to_the_peer_and_nothing_is_lost() {
    let mut wire = Wire::open();
    wire.client.transport().write(vec![b'x'; 300_000]);
    wire.client.transport().lose_connection();
    wire.run();
    assert_eq!(wire.server.received().len(), 300_000);
    assert!(wire.server.has_eof());
    assert!(wire.client.lost_cleanly());
    wire.server.transport().lose_connection();
    wire.run();
    assert!(wire.server.lost_cleanly());
}

#[test]
fn s197_an_end_without_a_word_is_a_reason_of_its_own() {
    let mut wire = Wire::open();
    wire.client.transport().write("all but the");
    wire.run();
    wire.pair.server.receive_eof();
    wire.run();
    assert_eq!(wire.server.received(), b"all but the");
    assert!(!wire.server.has_eof());
    assert!(matches!(wire.server.lost(), Some(CloseReason::Truncated)));
}

#[test]
fn s048_each_direction_ends_by_itself() {
    let mut wire = Wire::open();
    wire.client.transport().write("question");
    wire.client.transport().write_eof();
    wire.run();
    assert!(wire.server.has_eof() && wire.client.lost().is_none());
    wire.server.transport().write("answer");
    wire.server.transport().lose_connection();
    wire.run();
    assert_eq!(wire.client.received(), b"answer");
    assert!(wire.client.lost_cleanly() && wire.server.lost_cleanly());
}

#[test]
fn s204_an_abort_is_a_reset_and_delivers_nothing_more() {
    let mut wire = Wire::open();
    wire.client.transport().write("too late");
    wire.pair.client.settle();
    wire.server.transport().abort_connection();
    wire.run();
    assert_eq!(wire.server.received(), b"");
    assert!(matches!(wire.server.lost(), Some(CloseReason::Aborted)));
    assert!(wire.client.was_reset());
}

#[test]
fn s052_an_abort_has_the_same_reason_over_tls() {
    let mut wire = Wire::open();
    wire.client.transport().abort_connection();
    wire.run();
    assert!(matches!(wire.client.lost(), Some(CloseReason::Aborted)));
}

#[test]
fn s033_what_is_written_after_a_close_is_dropped_over_tls_too() {
    let mut wire = Wire::open();
    wire.client.transport().write("before");
    wire.client.transport().lose_connection();
    wire.client.transport().write("after");
    wire.run();
    assert_eq!(wire.server.received(), b"before");
}
