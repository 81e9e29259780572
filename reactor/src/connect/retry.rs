//! Staying connected: what a connector does between one attempt and the next.

use crate::connect::backoff::Backoff;
use crate::connect::connector::{Connector, ConnectorState, Outcome};
use crate::connect::error::ConnectErrorKind;
use crate::reactor::Reactor;

impl Connector {
    /// Tries again automatically after a failure or the loss of a connection: if the hook returns without calling
    /// [`connect`](Self::connect), the connector is [`Waiting`](ConnectorState::Waiting) for the back-off's next delay,
    /// and then begins another attempt. Twisted's `ReconnectingClientFactory`.
    ///
    /// A new connection resets the back-off as soon as its `connection_made` has returned, and its layers'
    /// [handshakes](crate::Transport::mark_pending) are over: a web socket that the server refuses is a failed attempt.
    /// After the loss of a connection the first delay passes before the next attempt, even if a server closes each
    /// connection at once.
    ///
    /// While the connector waits, the factory is stopped, and [`finished`](Self::finished) does not resolve.
    /// [`connect`](Self::connect) begins an attempt at once. It ends, with the outcome of the last attempt or
    /// connection, when the [retries](Backoff::max_retries) are used up, after [`stop_trying`](Self::stop_trying) or
    /// [`disconnect`](Self::disconnect), when the reactor stops, or if the target is
    /// [invalid](ConnectErrorKind::InvalidTarget), which no retry would change.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::connect::{Backoff, ConnectorState};
    /// use reactor::testing::Simulation;
    /// # use reactor::{Protocol, Transport};
    /// # struct Client { transport: Transport }
    /// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
    ///
    /// let sim = Simulation::new(0);
    /// sim.host("server");
    /// let client = sim
    ///     .host("client")
    ///     .connect_tcp("server:7", |transport| Client { transport })
    ///     .retry(Backoff::new().max_delay(Duration::from_secs(5)));
    /// sim.run_for(Duration::from_secs(600));
    /// assert!(client.failure_count() > 100);
    ///
    /// sim.host("server").listen_tcp(7, |transport| Client { transport })?;
    /// sim.run_for(Duration::from_secs(6));
    /// assert_eq!(client.state(), ConnectorState::Connected);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// It applies from the next failure or loss on, and replaces any earlier back-off.
    pub fn retry(&self, backoff: Backoff) -> Self {
        self.0.retry.backoff.replace(Some(Box::new(backoff)));
        self.clone()
    }

    /// Makes no further attempt: ends a wait, and gives up the attempt under way, which fails with
    /// [`ConnectErrorKind::Cancelled`]. An existing connection stays, and is not made again when it ends.
    /// [`connect`](Self::connect) undoes this. Twisted's `stopTrying`.
    pub fn stop_trying(&self) {
        self.give_up_attempt();
        if self.0.state.get() == ConnectorState::Waiting {
            self.stop_waiting();
            self.0.state.set(ConnectorState::Disconnected);
            self.tell_end();
        }
    }

    /// Resets the back-off, as a new connection does: the next wait is for its first delay. A wait under way goes on.
    /// Twisted's `resetDelay`.
    pub fn reset_delay(&self) {
        self.0.retry.failures.set(0);
        if let Some(backoff) = &mut *self.0.retry.backoff.borrow_mut() {
            backoff.reset();
        }
    }

    /// The number of failed attempts in a row. The hook that is told of a failure finds it counted; an established
    /// connection whose `connection_made` has returned sets it to zero. The loss of a connection is no failed attempt,
    /// though it counts as the first of the [retries](Backoff::max_retries).
    pub fn failure_count(&self) -> u32 {
        self.0.retry.failures.get()
    }

    pub(crate) fn count_failure(&self) {
        self.0.retry.failures.set(self.failure_count().saturating_add(1));
    }

    /// Waits for the next attempt; returns false if there is to be none.
    pub(crate) fn wait(&self, last: &Outcome) -> bool {
        let hopeless = matches!(last, Err(error) if *error.kind() == ConnectErrorKind::InvalidTarget);
        let Some(reactor) = self.0.core.upgrade().map(Reactor) else { return false };
        if hopeless || self.0.given_up.get() || reactor.0.is_stopping() {
            return false;
        }
        let Some(delay) = self.0.retry.next_delay(&reactor) else { return false };
        match last {
            Ok(reason) => tracing::info!(to = %self.destination(), "{reason}; connecting again in {delay:?}"),
            Err(error) => tracing::info!("{error}; trying again in {delay:?}"),
        }
        self.0.state.set(ConnectorState::Waiting);
        let again = self.clone();
        self.0.retry.call.replace(Some(reactor.call_later(delay, move || again.connect())));
        true
    }

    pub(crate) fn stop_waiting(&self) {
        if let Some(call) = self.0.retry.call.take() {
            call.cancel();
        }
    }
}
