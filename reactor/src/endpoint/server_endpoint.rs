use std::fmt;
use std::io;

use async_trait::async_trait;

use crate::factory::Factory;
use crate::port::Port;

/// Something to listen on, whatever it is: a program that is given one lets its user choose the transport. It displays
/// as the description that it can be made from. Twisted's `IStreamServerEndpoint`.
#[async_trait(?Send)]
pub trait ServerEndpoint: fmt::Display {
    /// Begins to listen; for each connection `factory` builds a protocol.
    ///
    /// # Errors
    ///
    /// A sentence that names what could not be listened on and says why; the factory was not started.
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port>;
}

#[async_trait(?Send)]
impl ServerEndpoint for Box<dyn ServerEndpoint> {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        (**self).listen(factory).await
    }
}

/// As it displays.
impl fmt::Debug for dyn ServerEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
