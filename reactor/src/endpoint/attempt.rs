//! Connecting by a connector.

use crate::connect::connector::{Attempt, Connector};
use crate::connect::error::ConnectError;
use crate::connection::factory::Factory;
use crate::endpoint::FirstConnection;
use crate::transport::Transport;

/// Has `connect` make one attempt, and resolves as
/// [`ClientEndpoint::connect`](crate::endpoint::ClientEndpoint::connect) does.
pub(super) async fn attempt(
    factory: Box<dyn Factory>,
    target: String,
    connect: impl FnOnce(Box<dyn Factory>) -> Connector,
) -> Result<Transport, ConnectError> {
    let (factory, made) = FirstConnection::around(factory, target);
    let attempt = Attempt(connect(factory));
    made.unless(async { attempt.0.finished().await.err() }).await
}
