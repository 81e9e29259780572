//! `sim:`.

use std::net::{Ipv6Addr, SocketAddr};
use std::{fmt, io};

use async_trait::async_trait;

use crate::connect::error::ConnectError;
use crate::connection::factory::Factory;
use crate::endpoint::first_connection::attempt;
use crate::endpoint::scheme::accept_limits;
use crate::endpoint::{Arguments, ClientEndpoint, EndpointError, ServerEndpoint};
use crate::net::listen_options::ListenOptions;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
use crate::reactor::Reactor;
use crate::transport::Transport;

/// A port of a simulated host.
struct Place {
    /// The reactor of any host of the simulation.
    reactor: Reactor,
    arguments: Arguments,
    host: String,
    port: u16,
    /// The limits if it is listened on.
    limits: AcceptLimits,
}

impl Place {
    fn parse(reactor: &Reactor, arguments: &mut Arguments) -> Result<Self, EndpointError> {
        let (host, port) = (arguments.required("host")?, arguments.required("port")?.port()?);
        let limits = AcceptLimits::default();
        Ok(Self { reactor: reactor.clone(), arguments: arguments.clone(), host: host.to_string(), port, limits })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

pub(super) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let place = Place::parse(reactor, arguments)?;
    Ok(Box::new(Place { limits: accept_limits::parse(arguments, true)?, ..place }))
}

pub(super) fn client(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ClientEndpoint>, EndpointError> {
    Ok(Box::new(Place::parse(reactor, arguments)?))
}

#[async_trait(?Send)]
impl ServerEndpoint for Place {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        let world = self.reactor.0.simulated().and_then(|host| host.world.upgrade());
        let world =
            world.ok_or_else(|| io::Error::other(format!("cannot listen on {self}: the simulation is gone")))?;
        let mut options = ListenOptions::from(SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)));
        options.limits = self.limits;
        Reactor(world.host(&self.host)).listen_tcp(options, factory)
    }
}

#[async_trait(?Send)]
impl ClientEndpoint for Place {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        let target = format!("{}:{}", self.host, self.port);
        attempt(factory, target, |factory| self.reactor.connect_tcp((self.host.as_str(), self.port), factory)).await
    }
}
