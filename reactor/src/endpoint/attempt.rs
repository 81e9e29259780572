//! Connecting by a connector.

use crate::connect_error::ConnectError;
use crate::connector::Connector;
use crate::connector::ConnectorState;
use crate::endpoint::Made;
use crate::factory::Factory;
use crate::transport::Transport;

/// Has `connect` make one attempt, and resolves as [`ClientEndpoint::connect`](crate::ClientEndpoint::connect) does.
pub(super) async fn attempt(
    factory: Box<dyn Factory>,
    target: String,
    connect: impl FnOnce(Box<dyn Factory>) -> Connector,
) -> Result<Transport, ConnectError> {
    let (factory, made) = Made::around(factory, target);
    let attempt = Attempt(connect(factory));
    made.unless(async { attempt.0.finished().await.err() }).await
}

/// Is given up when it is dropped; a connection is not.
struct Attempt(Connector);

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.0.state() == ConnectorState::Connecting {
            self.0.disconnect();
        }
    }
}
