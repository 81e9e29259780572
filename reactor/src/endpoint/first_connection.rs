use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;

use futures_util::FutureExt as _;
use futures_util::future::{Either, LocalBoxFuture, select};
use tokio::sync::oneshot;

use crate::connect::error::{ConnectError, ConnectErrorKind};
use crate::connection::factory::Factory;
use crate::connection::protocol::Protocol;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::util::panics::message;

/// What becomes of a factory's first connection: for those who write a [`ClientEndpoint`](crate::endpoint::ClientEndpoint).
///
/// ```
/// # use reactor::{Address, ConnectError, Factory, Reactor, Transport};
/// # use reactor::connect::ConnectErrorKind;
/// # use reactor::endpoint::FirstConnection;
/// # use reactor::net::ConnectOptions;
/// # async fn connect(reactor: Reactor, factory: Box<dyn Factory>) -> Result<Transport, ConnectError> {
/// let (factory, made) = FirstConnection::around(factory, "localhost:8007");
/// let connector = reactor.connect_tcp("localhost:8007", factory);
/// made.unless(async move {
///     // None if it has ended before it had a protocol.
///     connector.finished().await.err()
/// })
/// .await
/// # }
/// ```
///
/// Dropped before it has resolved, it gives up: the protocol is not built any more, or its connection is aborted.
pub struct FirstConnection {
    target: String,
    built: Awaited,
}

/// The transport and the reason of its end, or why there is none.
type Built = Result<(Transport, LocalBoxFuture<'static, Option<CloseReason>>), ConnectErrorKind>;

impl FirstConnection {
    /// A factory around a factory, which tells what becomes of its first connection. `target` is what errors name.
    pub fn around(factory: Box<dyn Factory>, target: impl Into<String>) -> (Box<dyn Factory>, Self) {
        let (tell, built) = oneshot::channel();
        (Box::new(Telling { factory, tell: Some(tell) }), Self { target: target.into(), built: Awaited(built) })
    }

    /// Resolves with the transport when the protocol's `connection_made` has returned; with an error if there is no
    /// protocol, if it panics, or if `ended` resolves first: with the error that it gives, or with
    /// [`NoProtocol`](ConnectErrorKind::NoProtocol) if it gives none.
    ///
    /// # Errors
    ///
    /// So they are.
    pub async fn unless(self, ended: impl Future<Output = Option<ConnectError>>) -> Result<Transport, ConnectError> {
        let Self { target, mut built } = self;
        let built = match select(&mut built.0, pin!(ended)).await {
            Either::Left((Ok(built), _)) => built,
            // The factory is gone without a word, as the connection is: that may say more.
            Either::Left((Err(_), ended)) => match ended.now_or_never().flatten() {
                Some(error) => return Err(error),
                None => Err(ConnectErrorKind::NoProtocol),
            },
            // Both at once: what the factory said counts, for it is the cause.
            Either::Right((ended, built)) => match (built.try_recv(), ended) {
                (Ok(built), _) => built,
                (Err(_), Some(error)) => return Err(error),
                (Err(_), None) => Err(ConnectErrorKind::NoProtocol),
            },
        };
        let made = built.and_then(|(transport, finished)| {
            // In `connection_made`: it may have ended by now.
            let reason = transport.0.failure().or_else(|| finished.now_or_never().flatten());
            match reason {
                Some(CloseReason::Panicked(message)) => Err(ConnectErrorKind::Panicked(message)),
                _ => Ok(transport),
            }
        });
        made.map_err(|kind| ConnectError::new(target, kind, None))
    }
}

/// What the factory will say.
struct Awaited(oneshot::Receiver<Built>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.close();
        if let Ok(Ok((transport, _))) = self.0.try_recv() {
            transport.abort_connection();
        }
    }
}

struct Telling {
    factory: Box<dyn Factory>,
    tell: Option<oneshot::Sender<Built>>,
}

impl Telling {
    fn tell(&mut self, built: Built) {
        if let Some(tell) = self.tell.take() {
            // Who asked may have given up.
            let _ = tell.send(built);
        }
    }
}

impl Factory for Telling {
    fn start_factory(&mut self) {
        self.factory.start_factory();
    }

    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        if self.tell.as_ref().is_some_and(oneshot::Sender::is_closed) {
            return None;
        }
        match catch_unwind(AssertUnwindSafe(|| self.factory.build_protocol(transport.clone()))) {
            Ok(protocol) => {
                self.tell(if protocol.is_some() {
                    let finished = transport.finished().boxed_local();
                    Ok((transport, finished))
                } else {
                    Err(ConnectErrorKind::NoProtocol)
                });
                protocol
            }
            Err(panic) => {
                self.tell(Err(ConnectErrorKind::Panicked(message(&*panic))));
                resume_unwind(panic)
            }
        }
    }

    fn stop_factory(&mut self) {
        self.factory.stop_factory();
    }
}

impl fmt::Debug for FirstConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstConnection").field("target", &self.target).finish_non_exhaustive()
    }
}
