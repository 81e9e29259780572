//! The `haproxy:` endpoint, around other endpoints.

use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use reactor::endpoint::{Arguments, EndpointError, ServerEndpoint};
use reactor::{Factory, Port, Reactor};

use crate::proxy_header::{ProxyHeader, network};

pub(crate) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    // All connections come from the proxy, so limits per peer do not apply.
    let inside = arguments.rest()?.with_default("per-peer", "none").with_default("pending-per-peer", "none");
    let inside = inside.server_endpoint(reactor)?;
    let trust = match arguments.optional("trust")? {
        Some(sources) => {
            let names = sources.list();
            if let Some(wrong) = names.iter().find(|name| network(name).is_err()) {
                return Err(
                    sources.error(format_args!("contains {wrong:?}, which is neither an address nor a network"))
                );
            }
            Some(names)
        }
        None => None,
    };
    let deadline = arguments.optional("deadline")?.map(|deadline| deadline.seconds()).transpose()?;
    Ok(Box::new(ProxiedServer { arguments: arguments.clone(), inside, trust, deadline }))
}

struct ProxiedServer {
    arguments: Arguments,
    inside: Box<dyn ServerEndpoint>,
    trust: Option<Vec<String>>,
    deadline: Option<Duration>,
}

#[async_trait(?Send)]
impl ServerEndpoint for ProxiedServer {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        let mut factory = ProxyHeader::around(factory);
        if let Some(trust) = &self.trust {
            factory = factory.trust(trust)?;
        }
        if let Some(deadline) = self.deadline {
            factory = factory.deadline(deadline);
        }
        self.inside.listen(Box::new(factory)).await
    }

    async fn reload(&self) -> io::Result<()> {
        self.inside.reload().await
    }
}

impl fmt::Display for ProxiedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}
