use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;

use futures_util::FutureExt as _;
use futures_util::future::{Either, LocalBoxFuture, select};
use tokio::sync::oneshot;

use crate::connect::connector::{AttemptGuard, Connector};
use crate::connect::error::{ConnectError, ConnectErrorKind};
use crate::connection::Protocol;
use crate::connection::factory::Factory;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::util::panics::panic_message;

/// The outcome of a factory's first connection, for code that implements a
/// [`ClientEndpoint`](crate::endpoint::ClientEndpoint).
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
///     // `None` if it ended before it had a protocol.
///     connector.finished().await.err()
/// })
/// .await
/// # }
/// ```
///
/// Dropping it gives the connection up: the protocol is no longer built, or its connection is aborted.
pub struct FirstConnection {
    target: String,
    built: Awaited,
}

/// The transport and the future of its close reason, or why there is none.
type Built = Result<(Transport, LocalBoxFuture<'static, Option<CloseReason>>), ConnectErrorKind>;

impl FirstConnection {
    /// Wraps a factory to report the outcome of its first connection. Errors name `target`.
    pub fn around(factory: Box<dyn Factory>, target: impl Into<String>) -> (Box<dyn Factory>, Self) {
        let (tell, built) = oneshot::channel();
        (Box::new(Telling { factory, tell: Some(tell) }), Self { target: target.into(), built: Awaited(built) })
    }

    /// Resolves with the transport of the protocol, inside all layers, when its `connection_made` has returned and the
    /// layers' handshakes are [over](Transport::mark_pending). `ended` reports that the attempt
    /// is over; it may resolve with an error, or with `None` if it has none.
    ///
    /// # Errors
    ///
    /// - [`NoProtocol`](ConnectErrorKind::NoProtocol) if the factory refuses the connection or is dropped, or if
    ///   `ended` resolves first, without an error
    /// - the error of `ended`, if it resolves first with one
    /// - [`Panicked`](ConnectErrorKind::Panicked) if the factory or `connection_made` panics
    pub async fn unless(self, ended: impl Future<Output = Option<ConnectError>>) -> Result<Transport, ConnectError> {
        let Self { target, mut built } = self;
        let mut ended = pin!(ended.fuse());
        let built = match select(&mut built.0, &mut ended).await {
            Either::Left((Ok(built), _)) => built,
            // The factory was dropped without an answer, together with the connection: `ended` may know more.
            Either::Left((Err(_), ended)) => match ended.now_or_never().flatten() {
                Some(error) => return Err(error),
                None => Err(ConnectErrorKind::NoProtocol),
            },
            // Both at once: the factory's answer counts, because it is the cause.
            Either::Right((ended, built)) => match (built.try_recv(), ended) {
                (Ok(built), _) => built,
                (Err(_), Some(error)) => return Err(error),
                (Err(_), None) => Err(ConnectErrorKind::NoProtocol),
            },
        };
        let (transport, finished) = match built {
            Ok(built) => built,
            Err(kind) => return Err(ConnectError::new(target, kind, None)),
        };
        let mut awaited = AbortOnDrop(Some(transport.clone()));
        let established = transport.established().await;
        awaited.0 = None;
        // The connection may have ended in `connection_made`.
        let reason = transport.0.failure().or_else(|| finished.now_or_never().flatten());
        if let Some(CloseReason::Panicked(message)) = reason {
            return Err(ConnectError::new(target, ConnectErrorKind::Panicked(message), None));
        }
        if established {
            return Ok(transport.innermost());
        }
        Err(match ended.now_or_never().flatten() {
            Some(error) => error,
            None => ConnectError::unestablished(target, reason.unwrap_or(CloseReason::Done)),
        })
    }
}

/// A connection that nobody may be waiting for any more.
struct AbortOnDrop(Option<Transport>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            transport.abort_connection();
        }
    }
}

/// Has `connect` make one attempt, and resolves as
/// [`ClientEndpoint::connect`](crate::endpoint::ClientEndpoint::connect) does.
pub(super) async fn attempt(
    factory: Box<dyn Factory>,
    target: String,
    connect: impl FnOnce(Box<dyn Factory>) -> Connector,
) -> Result<Transport, ConnectError> {
    let (factory, made) = FirstConnection::around(factory, target);
    let attempt = AttemptGuard(connect(factory));
    made.unless(async { attempt.0.finished().await.err() }).await
}

/// The factory's answer.
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
            // The receiver may have been dropped.
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
                self.tell(Err(ConnectErrorKind::Panicked(panic_message(&*panic))));
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
