use std::fmt;

use async_trait::async_trait;

use crate::connect_error::ConnectError;
use crate::factory::Factory;
use crate::factory::IntoProtocol;
use crate::transport::Transport;

/// Something to connect to, whatever it is. It displays as the description that it can be made from. Twisted's
/// `IStreamClientEndpoint`.
#[async_trait(?Send)]
pub trait ClientEndpoint: fmt::Display {
    /// Connects, and has `factory` build the protocol. Resolves with the protocol's transport when its
    /// `connection_made` has returned; by [`Transport::finished`] one can wait for the end then. Dropped before, the
    /// attempt is given up.
    ///
    /// # Errors
    ///
    /// Whatever goes wrong until then, be it that the factory refuses
    /// ([`NoProtocol`](crate::ConnectErrorKind::NoProtocol)) or that it or `connection_made` panics
    /// ([`Panicked`](crate::ConnectErrorKind::Panicked)).
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError>;
}

#[async_trait(?Send)]
impl ClientEndpoint for Box<dyn ClientEndpoint> {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        (**self).connect(factory).await
    }
}

/// As it displays.
impl fmt::Debug for dyn ClientEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Connects one protocol, for which there is no factory. Twisted's `connectProtocol`.
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
