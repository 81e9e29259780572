use std::{fmt, io};

use async_trait::async_trait;

use crate::connection::factory::Factory;
use crate::port::Port;

/// Something to listen on, whatever the transport: a program that takes one lets its user choose. It displays as a
/// description that it can be made from. Twisted's `IStreamServerEndpoint`.
///
/// ```
/// use reactor::testing::Simulation;
/// use reactor::{Protocol, Transport};
/// use reactor::endpoint::server_from_string;
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let sim = Simulation::new(0);
/// let reactor = sim.host("server");
/// let endpoint = server_from_string(&reactor, "tcp:8007")?;
/// assert_eq!(endpoint.to_string(), "tcp:8007");
/// let port = reactor.run_until(endpoint.listen(Box::new(|transport| Echo { transport })))??;
/// assert_eq!(port.host().to_string(), "0.0.0.0:8007");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait(?Send)]
pub trait ServerEndpoint: fmt::Display {
    /// Begins to listen; `factory` builds a protocol for each connection.
    ///
    /// # Errors
    ///
    /// If the endpoint cannot be listened on. The error names it and says why; the factory is not started.
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port>;

    /// Reads again what may have changed while it is listened on, such as certificates, for connections from now on. An
    /// [`EndpointService`](crate::service::EndpointService) calls it when it reloads. Does nothing by default; an endpoint
    /// around another passes it on.
    ///
    /// # Errors
    ///
    /// If something cannot be read, or is wrong. Nothing has changed then.
    async fn reload(&self) -> io::Result<()> {
        Ok(())
    }
}

#[async_trait(?Send)]
impl ServerEndpoint for Box<dyn ServerEndpoint> {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        (**self).listen(factory).await
    }

    async fn reload(&self) -> io::Result<()> {
        (**self).reload().await
    }
}

/// Formats as it displays.
impl fmt::Debug for dyn ServerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
