use reactor::Protocol;
use reactor::task::Tick;
use reactor::testing::StringTransport;

use super::*;
use crate::policies::{Bucket, Throttle};

/// Writes ten bytes every second.
struct Ticker(Transport);

impl Protocol for Ticker {
    fn connection_made(&mut self) {
        self.0.call_every(SECOND, |this: &mut Self, _: Tick| this.0.write("0123456789"));
    }
    fn data_received(&mut self, _data: &[u8]) {}
}

struct Silent(Transport);

impl Protocol for Silent {
    fn data_received(&mut self, data: &[u8]) {
        self.0.write([b'x'; 1000]);
        if data == b"close" {
            self.0.lose_connection();
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn silent() -> StringTransport {
    StringTransport::connect(IdleTimeout::around(10 * SECOND, Silent))
}

#[track_caller]
fn assert_timed_out(wire: &StringTransport) {
    assert!(matches!(wire.close_reason(), Some(CloseReason::TimedOut)), "{wire:?}");
    assert!(wire.was_reset());
}

#[test]
fn s249_any_data_in_either_direction_restarts_the_idle_timer() {
    let mut wire = silent();
    for _ in 0..5 {
        wire.advance(9 * SECOND);
        wire.receive("x");
    }
    wire.advance(9 * SECOND);
    assert!(wire.close_reason().is_none());
    wire.advance(SECOND);
    assert!(wire.close_reason().unwrap().is_clean());
    assert!(wire.eof_written() && !wire.was_reset());

    let mut wire = StringTransport::connect(IdleTimeout::around(10 * SECOND, Ticker));
    wire.advance(1000 * SECOND);
    assert!(wire.close_reason().is_none(), "it sends and is read");
}

#[test]
fn s249_data_that_comes_after_the_end_is_harmless() {
    let mut wire = silent();
    wire.advance(10 * SECOND);
    wire.receive("x");
    wire.advance(100 * SECOND);
    assert_eq!(wire.written(), b"");
    assert_eq!(wire.reactor().pending_call_count(), 0);
}

#[test]
fn a_connection_on_which_nothing_ever_moves_is_closed() {
    let mut wire = silent();
    wire.advance(10 * SECOND);
    assert!(wire.close_reason().unwrap().is_clean());
}

#[test]
fn a_peer_that_does_not_read_is_not_kept_alive_by_what_is_written_to_it() {
    let mut wire = StringTransport::connect(IdleTimeout::around(10 * SECOND, Ticker));
    wire.stall(true);
    wire.advance(12 * SECOND);
    assert_timed_out(&wire);
}

#[test]
fn a_peer_that_reads_slowly_keeps_its_connection_until_it_stops() {
    let mut wire = silent();
    wire.stall(true);
    wire.receive("x");
    for _ in 0..20 {
        wire.advance(9 * SECOND);
        wire.read(10);
    }
    assert!(wire.close_reason().is_none());
    wire.advance(20 * SECOND);
    assert_timed_out(&wire);
}

#[test]
fn a_connection_that_cannot_finish_closing_is_reset() {
    let mut wire = silent();
    wire.stall(true);
    wire.receive("close");
    wire.advance(9 * SECOND);
    assert!(wire.close_reason().is_none());
    wire.advance(SECOND);
    assert_timed_out(&wire);
}

#[test]
fn what_still_leaves_when_it_closes_has_to_be_read_in_time_too() {
    let slowly = |_: &Transport| Throttle::new().sending(Bucket::new(1, 1));
    let factory = IdleTimeout::around(SECOND / 2, Throttle::around(slowly, Silent));
    let mut wire = StringTransport::connect(factory);
    wire.receive("x");
    wire.advance(SECOND / 2);
    assert!(wire.transport().is_closing() && wire.close_reason().is_none(), "throttled output still leaves");
    wire.stall(true);
    wire.advance(2 * SECOND);
    assert_timed_out(&wire);
}

#[test]
fn however_much_passes_one_call_is_pending() {
    let mut wire = silent();
    for _ in 0..1000 {
        wire.receive("x");
        assert_eq!(wire.reactor().pending_call_count(), 1);
    }
}
