use std::fmt;
use std::time::{Duration, Instant};

use reactor::layer::Policy;
use reactor::{CloseReason, Factory, Transport, layer};

use crate::policies::elapsed;

/// A policy that closes idle connections. Twisted's `TimeoutFactory` and `TimeoutProtocol`.
///
/// Any received or sent byte restarts the period. Output that waits because the peer does not read is not sent: a peer
/// keeps its connection alive by sending or reading, not by what the program goes on to write. What passes in one turn of the
/// loop counts from one time in it ([`Transport::now`]).
///
/// After an idle period the connection closes in order, as by [`lose_connection`](Transport::lose_connection), and the
/// protocol inside ends with [`CloseReason::Done`]. If output is unsent by then, or the connection has already been
/// closing for a period, it is reset and ends with [`CloseReason::TimedOut`].
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
/// assert!(wire.close_reason().is_none());
/// wire.advance(Duration::from_secs(1));
/// assert!(wire.close_reason().unwrap().is_clean());
/// ```
pub struct IdleTimeout {
    outer: Transport,
    period: Duration,
    active_at: Instant,
    /// The unsent bytes at the last look, or what is expected since then.
    unsent: usize,
}

impl IdleTimeout {
    /// A factory around a factory, which closes connections that have neither received nor sent anything for `period`.
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
        self.active_at = self.outer.now();
    }

    /// One call is pending at any time and is never moved: restarting the period costs no more than reading the clock.
    fn look_again(&self, delay: Duration) {
        self.outer.call_later(delay, Self::look);
    }

    fn look(&mut self) {
        let unsent = self.outer.unsent_bytes();
        // The peer reads, if slowly. An empty output tells nothing new: it was expected to be sent.
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
        let unsent = self.outer.unsent_bytes();
        if unsent == 0 || unsent < self.unsent {
            self.note_activity();
        }
        self.unsent = unsent + data.len();
        data.len()
    }

    fn state(&mut self) -> Option<Vec<u8>> {
        let idle = self.outer.reactor().now().saturating_duration_since(self.active_at);
        Some(elapsed::to_state(idle))
    }

    fn resume(&mut self, state: &[u8]) -> bool {
        let Some(idle) = elapsed::from_state(state) else { return false };
        let now = self.outer.reactor().now();
        self.active_at = now.checked_sub(idle).unwrap_or(now);
        self.look_again(self.period.saturating_sub(idle));
        true
    }
}

impl fmt::Debug for IdleTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleTimeout").field("outer", &self.outer).field("period", &self.period).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
