//! Connections that belong neither to a port nor to a connector.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use tokio::sync::oneshot;

use crate::address::Address;
use crate::connection::factory::{Factory, FactoryCell};
use crate::driver;
use crate::driver::Started;
use crate::driver::keeper::Keeper;
use crate::driver::linger::LingerLimits;
use crate::driver::stream::{Accepted, AnyStream, Stream};
use crate::net::connection_options::ConnectionOptions;
use crate::reactor::Reactor;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::transport::flow_control::OUTPUT_LIMIT;

impl Reactor {
    /// Runs the only connection of a factory. It begins in the next turn, because a callback may be running.
    pub(crate) fn run_standalone<F: Factory>(
        &self,
        stream: Accepted<AnyStream>,
        begins: Option<Begins>,
        factory: F,
    ) -> impl Future<Output = CloseReason> + 'static + use<F> {
        let (tell, told) = oneshot::channel();
        let factory = Rc::new(FactoryCell::new(factory));
        let keeper =
            Rc::new(StandaloneKeeper { begins, factory: Some(Rc::clone(&factory)), tell: Cell::new(Some(tell)) });
        let roster = Rc::clone(&self.0.roster);
        self.0.spawn_task(async move {
            factory.start();
            match driver::start(&roster, stream, OUTPUT_LIMIT, &factory, Rc::clone(&keeper) as _) {
                Started::Running(transport, task) => {
                    // It may begin after the others have heard of the shutdown.
                    if roster.hub.is_stopping() {
                        transport.drain();
                    }
                    task.await;
                }
                Started::Refused => keeper.connection_lost(&CloseReason::failed("refused by the factory")),
                Started::Panicked(message) => keeper.connection_lost(&CloseReason::Panicked(message)),
            }
        });
        async move { told.await.unwrap_or(CloseReason::Aborted) }
    }
}

pub(crate) fn between_pipes(stream: impl Stream) -> Accepted<AnyStream> {
    Accepted::any(stream, Address::Pipe, Address::Pipe)
}

/// Keeps a connection that has no other owner.
pub(crate) struct StandaloneKeeper {
    /// Also receives its transport before its protocol is built.
    pub(crate) begins: Option<Begins>,
    /// The factory, if this connection has one of its own.
    pub(crate) factory: Option<Rc<FactoryCell>>,
    /// The receiver of the close reason, if there is one.
    pub(crate) tell: Cell<Option<oneshot::Sender<CloseReason>>>,
}

/// Receives the transport of a connection that begins.
pub(crate) type Begins = Box<dyn Fn(&Transport)>;

impl Keeper for StandaloneKeeper {
    fn connection_begins(&self, transport: &Transport) {
        if let Some(begins) = &self.begins {
            begins(transport);
        }
    }

    fn connection_lost(&self, reason: &CloseReason) {
        if let Some(tell) = self.tell.take() {
            // The receiver may have been dropped.
            let _ = tell.send(reason.clone());
        }
        if let Some(factory) = &self.factory {
            factory.discard();
        }
    }

    fn linger_limits(&self) -> LingerLimits {
        ConnectionOptions::default().linger
    }
}
