use std::fmt;
use std::time::Duration;

use reactor::layer::Policy;
use reactor::{CloseReason, DelayedCall, Factory, Transport, layer};

use crate::policies::elapsed;

/// A policy that resets connections whose first message is not complete in time, however slowly the peer sends it;
/// other servers call this a request or header time-out.
///
/// It runs from the start of the connection until the protocol inside has received a whole message. The receivers of
/// this crate report that by themselves: a line, a string, a segment, a codec's message, an AMP call. A protocol of
/// your own, a handler that begins in raw mode, or one of [`StatefulReceiver`](crate::stateful::StatefulReceiver),
/// whose parts may be less than a message, must call [`note_message`](Transport::note_message). Nothing else stops the
/// timer, in particular not sending.
///
/// The protocol inside ends with [`CloseReason::TimedOut`]. For later messages use
/// [`IdleTimeout`](crate::policies::IdleTimeout), or a timer of the protocol itself.
///
/// ```
/// use std::time::Duration;
/// use protocols::{LineHandler, LineReceiver, Lines};
/// use protocols::policies::FirstMessageTimeout;
/// use reactor::testing::StringTransport;
/// # struct Echo { lines: Lines }
/// # impl LineHandler for Echo {
/// #     fn line_received(&mut self, line: &[u8]) { self.lines.send_line(line) }
/// # }
///
/// let lines = LineReceiver::factory(|lines| Echo { lines });
/// let mut slow = StringTransport::connect(FirstMessageTimeout::around(Duration::from_secs(30), lines));
/// for _ in 0..3 {
///     slow.receive("x");
///     slow.advance(Duration::from_secs(10));
/// }
/// assert!(slow.was_reset());
/// ```
pub struct FirstMessageTimeout {
    outer: Transport,
    limit: Duration,
    timer: Option<DelayedCall>,
}

impl FirstMessageTimeout {
    /// A factory around a factory, which resets connections without a whole message after `limit`.
    pub fn around(limit: Duration, inside: impl Factory) -> impl Factory {
        layer::around(move |outer| Self { outer, limit, timer: None }, inside)
    }

    fn expire_after(&mut self, time: Duration) {
        let expired = |this: &mut Self| this.outer.fail_connection(CloseReason::TimedOut);
        self.timer = Some(self.outer.call_later(time, expired));
    }
}

impl Policy for FirstMessageTimeout {
    fn connection_made(&mut self) {
        self.expire_after(self.limit);
    }

    fn message_received(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    /// The time that has passed, or nothing if there was a message.
    fn state(&mut self) -> Option<Vec<u8>> {
        let Some(timer) = &self.timer else { return Some(Vec::new()) };
        let now = self.outer.reactor().now();
        let left = timer.due_at().map_or(Duration::ZERO, |due_at| due_at.saturating_duration_since(now));
        Some(elapsed::to_state(self.limit.saturating_sub(left)))
    }

    fn resume(&mut self, state: &[u8]) -> bool {
        if state.is_empty() {
            return true;
        }
        let Some(passed) = elapsed::from_state(state) else { return false };
        self.expire_after(self.limit.saturating_sub(passed));
        true
    }
}

impl fmt::Debug for FirstMessageTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstMessageTimeout")
            .field("outer", &self.outer)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use reactor::testing::StringTransport;

    use super::*;
    use crate::{LineHandler, LineReceiver, Lines};

    /// Greets, and then sends something every second, without being asked.
    struct Talker(Lines);

    impl LineHandler for Talker {
        fn connection_made(&mut self) {
            self.0.send_line("220 ready");
            self.0.call_every(SECOND, |this: &mut Self, _| this.0.send_line("news"));
        }
        fn line_received(&mut self, line: &[u8]) {
            self.0.send_line(line);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn connect() -> StringTransport {
        StringTransport::connect(FirstMessageTimeout::around(30 * SECOND, LineReceiver::factory(Talker)))
    }

    #[test]
    fn a_peer_that_drips_its_first_line_is_reset_whatever_is_sent_meanwhile() {
        let mut wire = connect();
        for _ in 0..29 {
            wire.advance(SECOND);
            wire.receive("\n");
        }
        assert!(wire.close_reason().is_none());
        wire.advance(SECOND);
        assert!(matches!(wire.close_reason(), Some(CloseReason::TimedOut)));
        assert!(wire.was_reset());
    }

    #[test]
    fn a_peer_that_has_sent_a_line_in_time_may_be_silent_afterwards() {
        let mut wire = connect();
        wire.advance(29 * SECOND);
        wire.receive("hello\r\n");
        wire.receive("and");
        wire.advance(1000 * SECOND);
        assert!(wire.close_reason().is_none());
        wire.receive(" more\r\n");
        assert!(wire.written().ends_with(b"and more\r\n"));
    }
}
