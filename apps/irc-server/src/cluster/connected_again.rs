//! Answers of NATS that cannot come any more.

use std::error::Error;
use std::fmt;
use std::pin::pin;

use futures_util::future::{Either, select};
use tokio::sync::watch;

/// The server was connected to again, and knows nothing of what it was asked before.
#[derive(Debug)]
pub(super) struct ConnectedAgain;

impl fmt::Display for ConnectedAgain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection was lost")
    }
}

impl Error for ConnectedAgain {}

/// Waits for an answer of the server, unless it cannot come any more.
pub(super) async fn unless_connected_again<F: Future>(
    connections: &mut watch::Receiver<u64>,
    answer: F,
) -> Result<F::Output, ConnectedAgain> {
    match select(pin!(answer), pin!(connections.changed())).await {
        Either::Left((answer, _)) => Ok(answer),
        Either::Right(_) => Err(ConnectedAgain),
    }
}
