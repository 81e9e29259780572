//! `stdio:`.

use std::cell::OnceCell;
use std::rc::Rc;
use std::{fmt, io};

use async_trait::async_trait;

use crate::connection::Protocol;
use crate::connection::factory::Factory;
use crate::endpoint::{Arguments, EndpointError, ServerEndpoint};
use crate::port::Port;
use crate::reactor::Reactor;
use crate::transport::Transport;

pub(super) fn server(reactor: &Reactor, arguments: &mut Arguments) -> Result<Box<dyn ServerEndpoint>, EndpointError> {
    Ok(Box::new(StdioServer { reactor: reactor.clone(), arguments: arguments.clone() }))
}

struct StdioServer {
    reactor: Reactor,
    arguments: Arguments,
}

#[async_trait(?Send)]
impl ServerEndpoint for StdioServer {
    async fn listen(&self, factory: Box<dyn Factory>) -> io::Result<Port> {
        let port = Rc::new(OnceCell::new());
        let opened = self.reactor.listen_stdio(Closing { factory, port: Rc::clone(&port) })?;
        Ok(port.get_or_init(|| opened).clone())
    }
}

impl fmt::Display for StdioServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

/// Wraps a factory to close its port when its connection has ended or is refused.
struct Closing {
    factory: Box<dyn Factory>,
    port: Rc<OnceCell<Port>>,
}

impl Factory for Closing {
    fn start_factory(&mut self) {
        self.factory.start_factory();
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        let stop = StopOnDrop(Rc::clone(&self.port));
        let protocol = self.factory.build_protocol(transport.clone())?;
        let finished = transport.finished();
        transport.reactor().spawn(async move {
            finished.await;
            drop(stop);
        });
        Some(protocol)
    }

    fn stop_factory(&mut self) {
        self.factory.stop_factory();
    }
}

struct StopOnDrop(Rc<OnceCell<Port>>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(port) = self.0.get() {
            port.stop_listening();
        }
    }
}
