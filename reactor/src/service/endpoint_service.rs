use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::connection::factory::{Factory, share};
use crate::endpoint::ServerEndpoint;
use crate::port::{CutOff, Port};
use crate::service::{Service, ServiceError};

/// A port as a service: it listens when the service starts, and [drains](Port::drain) when it stops. Twisted's
/// `StreamServerEndpointService`.
///
/// When the service reloads, so does its [endpoint](ServerEndpoint::reload).
///
/// A port that is stopped by other means stays closed until the next start; that is not a failure.
pub struct EndpointService {
    name: String,
    listen: Listen,
    /// What is listened on, if it has an endpoint.
    endpoint: Option<Rc<dyn ServerEndpoint>>,
    deadline: Option<Duration>,
    /// The open port, until it is drained.
    port: RefCell<Option<Port>>,
    cut_off: RefCell<Vec<CutOff>>,
}

type Listen = Box<dyn Fn() -> LocalBoxFuture<'static, io::Result<Port>>>;

impl EndpointService {
    /// Listens on `endpoint`, whose description is the service's name; `factory` builds a protocol for each connection.
    ///
    /// ```
    /// use reactor::{Protocol, Transport};
    /// use reactor::endpoint::ServerEndpoint;
    /// use reactor::service::EndpointService;
    /// # struct Echo { transport: Transport }
    /// # impl Protocol for Echo {
    /// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
    /// # }
    ///
    /// fn echo(endpoint: Box<dyn ServerEndpoint>) -> EndpointService {
    ///     EndpointService::new(endpoint, |transport| Echo { transport })
    /// }
    /// ```
    pub fn new(endpoint: impl ServerEndpoint + 'static, factory: impl Factory) -> Self {
        let name = endpoint.to_string();
        // A port takes its factory with it when it closes, but this one is needed again.
        let factory = share(factory);
        let endpoint = Rc::new(endpoint);
        let listened = Rc::clone(&endpoint);
        let service = Self::from_fn(name, async move || listened.listen(Box::new(factory.clone())).await);
        Self { endpoint: Some(endpoint), ..service }
    }

    /// Listens by calling `listen`, for ports without an endpoint: datagram ports, or special options.
    ///
    /// ```
    /// use reactor::Reactor;
    /// use reactor::datagram::{DatagramProtocol, DatagramTransport};
    /// use reactor::service::EndpointService;
    /// # struct Echo { transport: DatagramTransport }
    /// # impl DatagramProtocol for Echo {
    /// #     fn datagram_received(&mut self, data: &[u8], from: std::net::SocketAddr) { self.transport.write(data, from); }
    /// # }
    ///
    /// fn echo(reactor: &Reactor) -> EndpointService {
    ///     let reactor = reactor.clone();
    ///     EndpointService::from_fn("echo", async move || reactor.listen_udp(7, |transport| Echo { transport }))
    /// }
    /// ```
    pub fn from_fn(name: impl Into<String>, listen: impl AsyncFn() -> io::Result<Port> + 'static) -> Self {
        let listen = Rc::new(listen);
        let listen = move || {
            let listen = Rc::clone(&listen);
            async move { listen().await }.boxed_local()
        };
        Self {
            name: name.into(),
            listen: Box::new(listen),
            endpoint: None,
            deadline: None,
            port: RefCell::new(None),
            cut_off: RefCell::default(),
        }
    }

    /// Sets how long connections may take to finish when the service stops; after that they are aborted. By default it is what
    /// is left of the time that [all have](crate::Reactor::set_shutdown_deadline) when the reactor stops (8 s).
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The open port; `None` before the service has started and after it has stopped.
    pub fn port(&self) -> Option<Port> {
        self.port.borrow().clone()
    }

    /// The connections that the last stop cut off.
    pub fn cut_off(&self) -> Vec<CutOff> {
        self.cut_off.borrow().clone()
    }
}

#[async_trait(?Send)]
impl Service for EndpointService {
    fn name(&self) -> &str {
        &self.name
    }

    async fn start(&self) -> Result<(), ServiceError> {
        let port = (self.listen)().await?;
        tracing::info!(service = self.name, host = %port.host(), "listening");
        self.port.replace(Some(port));
        Ok(())
    }

    async fn stop(&self) {
        // It stays here meanwhile: if this future is dropped, `stop` may be called again.
        let Some(port) = self.port() else { return };
        let cut_off = port.drain(self.deadline.unwrap_or_else(|| port.time_to_finish())).await;
        self.cut_off.replace(cut_off);
        self.port.replace(None);
    }

    async fn reload(&self) {
        if let Some(endpoint) = &self.endpoint
            && let Err(error) = endpoint.reload().await
        {
            tracing::error!(service = self.name, %error, "cannot reload: it goes on with what it has");
        }
    }
}

impl fmt::Debug for EndpointService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointService")
            .field("name", &self.name)
            .field("port", &self.port.borrow())
            .finish_non_exhaustive()
    }
}
