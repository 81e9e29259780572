//! `fd:` and `systemd:`: listening sockets that were opened for this program by another.

use std::os::fd::RawFd;
use std::{env, fmt, io, process};

use async_trait::async_trait;
use socket2::Domain;

use crate::connection::factory::Factory;
use crate::endpoint::scheme::accept_limits;
use crate::endpoint::{Arguments, EndpointError, ServerEndpoint};
use crate::listen::listen_fds;
use crate::listen::socket_activation::Activation;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
use crate::reactor::Reactor;

pub(super) fn by_number(
    reactor: &Reactor,
    arguments: &mut Arguments,
) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let number = arguments.required("number")?;
    let number = number.number().ok_or_else(|| number.error("is not the number of a descriptor"))?;
    InheritedServer::boxed(reactor, arguments, Which::Number(number), None)
}

pub(super) fn by_systemd(
    reactor: &Reactor,
    arguments: &mut Arguments,
) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let domain = match arguments.optional("domain")? {
        Some(domain) => Some(match domain.as_str() {
            "INET" => Domain::IPV4,
            "INET6" => Domain::IPV6,
            "UNIX" => Domain::UNIX,
            _ => return Err(domain.error("is not a domain: those known are INET, INET6, UNIX")),
        }),
        None => None,
    };
    let which = match (arguments.optional("index")?, arguments.optional("name")?) {
        (Some(index), None) => Which::Index(index.count()?),
        (None, Some(name)) => Which::Name(name.to_string()),
        (None, None) => return Err(arguments.error("systemd needs an index or a name")),
        (Some(_), Some(_)) => return Err(arguments.error("systemd takes an index or a name, not both")),
    };
    InheritedServer::boxed(reactor, arguments, which, domain)
}

/// Which of the sockets.
enum Which {
    Number(RawFd),
    Index(u32),
    Name(String),
}

struct InheritedServer {
    reactor: Reactor,
    arguments: Arguments,
    which: Which,
    domain: Option<Domain>,
    limits: AcceptLimits,
}

impl InheritedServer {
    fn boxed(
        reactor: &Reactor,
        arguments: &mut Arguments,
        which: Which,
        domain: Option<Domain>,
    ) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
        let limits = accept_limits::parse(arguments, true)?;
        Ok(Box::new(Self { reactor: reactor.clone(), arguments: arguments.clone(), which, domain, limits }))
    }

    fn take(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        let take = || {
            let number = self.number()?;
            self.reactor.open_in_system("descriptors", || listen_fds::take_listener(number, self.domain))
        };
        self.reactor.listen_inherited(&self.to_string(), take, self.limits, factory)
    }

    fn number(&self) -> io::Result<RawFd> {
        if let Which::Number(number) = self.which {
            return Ok(number);
        }
        let activation = Activation::read(|variable| env::var(variable).ok(), process::id());
        let activation = activation.map_err(io::Error::other)?;
        let number = match &self.which {
            Which::Number(number) => Ok(*number),
            Which::Index(index) => activation.number_of(*index),
            Which::Name(name) => activation.named(name).and_then(|numbers| {
                let mut numbers = numbers.into_iter();
                let free = numbers.find(|number| !listen_fds::is_taken(*number));
                free.ok_or_else(|| format!("all sockets with the name {name:?} were already taken"))
            }),
        };
        number.map_err(io::Error::other)
    }
}

#[async_trait(?Send)]
impl ServerEndpoint for InheritedServer {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        self.take(factory).map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {self}: {error}")))
    }
}

impl fmt::Display for InheritedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}
