//! Waiting for what becomes of a connector's attempts.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::Poll;

use crate::connect::connector::{Connector, ConnectorCell, ConnectorState};
use crate::connect::error::ConnectError;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;

impl Connector {
    /// Resolves with the [transport](Self::transport) when there is a connection, at once if there is one already. The
    /// protocol's own handle comes from it by [`Transport::handle`].
    ///
    /// ```
    /// # use reactor::testing::Simulation;
    /// # use reactor::{Protocol, Transport};
    /// # struct Client { transport: Transport }
    /// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
    /// # let sim = Simulation::new(0);
    /// # sim.host("server").listen_tcp(21567, |transport| Client { transport })?;
    /// # let reactor = sim.host("client");
    /// let client = reactor.connect_tcp("server:21567", |transport| Client { transport });
    /// let connected = client.connected();
    /// reactor.spawn(async move {
    ///     match connected.await {
    ///         Ok(transport) => transport.write("hello"),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// });
    /// # sim.run_for(std::time::Duration::from_secs(1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the last attempt, when no [retry](Self::retry) follows. A connection that was lost before this was
    /// polled is an error, too.
    pub fn connected(&self) -> impl Future<Output = Result<Transport, ConnectError>> + 'static + use<> {
        let waiting = Waiting::new(Rc::clone(&self.0));
        poll_fn(move |cx| {
            let connector = Self(Rc::clone(&waiting.0));
            if let Some(transport) = connector.transport() {
                return Poll::Ready(Ok(transport));
            }
            if let Some(outcome) = connector.outcome() {
                let target = connector.destination().to_string();
                return Poll::Ready(Err(
                    outcome.map_or_else(|error| error, |reason| ConnectError::unestablished(target, reason))
                ));
            }
            waiting.0.wakers.add(cx.waker());
            Poll::Pending
        })
    }

    /// Resolves when an attempt has failed or its connection has ended, the hook has returned without calling
    /// [`connect`](Self::connect), and no [retry](Self::retry) follows. Resolves at once if that is already so.
    ///
    /// ```no_run
    /// # use reactor::{Protocol, Reactor, Transport};
    /// # struct Client { transport: Transport }
    /// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
    /// let reactor = Reactor::new()?;
    /// let client = reactor.connect_tcp("localhost:21567", |transport| Client { transport });
    /// if let Err(error) = reactor.run_until(client.finished())? {
    ///     eprintln!("{error}");
    ///     std::process::exit(1);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn finished(&self) -> impl Future<Output = Result<CloseReason, ConnectError>> + 'static + use<> {
        let waiting = Waiting::new(Rc::clone(&self.0));
        poll_fn(move |cx| {
            let outcome = Self(Rc::clone(&waiting.0)).outcome();
            if outcome.is_none() {
                waiting.0.wakers.add(cx.waker());
            }
            outcome.map_or(Poll::Pending, Poll::Ready)
        })
    }

    /// How the last attempt or connection ended, unless another is under way or follows.
    fn outcome(&self) -> Option<Result<CloseReason, ConnectError>> {
        let is_over = self.0.state.get() == ConnectorState::Disconnected;
        if is_over { self.0.outcome.borrow().clone() } else { None }
    }
}

/// A future waits for the outcome, so a failure need not be logged.
struct Waiting(Rc<ConnectorCell>);

impl Waiting {
    fn new(cell: Rc<ConnectorCell>) -> Self {
        cell.waiting.set(cell.waiting.get() + 1);
        Self(cell)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}
