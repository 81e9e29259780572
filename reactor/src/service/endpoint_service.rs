use std::cell::RefCell;
use std::future::ready;
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
/// When the service reloads, so does its [endpoint](ServerEndpoint::reload), or what [`on_reload`](Self::on_reload) says.
///
/// A port that is stopped by other means stays closed until the next start; that is not a failure.
pub struct EndpointService {
    name: String,
    listen: Listen,
    reload: Reload,
    deadline: Option<Duration>,
    /// The open port, until it is drained.
    port: RefCell<Option<Port>>,
    cut_off: RefCell<Vec<CutOff>>,
}

type Listen = Box<dyn Fn() -> LocalBoxFuture<'static, io::Result<Port>>>;
type Reload = Box<dyn Fn() -> LocalBoxFuture<'static, io::Result<()>>>;

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
        Self::from_fn(name, async move || listened.listen(Box::new(factory.clone())).await)
            .on_reload(async move || endpoint.reload().await)
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
        Self {
            name: name.into(),
            listen: boxed(listen),
            reload: Box::new(|| ready(Ok(())).boxed_local()),
            deadline: None,
            port: RefCell::new(None),
            cut_off: RefCell::default(),
        }
    }

    /// Calls `reload` when the service reloads, in place of reloading the endpoint: for what the program reads itself, such
    /// as certificates.
    #[must_use]
    pub fn on_reload(mut self, reload: impl AsyncFn() -> io::Result<()> + 'static) -> Self {
        self.reload = boxed(reload);
        self
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

fn boxed<T>(call: impl AsyncFn() -> T + 'static) -> Box<dyn Fn() -> LocalBoxFuture<'static, T>> {
    let call = Rc::new(call);
    Box::new(move || {
        let call = Rc::clone(&call);
        async move { call().await }.boxed_local()
    })
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

    async fn reload(&self) -> Result<(), ServiceError> {
        Ok((self.reload)().await?)
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
