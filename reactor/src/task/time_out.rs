use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;
use std::{fmt, io};

use futures_util::future::{Either, select};

use crate::reactor::Reactor;

impl Reactor {
    /// Gives `future` this much time from now, by the reactor's clock: so it also works in a simulation, where
    /// `tokio::time::timeout` does not. The future is dropped when the time is over, unless it is ready by then. Twisted's
    /// `addTimeout`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use reactor::testing::StringTransport;
    /// use reactor::{Protocol, Transport};
    ///
    /// struct Asker { transport: Transport }
    /// # async fn lookup(_name: Vec<u8>) -> String { std::future::pending().await }
    ///
    /// impl Protocol for Asker {
    ///     fn data_received(&mut self, name: &[u8]) {
    ///         let found = self.transport.reactor().time_out(Duration::from_secs(5), lookup(name.to_vec()));
    ///         self.transport.defer(found, |this: &mut Self, found| match found {
    ///             Ok(found) => this.transport.write(found),
    ///             Err(error) => write!(this.transport, "sorry, {error}"),
    ///         });
    ///     }
    /// }
    ///
    /// let mut wire = StringTransport::connect(|transport| Asker { transport });
    /// wire.receive("root");
    /// wire.advance(Duration::from_secs(5));
    /// assert_eq!(wire.written_text(), "sorry, there was no result within 5s");
    /// ```
    ///
    /// # Errors
    ///
    /// [`TimedOut`] if it is not ready in time.
    pub fn time_out<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, TimedOut>> + use<F> {
        let over = self.sleep(limit);
        async move {
            match select(pin!(future), pin!(over)).await {
                Either::Left((output, _)) => Ok(output),
                Either::Right(((), _)) => Err(TimedOut(limit)),
            }
        }
    }
}

/// The error of [`Reactor::time_out`]: the future was not ready within this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut(pub Duration);

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there was no result within {:?}", self.0)
    }
}

impl Error for TimedOut {}

impl From<TimedOut> for io::Error {
    fn from(error: TimedOut) -> Self {
        Self::new(io::ErrorKind::TimedOut, error)
    }
}
