//! `tcp:` and `tcp6:`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::{fmt, io};

use async_trait::async_trait;

use crate::connect::error::ConnectError;
use crate::connection::factory::Factory;
use crate::endpoint::first_connection::attempt;
use crate::endpoint::scheme::accept_limits;
use crate::endpoint::{Arguments, ClientEndpoint, EndpointError, ServerEndpoint};
use crate::net::connect_options::ConnectOptions;
use crate::net::connection_options::ConnectionOptions;
use crate::net::listen_options::ListenOptions;
use crate::port::Port;
use crate::reactor::Reactor;
use crate::transport::Transport;

pub(super) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let port = arguments.required("port")?.port()?;
    let address = match arguments.optional("interface")? {
        Some(interface) => interface.ip_address(port)?,
        None => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
    };
    listening_on(reactor, address, arguments)
}

pub(super) fn server_of_both_families(
    reactor: &Reactor,
    arguments: &mut Arguments,
) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let port = arguments.required("port")?.port()?;
    let address = match arguments.optional("interface")? {
        Some(interface) => match interface.ip_address(port)? {
            address @ SocketAddr::V6(_) => address,
            SocketAddr::V4(_) => return Err(interface.error("is not an IPv6 address")),
        },
        None => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    };
    listening_on(reactor, address, arguments)
}

fn listening_on(
    reactor: &Reactor,
    address: SocketAddr,
    arguments: &mut Arguments,
) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let mut options = ListenOptions::new(address);
    if let Some(backlog) = arguments.optional("backlog")? {
        options = options.backlog(backlog.count()?);
    }
    if let Some(shared) = arguments.optional("reuse-port")? {
        options = options.reuse_port(shared.is_on()?);
    }
    options.limits = accept_limits::parse(arguments, true)?;
    keep_alive(arguments, &mut options.connection)?;
    Ok(Box::new(TcpServer { reactor: reactor.clone(), arguments: arguments.clone(), options }))
}

/// `keep-alive=`, a time or `none`, `keep-alive-interval=` and `keep-alive-count=`.
fn keep_alive(arguments: &mut Arguments, options: &mut ConnectionOptions) -> Result<(), EndpointError> {
    if let Some(idle) = arguments.optional("keep-alive")? {
        options.keep_alive = if idle.as_str() == "none" { None } else { Some(idle.seconds()?) };
    }
    if let Some(interval) = arguments.optional("keep-alive-interval")? {
        options.probes.interval = Some(interval.seconds()?);
    }
    if let Some(count) = arguments.optional("keep-alive-count")? {
        options.probes.count = count.count()?;
    }
    Ok(())
}

struct TcpServer {
    reactor: Reactor,
    arguments: Arguments,
    options: ListenOptions,
}

#[async_trait(?Send)]
impl ServerEndpoint for TcpServer {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        self.reactor.listen_tcp(self.options.clone(), factory)
    }
}

impl fmt::Display for TcpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

pub(super) fn client(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ClientEndpoint>, EndpointError> {
    let host = arguments.required("host")?;
    if host.as_str().is_empty() {
        return Err(host.error("is not a host: a host is a name or an IP address"));
    }
    let mut options = ConnectOptions::new((host.as_str(), arguments.required("port")?.port()?));
    if let Some(timeout) = arguments.optional("timeout")? {
        options = options.deadline(Some(timeout.seconds()?));
    }
    if let Some(address) = arguments.optional("bindAddress")? {
        options = options.local_address(address.ip_address(0)?);
    }
    keep_alive(arguments, &mut options.connection)?;
    Ok(Box::new(TcpClient { reactor: reactor.clone(), arguments: arguments.clone(), options }))
}

struct TcpClient {
    reactor: Reactor,
    arguments: Arguments,
    options: ConnectOptions,
}

#[async_trait(?Send)]
impl ClientEndpoint for TcpClient {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        let target = self.options.target.to_string();
        attempt(factory, target, |factory| self.reactor.connect_tcp(self.options.clone(), factory)).await
    }
}

impl fmt::Display for TcpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}
