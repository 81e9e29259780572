use std::fmt;

use async_trait::async_trait;

use crate::connect::error::ConnectError;
use crate::connection::factory::{Factory, IntoProtocol};
use crate::transport::Transport;

/// A target to connect to, whatever the transport. It displays as a description that it can be made from. Twisted's
/// `IStreamClientEndpoint`.
#[async_trait(?Send)]
pub trait ClientEndpoint: fmt::Display {
    /// Connects; `factory` builds the protocol. Resolves with the protocol's transport when its `connection_made` has
    /// returned. Where layers are around the protocol, that is the innermost transport, once their handshakes are
    /// [over](Transport::mark_pending). Use [`Transport::finished`] to wait for the connection's end. Dropping the future gives the attempt
    /// up.
    ///
    /// # Errors
    ///
    /// If the connection cannot be made, or ends before a handshake is over, with the reason; if the factory refuses it
    /// ([`NoProtocol`](crate::connect::ConnectErrorKind::NoProtocol)); if the factory or `connection_made` panics
    /// ([`Panicked`](crate::connect::ConnectErrorKind::Panicked)).
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError>;
}

#[async_trait(?Send)]
impl ClientEndpoint for Box<dyn ClientEndpoint> {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        (**self).connect(factory).await
    }
}

/// Formats as it displays.
impl fmt::Debug for dyn ClientEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Connects a single protocol, without a factory. Twisted's `connectProtocol`.
///
/// ```
/// use reactor::testing::Simulation;
/// use reactor::{Protocol, Transport};
/// use reactor::endpoint::{client_from_string, connect_protocol};
///
/// struct Question { transport: Transport, text: String }
///
/// impl Protocol for Question {
///     fn connection_made(&mut self) {
///         self.transport.write(&self.text);
///     }
///     fn data_received(&mut self, _answer: &[u8]) {
///         self.transport.lose_connection();
///     }
/// }
///
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
/// let sim = Simulation::new(0);
/// sim.host("server").listen_tcp(7, |transport| Echo { transport })?;
/// let client = sim.host("client");
/// let endpoint = client_from_string(&client, "tcp:server:7")?;
/// let reason = client.run_until(async {
///     let text = "how are you?".to_owned();
///     let transport = connect_protocol(&*endpoint, move |transport| Question { transport, text }).await?;
///     Ok::<_, reactor::ConnectError>(transport.finished().await)
/// })??;
/// assert!(reason.is_none_or(|reason| reason.is_clean()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`ClientEndpoint::connect`].
pub async fn connect_protocol<P: IntoProtocol>(
    endpoint: &dyn ClientEndpoint,
    build: impl FnOnce(Transport) -> P + 'static,
) -> Result<Transport, ConnectError> {
    let mut build = Some(build);
    let once = move |transport| build.take().map(|build| build(transport).into_protocol());
    endpoint.connect(Box::new(once)).await
}
