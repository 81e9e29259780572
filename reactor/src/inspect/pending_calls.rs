use std::time::{Duration, Instant};

use crate::reactor::Reactor;
use crate::time::call::Whose;

/// A timed call that waits, by [`Reactor::pending_calls`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingCall {
    /// In how long it is due; zero if it is late.
    pub due_in: Duration,
    /// The number of the connection whose call it is, or of the datagram port.
    pub connection: Option<u64>,
    /// The type of the protocol that is called, or of the function, which tells where it was written.
    pub name: &'static str,
}

impl Reactor {
    /// The timed calls that are due first, up to `limit`, in their order. It looks at all of them, which takes some nanoseconds
    /// for each. Twisted's `getDelayedCalls`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::testing::Simulation;
    ///
    /// let sim = Simulation::new(0);
    /// let reactor = sim.host("somewhere");
    /// reactor.call_later(Duration::from_secs(60), || println!("a minute later"));
    /// let calls = reactor.pending_calls(10);
    /// assert_eq!((calls.len(), calls[0].due_in), (1, Duration::from_secs(60)));
    /// ```
    pub fn pending_calls(&self, limit: usize) -> Vec<PendingCall> {
        let timers = &self.0.hub.timers;
        let now = timers.now();
        let pending = |(due, whose): (Instant, Whose)| PendingCall {
            due_in: due.saturating_duration_since(now),
            connection: whose.connection,
            name: whose.name,
        };
        timers.next(limit).into_iter().map(pending).collect()
    }
}
