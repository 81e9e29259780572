//! The `timeouts:` endpoint, around other endpoints.

use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use reactor::endpoint::{Argument, Arguments, EndpointError, ServerEndpoint};
use reactor::{Factory, Port, Reactor};

use crate::policies::{FirstMessageTimeout, IdleTimeout};

pub(crate) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    let inside = arguments.rest()?.server_endpoint(reactor)?;
    let seconds = |argument: Argument| argument.seconds();
    let idle = arguments.optional("idle")?.map(seconds).transpose()?;
    let first_message = arguments.optional("first-message")?.map(seconds).transpose()?;
    if idle.is_none() && first_message.is_none() {
        return Err(arguments.error("has no time: give idle= or first-message="));
    }
    Ok(Box::new(LimitedServer { arguments: arguments.clone(), inside, idle, first_message }))
}

struct LimitedServer {
    arguments: Arguments,
    inside: Box<dyn ServerEndpoint>,
    idle: Option<Duration>,
    first_message: Option<Duration>,
}

#[async_trait(?Send)]
impl ServerEndpoint for LimitedServer {
    async fn listen(&self, mut factory: Box<dyn Factory>) -> io::Result<Port> {
        if let Some(limit) = self.first_message {
            factory = Box::new(FirstMessageTimeout::around(limit, factory));
        }
        if let Some(period) = self.idle {
            factory = Box::new(IdleTimeout::around(period, factory));
        }
        self.inside.listen(factory).await
    }

    async fn reload(&self) -> io::Result<()> {
        self.inside.reload().await
    }
}

impl fmt::Display for LimitedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}
