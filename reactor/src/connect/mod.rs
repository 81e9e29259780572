//! Clients: making connections, handling failures, and reconnecting.
//!
//! [`connect_tcp`](crate::Reactor::connect_tcp) and [`connect_unix`](crate::Reactor::connect_unix) return a
//! [`Connector`], the handle of the attempt and of the resulting connection. A failure is a [`ConnectError`]: programs
//! check its [`ConnectErrorKind`], people read its text. [`Connector::retry`] makes it try again, after the delays of a
//! [`Backoff`]. [`ConnectOptions`] and [`UnixConnectOptions`] set deadlines and similar options.
//!
//! ```
//! use reactor::connect::{Backoff, ConnectErrorKind};
//! use reactor::testing::Simulation;
//! # use reactor::{Protocol, Transport};
//! # struct Client { transport: Transport }
//! # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
//!
//! let sim = Simulation::new(0);
//! sim.host("server");
//! let client = sim.host("client");
//! let connector = client.connect_tcp("server:7", |transport| Client { transport });
//! connector.retry(Backoff::new().max_retries(Some(3)));
//! let error = client.run_until(connector.finished())?.unwrap_err();
//! assert_eq!(error.kind(), &ConnectErrorKind::Refused);
//! assert_eq!(error.to_string(), "cannot connect to server:7: connection refused");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! To keep a client running as one of a program's services, use a [`ClientService`](crate::service::ClientService).
//!
//! Twisted has `IConnector`, `ClientFactory` and `ReconnectingClientFactory`.

pub(crate) mod backoff;
pub(crate) mod connector;
pub(crate) mod destination;
pub(crate) mod error;
pub(crate) mod happy_eyeballs;
pub(crate) mod outcome;
pub(crate) mod retry;

pub use backoff::Backoff;
pub use connector::{Connector, ConnectorState};
pub use error::{ConnectError, ConnectErrorKind};

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use crate::connect::destination::Destination;
use crate::connect::happy_eyeballs::{interleave, race};
use crate::connection::factory::{Factory, FactoryCell};
use crate::driver::stream::{Accepted, AnyStream};
use crate::net::connect_options::ConnectOptions;
use crate::net::tcp;
use crate::reactor::Reactor;
use crate::reactor::core::{Backend, Core, MemoryBackend, no_network};
use crate::time::timers::Sleep;
use crate::unix;
use crate::unix::options::UnixConnectOptions;

impl Reactor {
    /// Connects to a TCP server; `factory` builds the protocol once connected. Names are resolved off the loop, and the
    /// addresses of both families are raced (RFC 8305). [`ConnectOptions`] lists the accepted forms of the target, and
    /// the options. Twisted's `connectTCP`, and its `HostnameEndpoint`.
    ///
    /// The call itself never fails: see [`Connector::on_failed`] and [`Connector::finished`]. No callback comes before
    /// it has returned.
    pub fn connect_tcp(&self, target: impl Into<ConnectOptions>, factory: impl Factory) -> Connector {
        self.connect(Destination::Tcp(target.into()), factory)
    }

    /// Connects to a server on a UNIX socket; `factory` builds the protocol once connected. [`UnixConnectOptions`]
    /// lists the accepted forms of the address, and the options. Twisted's `connectUNIX`.
    ///
    /// The call itself never fails: see [`Connector::on_failed`] and [`Connector::finished`]. No callback comes before
    /// it has returned. The attempt does not wait either: if nothing listens, or the server's backlog is full, it fails
    /// at once, so there is no deadline.
    ///
    /// ```no_run
    /// use reactor::{Protocol, Reactor, Transport};
    /// # struct Client { transport: Transport }
    /// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
    ///
    /// let reactor = Reactor::new()?;
    /// let client = reactor.connect_unix("/run/time.sock", |transport| Client { transport });
    /// reactor.run_until(client.finished())??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect_unix(&self, address: impl Into<UnixConnectOptions>, factory: impl Factory) -> Connector {
        self.connect(Destination::Unix(address.into()), factory)
    }

    fn connect(&self, destination: Destination, factory: impl Factory) -> Connector {
        let connector = Connector::new(&self.0, destination, FactoryCell::new(factory));
        connector.connect();
        self.0.add_attempt(connector.downgrade());
        connector
    }
}

impl Core {
    /// Spawns the task that makes one attempt: nothing happens before `connect` has returned.
    pub(crate) fn start_attempt(self: &Rc<Self>, connector: Connector) {
        match (connector.destination(), &self.backend) {
            (Destination::Tcp(options), Backend::Tokio(_)) => {
                let (options, with) = (options.clone(), options.clone());
                let dial = move |to| tcp::connect(to, with.clone());
                self.spawn_task(connector.attempt(Box::pin(resolve_and_race(Rc::downgrade(self), options, dial))));
            }
            (Destination::Tcp(options), Backend::Memory(MemoryBackend { host: Some(host), .. })) => {
                let (options, with) = (options.clone(), options.clone());
                let (network, id) = (Rc::clone(&host.network), host.id);
                let dial = move |to| Rc::clone(&network).connect(id, to, with.clone());
                self.spawn_task(connector.attempt(Box::pin(resolve_and_race(Rc::downgrade(self), options, dial))));
            }
            (Destination::Unix(options), Backend::Tokio(_)) => {
                let options = options.clone();
                let connected = async move {
                    unix::connect(&options).map_err(|error| ConnectError::failed(options.address.to_string(), error))
                };
                self.spawn_task(connector.attempt(Box::pin(connected)));
            }
            (destination, Backend::Memory(_)) => {
                let error = ConnectError::failed(destination.to_string(), no_network());
                self.spawn_task(connector.attempt(Box::pin(async { Err::<Accepted<AnyStream>, _>(error) })));
            }
        }
    }
}

/// Resolves the name and races the addresses.
async fn resolve_and_race<S, D>(
    core: Weak<Core>,
    options: ConnectOptions,
    dial: impl Fn(SocketAddr) -> D,
) -> Result<Accepted<S>, ConnectError>
where
    D: Future<Output = io::Result<Accepted<S>>>,
{
    let target = options.target;
    let failed = |kind, cause| ConnectError::new(target.to_string(), kind, cause);
    let Some((resolver, hub)) = core.upgrade().map(|core| (core.resolver(), Rc::clone(&core.hub))) else {
        return Err(failed(ConnectErrorKind::Cancelled, None));
    };
    let mut addresses = target.resolve(&*resolver).await.map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::InvalidInput => ConnectErrorKind::InvalidTarget,
            _ => ConnectErrorKind::Unresolved,
        };
        failed(kind, Some(error))
    })?;
    if let Some(local) = options.local_address {
        addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
    }
    race(interleave(addresses), dial, |delay| Sleep::new(&hub.timers, delay))
        .await
        .map(|(_, stream)| stream)
        .map_err(|attempts| ConnectError::all_failed(target.to_string(), attempts))
}
