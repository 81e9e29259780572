//! `stdio:`.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io};

use async_trait::async_trait;

use crate::address::Address;
use crate::connection::Protocol;
use crate::connection::factory::{Factory, FactoryCell};
use crate::driver::stream::{Accepted, AnyListener, AnyStream, Listener};
use crate::endpoint::{Arguments, EndpointError, ServerEndpoint};
use crate::io::pipe::PipeStream;
use crate::net::connection_options::ConnectionOptions;
use crate::port::Port;
use crate::port::accept_limits::AcceptLimits;
use crate::reactor::Reactor;
use crate::reactor::port_registry::{PortSocket, Request};
use crate::reactor::standalone::between_pipes;
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
        // Of several reactors, the first has it.
        let join = |_: &mut PortSocket| Ok(Some(StdioListener { stream: None, _held: Arc::default() }));
        let open = |_: &[SocketAddr]| {
            let held = Arc::default();
            let shared = PortSocket::Single(Arc::downgrade(&held));
            Ok((StdioListener { stream: Some(self.reactor.take_stdio()?), _held: held }, shared))
        };
        let (listener, key) = self.reactor.0.shared_ports.open(Request::of_process("stdio"), join, open)?;
        let listener: AnyListener = Box::new(listener);
        let factory = FactoryCell::new(Closing { factory, port: Rc::clone(&port) });
        let opened = self.reactor.accept_on(listener, AcceptLimits::default(), ConnectionOptions::default(), factory);
        self.reactor.0.shared_ports.hold(key, &opened);
        Ok(port.get_or_init(|| opened).clone())
    }
}

impl fmt::Display for StdioServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments.fmt(f)
    }
}

/// A listener at which one stream arrives, and no other.
struct StdioListener {
    /// Until it is accepted.
    stream: Option<PipeStream>,
    _held: Arc<()>,
}

impl Listener for StdioListener {
    type Stream = AnyStream;

    fn poll_accept(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Accepted<AnyStream>>> {
        self.stream.take().map_or(Poll::Pending, |stream| Poll::Ready(Ok(between_pipes(stream))))
    }

    fn host(&self) -> Address {
        Address::Pipe
    }

    fn turn_away(&mut self, _cx: &mut Context<'_>) -> io::Result<usize> {
        Ok(0)
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
