//! `unix:`.

use std::{fmt, io};

use async_trait::async_trait;

use crate::address::unix::UnixAddress;
use crate::connect::error::ConnectError;
use crate::connection::factory::Factory;
use crate::endpoint::first_connection::attempt;
use crate::endpoint::scheme::accept_limits;
use crate::endpoint::{Argument, Arguments, ClientEndpoint, EndpointError, ServerEndpoint};
use crate::port::Port;
use crate::reactor::Reactor;
use crate::transport::Transport;
use crate::unix::options::{UnixConnectOptions, UnixListenOptions};

pub(super) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let mut options = UnixListenOptions::new(address(arguments)?).lock(true);
    if let Some(mode) = arguments.optional("mode")? {
        options = options.mode(permissions(&mode)?);
    }
    if let Some(backlog) = arguments.optional("backlog")? {
        options = options.backlog(backlog.count()?);
    }
    if let Some(lock) = arguments.optional("lockfile")? {
        options = options.lock(lock.is_on()?);
    }
    if let Some(takes) = arguments.optional("descriptors")? {
        options = options.receive_file_descriptors(takes.is_on()?);
    }
    options.limits = accept_limits::parse(arguments, false)?;
    Ok(Box::new(UnixServer { reactor: reactor.clone(), arguments: arguments.clone(), options }))
}

fn address(arguments: &mut Arguments) -> Result<UnixAddress, EndpointError> {
    let path = arguments.required("path")?;
    let address = UnixAddress::from(path.as_str());
    match address.to_system() {
        Ok(_) => Ok(address),
        Err(error) => Err(path.error(format_args!("is not the address of a UNIX socket: {error}"))),
    }
}

fn permissions(mode: &Argument) -> Result<u32, EndpointError> {
    let octal = !mode.as_str().is_empty() && mode.as_str().bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let bits = u32::from_str_radix(mode.as_str(), 8).ok().filter(|bits| octal && *bits <= 0o777);
    bits.ok_or_else(|| mode.error("is not a mode: a mode is an octal number up to 777"))
}

struct UnixServer {
    reactor: Reactor,
    arguments: Arguments,
    options: UnixListenOptions,
}

#[async_trait(?Send)]
impl ServerEndpoint for UnixServer {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        self.reactor.listen_unix(self.options.clone(), factory)
    }
}

impl fmt::Display for UnixServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

pub(super) fn client(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ClientEndpoint>, EndpointError> {
    let mut options = UnixConnectOptions::new(address(arguments)?);
    if let Some(lock) = arguments.optional("lockfile")? {
        options = options.check_lock(lock.is_on()?);
    }
    if let Some(timeout) = arguments.optional("timeout")? {
        // Only checked: connecting to a UNIX socket takes no time.
        timeout.seconds()?;
    }
    Ok(Box::new(UnixClient { reactor: reactor.clone(), arguments: arguments.clone(), options }))
}

struct UnixClient {
    reactor: Reactor,
    arguments: Arguments,
    options: UnixConnectOptions,
}

#[async_trait(?Send)]
impl ClientEndpoint for UnixClient {
    async fn connect(&self, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
        let target = self.options.address.to_string();
        attempt(factory, target, |factory| self.reactor.connect_unix(self.options.clone(), factory)).await
    }
}

impl fmt::Display for UnixClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}
