//! How long a closed socket waits for its peer.

use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::driver::stream::Stream;
use crate::driver::task::yield_now;
use crate::hub::Hub;
use crate::time::timers::{Action, TimerId};

/// How long a closed socket waits for the peer to take what was sent and to end its own stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LingerLimits {
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
}

/// Reads and drops what the peer still sends, until it ends its stream, too, or is given up.
pub(crate) struct Linger {
    quiet_since: Instant,
    closed_at: Instant,
    timer: Option<TimerId>,
    /// The peer's address.
    source: Option<IpAddr>,
}

impl Linger {
    pub(crate) fn new(now: Instant, source: Option<IpAddr>) -> Self {
        Self { quiet_since: now, closed_at: now, timer: None, source }
    }

    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.source
    }

    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        hub: &Hub,
        stream: &mut impl Stream,
        limits: LingerLimits,
    ) -> Poll<()> {
        let mut reads = 0;
        loop {
            match hub.buffers.with_read_buffer(|buffer| stream.poll_read(cx, buffer)) {
                Poll::Ready(Ok(0) | Err(_)) => break,
                Poll::Ready(Ok(_)) => self.quiet_since = hub.timers.now(),
                Poll::Pending => {
                    let now = hub.timers.now();
                    let left = limits.idle.saturating_sub(now - self.quiet_since).min(self.left(limits, now));
                    if left.is_zero() {
                        break;
                    }
                    if self.timer.is_none_or(|timer| hub.timers.due_at(timer).is_none()) {
                        let waker = cx.waker().clone();
                        let wake = Action::named("a socket that lingers", move || waker.wake());
                        self.timer = Some(hub.timers.add(left, wake));
                    }
                    return Poll::Pending;
                }
            }
            reads += 1;
            if self.left(limits, hub.timers.now()).is_zero() {
                break;
            }
            if reads == READS {
                return yield_now(cx);
            }
        }
        if let Some(timer) = self.timer {
            hub.timers.cancel(timer);
        }
        Poll::Ready(())
    }

    /// The time left. Nothing is added up, because the limits may be infinite.
    fn left(&self, limits: LingerLimits, now: Instant) -> Duration {
        limits.total.saturating_sub(now - self.closed_at)
    }
}

/// The maximum number of reads in one poll.
const READS: u32 = 16;
