use std::fmt;
use std::time::{Duration, Instant};

use reactor::layer::Policy;
use reactor::{CloseReason, Factory, Transport, layer};

/// A policy that closes connections on which nothing moves. Twisted's `TimeoutFactory` and `TimeoutProtocol`.
///
/// Whatever is received or sent, in either direction, restarts the period. What waits because the peer does not read
/// is not sent: a peer keeps its connection by sending or by reading, and not by what the program goes on to write.
///
/// When nothing has moved for the period, the connection closes in order, as by
/// [`lose_connection`](Transport::lose_connection), and the protocol inside ends with [`CloseReason::Done`]. If output
/// is unsent by then, or the connection has been closing for a period already, it is reset, and ends with
/// [`CloseReason::TimedOut`].
///
/// ```
/// use std::time::Duration;
/// use protocols::policies::IdleTimeout;
/// use reactor::testing::StringTransport;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let factory = IdleTimeout::around(Duration::from_secs(60), |transport| Echo { transport });
/// let mut wire = StringTransport::connect(factory);
/// wire.advance(Duration::from_secs(50));
/// wire.receive("still here");
/// wire.advance(Duration::from_secs(59));
/// assert!(wire.closed().is_none());
/// wire.advance(Duration::from_secs(1));
/// assert!(wire.closed().unwrap().is_clean());
/// ```
pub struct IdleTimeout {
    outer: Transport,
    period: Duration,
    active_at: Instant,
    /// What was unsent when this was last looked at, or is to be expected since.
    unsent: usize,
}

impl IdleTimeout {
    /// A factory around a factory: its connections are closed when nothing was received or sent for `period`.
    pub fn around(period: Duration, inside: impl Factory) -> impl Factory {
        layer::around(
            move |outer: Transport| {
                let active_at = outer.reactor().now();
                Self { outer, period, active_at, unsent: 0 }
            },
            inside,
        )
    }

    fn note_activity(&mut self) {
        self.active_at = self.outer.reactor().now();
    }

    /// One call is pending at any time, and nobody moves it: restarting the period costs no more than a look at the
    /// clock.
    fn look_again(&self, delay: Duration) {
        self.outer.call_later(delay, Self::look);
    }

    fn look(&mut self) {
        let unsent = self.outer.unsent();
        // The peer reads, if slowly. An empty output tells nothing new: that it would be sent was expected.
        if unsent > 0 && unsent < self.unsent {
            self.note_activity();
        }
        self.unsent = unsent;
        let idle = self.outer.reactor().now().saturating_duration_since(self.active_at);
        if idle < self.period {
            self.look_again(self.period - idle);
        } else if unsent > 0 || self.outer.is_closing() {
            self.outer.fail_connection(CloseReason::TimedOut);
        } else {
            self.outer.lose_connection();
            self.look_again(self.period);
        }
    }
}

impl Policy for IdleTimeout {
    fn connection_made(&mut self) {
        self.look_again(self.period);
    }

    fn incoming(&mut self, _data: &[u8]) {
        self.note_activity();
    }

    fn outgoing(&mut self, data: &[u8]) -> usize {
        let unsent = self.outer.unsent();
        if unsent == 0 || unsent < self.unsent {
            self.note_activity();
        }
        self.unsent = unsent + data.len();
        data.len()
    }
}

impl fmt::Debug for IdleTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleTimeout").field("outer", &self.outer).field("period", &self.period).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
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
        assert!(matches!(wire.closed(), Some(CloseReason::TimedOut)), "{wire:?}");
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
        assert!(wire.closed().is_none());
        wire.advance(SECOND);
        assert!(wire.closed().unwrap().is_clean());
        assert!(wire.eof_written() && !wire.was_reset());

        let mut wire = StringTransport::connect(IdleTimeout::around(10 * SECOND, Ticker));
        wire.advance(1000 * SECOND);
        assert!(wire.closed().is_none(), "it sends and is read");
    }

    #[test]
    fn s249_data_that_comes_after_the_end_is_harmless() {
        let mut wire = silent();
        wire.advance(10 * SECOND);
        wire.receive("x");
        wire.advance(100 * SECOND);
        assert_eq!(wire.written(), b"");
        assert_eq!(wire.reactor().pending_calls(), 0);
    }

    #[test]
    fn a_connection_on_which_nothing_ever_moves_is_closed() {
        let mut wire = silent();
        wire.advance(10 * SECOND);
        assert!(wire.closed().unwrap().is_clean());
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
        assert!(wire.closed().is_none());
        wire.advance(20 * SECOND);
        assert_timed_out(&wire);
    }

    #[test]
    fn a_connection_that_cannot_finish_closing_is_reset() {
        let mut wire = silent();
        wire.stall(true);
        wire.receive("close");
        wire.advance(9 * SECOND);
        assert!(wire.closed().is_none());
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
        assert!(wire.transport().is_closing() && wire.closed().is_none(), "throttled output still leaves");
        wire.stall(true);
        wire.advance(2 * SECOND);
        assert_timed_out(&wire);
    }

    #[test]
    fn however_much_passes_one_call_is_pending() {
        let mut wire = silent();
        for _ in 0..1000 {
            wire.receive("x");
            assert_eq!(wire.reactor().pending_calls(), 1);
        }
    }
}
