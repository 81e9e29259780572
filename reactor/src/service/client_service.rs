use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::time::Duration;
use std::{fmt, io, mem};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{AbortHandle, Either, LocalBoxFuture, abortable, select};
use tokio::sync::{Notify, oneshot};

use crate::connect::backoff::Backoff;
use crate::connect::error::{ConnectError, ConnectErrorKind};
use crate::connection::factory::{Factory, SharedFactory, share};
use crate::endpoint::ClientEndpoint;
use crate::reactor::Reactor;
use crate::reactor::core::Core;
use crate::service::{Service, ServiceError};
use crate::time::timers::Sleep;
use crate::transport::Transport;
use crate::transport::close_reason::CloseReason;
use crate::util::escaped::escaped;
use crate::util::panics::catch_panic_async;

/// A connection that is kept up: it is made when the service starts, and made again, after a [back-off](Backoff),
/// whenever an attempt fails or the connection ends. Twisted's `ClientService`.
///
/// An attempt succeeds when `connection_made` has returned, the handshakes of layers are
/// [over](Transport::mark_pending), and the connection is [prepared](Self::prepare_connection); this resets the back-off. Failures are logged, and reported by [`when_connected`](Self::when_connected). The service
/// itself only fails when the back-off allows [no more retries](Backoff::max_retries). It starts at once, connected or
/// not.
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
/// use reactor::{Protocol, Reactor, Transport};
/// use reactor::connect::Backoff;
/// use reactor::endpoint::ClientEndpoint;
/// use reactor::service::ClientService;
/// # struct Client { transport: Transport }
/// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
///
/// fn greet(reactor: &Reactor, endpoint: Box<dyn ClientEndpoint>) -> ClientService {
///     let service = ClientService::new(reactor, endpoint, |transport| Client { transport })
///         .backoff(Backoff::new().max_delay(Duration::from_secs(10)));
///     let connected = service.when_connected(Some(3));
///     reactor.spawn(async move {
///         match connected.await {
///             Ok(transport) => transport.write("hello\r\n"),
///             Err(error) => eprintln!("{error}, three times in a row"),
///         }
///     });
///     service
/// }
/// ```
pub struct ClientService {
    /// The task that keeps the connection up, before it begins.
    task: ClientTask,
    abort: RefCell<Option<AbortHandle>>,
}

type Prepare = Rc<dyn Fn(Transport) -> LocalBoxFuture<'static, Result<(), ServiceError>>>;

/// Shared by the service and its task.
struct ClientServiceCell {
    state: RefCell<ClientState>,
    /// The connection's transport, from before it is prepared until it has ended.
    transport: RefCell<Option<Transport>>,
    waiting: RefCell<Vec<ConnectionWaiter>>,
    /// Whether the task exists.
    running: Cell<bool>,
    changed: Notify,
}

enum ClientState {
    /// Not started, or connecting.
    Away,
    Connected,
    GaveUp(ConnectError),
    Stopped,
}

struct ConnectionWaiter {
    /// The number of further failures to wait for.
    failures: Option<u32>,
    tell: oneshot::Sender<Result<Transport, ConnectError>>,
}

impl ClientService {
    /// Keeps up a connection to `endpoint`, whose description is the service's name; `factory` builds the protocol of
    /// each connection.
    pub fn new(reactor: &Reactor, endpoint: impl ClientEndpoint + 'static, factory: impl Factory) -> Self {
        let task = ClientTask {
            name: endpoint.to_string().into(),
            reactor: Rc::downgrade(&reactor.0),
            endpoint: Rc::new(endpoint),
            factory: share(factory),
            prepare: None,
            backoff: Backoff::new(),
            deadline: None,
            shared: Rc::new(ClientServiceCell {
                state: RefCell::new(ClientState::Away),
                transport: RefCell::new(None),
                waiting: RefCell::default(),
                running: Cell::new(false),
                changed: Notify::new(),
            }),
        };
        Self { task, abort: RefCell::new(None) }
    }

    /// Sets how long to wait before each attempt except the first (the [default](Backoff::new)). A lost connection
    /// counts as a failure, so that one that is lost as soon as it is made does not come back at once.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.task.backoff = backoff;
        self
    }

    /// Sets what to do with each connection before it counts as connected, such as logging in. An error, a panic or the
    /// end of the connection makes this a failed attempt, and closes the connection. Twisted's `prepareConnection`.
    ///
    /// ```
    /// # use reactor::{Protocol, Reactor, Transport};
    /// # use reactor::endpoint::ClientEndpoint;
    /// # use reactor::service::ClientService;
    /// # struct Client { transport: Transport }
    /// # impl Protocol for Client { fn data_received(&mut self, _: &[u8]) {} }
    /// # async fn answer_to(_transport: &Transport, _question: &str) -> String { String::new() }
    /// # fn client(reactor: &Reactor, endpoint: Box<dyn ClientEndpoint>) -> ClientService {
    /// ClientService::new(reactor, endpoint, |transport| Client { transport }).prepare_connection(async |transport| {
    ///     match &*answer_to(&transport, "LOGIN guest\r\n").await {
    ///         "OK" => Ok(()),
    ///         refused => Err(format!("the server lets nobody in: {refused}").into()),
    ///     }
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn prepare_connection(
        mut self,
        prepare: impl AsyncFn(Transport) -> Result<(), ServiceError> + 'static,
    ) -> Self {
        let prepare = Rc::new(prepare);
        self.task.prepare = Some(Rc::new(move |transport| {
            let prepare = Rc::clone(&prepare);
            async move { prepare(transport).await }.boxed_local()
        }));
        self
    }

    /// Sets how long a connection may take to finish when the service stops; after that it is aborted. By default it is what
    /// is left of the time that [all have](crate::Reactor::set_shutdown_deadline) when the reactor stops (8 s).
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.task.deadline = Some(deadline);
        self
    }

    /// Resolves with the transport of the connection's protocol, inside all layers, at once if it is connected, otherwise as soon as it is. It may be
    /// called before the service starts. Twisted's `whenConnected`.
    ///
    /// # Errors
    ///
    /// The last of `failures` failed attempts from now on; with `None`, any number may fail. The last error if the
    /// service gives up; [`ConnectErrorKind::Cancelled`] if it stops or has stopped.
    pub fn when_connected(
        &self,
        failures: Option<u32>,
    ) -> impl Future<Output = Result<Transport, ConnectError>> + 'static + use<> {
        let known = match &*self.task.shared.state.borrow() {
            ClientState::Connected => {
                self.task.shared.transport.borrow().clone().filter(|open| !open.is_closing()).map(Ok)
            }
            ClientState::GaveUp(error) => Some(Err(error.clone())),
            ClientState::Stopped => Some(Err(self.cancelled())),
            ClientState::Away => None,
        };
        let (tell, told) = oneshot::channel();
        match known {
            // The receiver cannot have been dropped yet.
            Some(known) => drop(tell.send(known)),
            None => {
                let mut waiting = self.task.shared.waiting.borrow_mut();
                if waiting.len() == waiting.capacity() {
                    waiting.retain(|waiting| !waiting.tell.is_closed());
                }
                waiting.push(ConnectionWaiter { failures, tell });
            }
        }
        let cancelled = self.cancelled();
        async move { told.await.unwrap_or(Err(cancelled)) }
    }

    fn cancelled(&self) -> ConnectError {
        ConnectError::new(&*self.task.name, ConnectErrorKind::Cancelled, None)
    }
}

#[async_trait(?Send)]
impl Service for ClientService {
    fn name(&self) -> &str {
        &self.task.name
    }

    async fn start(&self) -> Result<(), ServiceError> {
        let Some(core) = self.task.reactor.upgrade() else { return Ok(()) };
        if self.task.shared.running.replace(true) {
            tracing::warn!(service = &*self.task.name, "the service was started while it was running");
            return Ok(());
        }
        self.task.shared.state.replace(ClientState::Away);
        // A connection that was left closing because a `stop` was dropped.
        let before = self.task.shared.transport.borrow().clone();
        let (task, abort) = abortable(self.task.clone().keep_up(before));
        self.abort.replace(Some(abort));
        let ending = Ending(Rc::clone(&self.task.shared));
        Reactor(core).spawn(async move {
            let _ending = ending;
            // Ended or aborted, the task is over.
            let _ = task.await;
        });
        Ok(())
    }

    async fn stop(&self) {
        if let Some(abort) = &*self.abort.borrow() {
            abort.abort();
        }
        self.task.shared.state.replace(ClientState::Stopped);
        self.task.shared.tell_all(&Err(self.cancelled()));
        self.task.shared.until(|shared| !shared.running.get()).await;
        // It stays here meanwhile: if this future is dropped, `stop` may be called again.
        let transport = self.task.shared.transport.borrow().clone();
        if let Some(transport) = transport {
            close(&transport, self.task.deadline).await;
        }
        self.task.shared.transport.replace(None);
    }

    async fn failed(&self) -> ServiceError {
        self.task.shared.until(|shared| matches!(*shared.state.borrow(), ClientState::GaveUp(_))).await;
        match &*self.task.shared.state.borrow() {
            ClientState::GaveUp(error) => error.clone().into(),
            _ => self.cancelled().into(),
        }
    }
}

/// The task that keeps the connection up.
#[derive(Clone)]
struct ClientTask {
    name: Rc<str>,
    /// Weak, because the reactor may own this.
    reactor: Weak<Core>,
    endpoint: Rc<dyn ClientEndpoint>,
    factory: SharedFactory,
    prepare: Option<Prepare>,
    backoff: Backoff,
    deadline: Option<Duration>,
    shared: Rc<ClientServiceCell>,
}

impl ClientTask {
    async fn keep_up(mut self, before: Option<Transport>) {
        if let Some(before) = before {
            before.finished().await;
        }
        loop {
            let error = match self.attempt().await {
                Ok(transport) => {
                    self.backoff.reset();
                    let ended = transport.finished();
                    self.shared.state.replace(ClientState::Connected);
                    self.shared.tell_all(&Ok(transport));
                    let reason = ended.await;
                    self.shared.state.replace(ClientState::Away);
                    // `None` only with the reactor, or if the connection ended as soon as it was made.
                    self.error(reason.unwrap_or(CloseReason::Done))
                }
                Err(error) => error,
            };
            self.shared.transport.replace(None);
            tracing::warn!(service = &*self.name, "{error}");
            self.shared.failed(&error);
            match self.delay() {
                Some(delay) => delay.await,
                None => {
                    self.shared.state.replace(ClientState::GaveUp(error.clone()));
                    return self.shared.tell_all(&Err(error));
                }
            }
        }
    }

    /// The time until the next attempt, or `None` if there is to be none.
    fn delay(&mut self) -> Option<Sleep> {
        let reactor = Reactor(self.reactor.upgrade()?);
        let delay = self.backoff.next_delay(&reactor)?;
        Some(Sleep::new(&reactor.0.hub.timers, delay))
    }

    /// Connects and prepares the connection.
    async fn attempt(&self) -> Result<Transport, ConnectError> {
        let connected = catch_panic_async(self.endpoint.connect(Box::new(self.factory.clone()))).await;
        let transport = connected.map_err(|panic| self.error(panic))??;
        self.shared.transport.replace(Some(transport.clone()));
        if let Some(prepare) = &self.prepare {
            let preparing = catch_panic_async(async { prepare(transport.clone()).await });
            let prepared = match select(pin!(preparing), pin!(transport.finished())).await {
                Either::Left((Ok(prepared), _)) => prepared,
                Either::Left((Err(panic), _)) => {
                    Err(format!("preparing the connection panicked: {}", escaped(&panic)).into())
                }
                Either::Right((Some(reason), _)) => {
                    Err(format!("the connection ended while it was prepared: {reason}").into())
                }
                Either::Right((None, _)) => Err("the connection ended before it could be prepared".into()),
            };
            if let Err(error) = prepared {
                close(&transport, self.deadline).await;
                return Err(self.error(error));
            }
        }
        Ok(transport)
    }

    fn error(&self, cause: impl Into<ServiceError>) -> ConnectError {
        ConnectError::new(&*self.name, ConnectErrorKind::Other, Some(io::Error::other(cause)))
    }
}

/// Asks a connection to finish, and aborts it after the deadline.
async fn close(transport: &Transport, deadline: Option<Duration>) {
    let mut ended = pin!(transport.finished());
    transport.drain();
    let hub = &transport.0.hub;
    let late = Sleep::new(&hub.timers, deadline.unwrap_or_else(|| hub.time_to_finish()));
    if let Either::Right(_) = select(&mut ended, late).await {
        tracing::warn!(peer = %transport.peer(), unsent = transport.unsent_bytes(), "cut off: it did not finish in time");
        transport.abort_connection();
        ended.await;
    }
}

impl ClientServiceCell {
    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            if condition(self) {
                return;
            }
            changed.await;
        }
    }

    fn tell_all(&self, outcome: &Result<Transport, ConnectError>) {
        for waiting in self.waiting.take() {
            // The receiver may have been dropped.
            let _ = waiting.tell.send(outcome.clone());
        }
    }

    /// Reports a failure to those that wait for no further ones.
    fn failed(&self, error: &ConnectError) {
        let (lost_patience, patient) = mem::take(&mut *self.waiting.borrow_mut())
            .into_iter()
            .map(|waiting| ConnectionWaiter {
                failures: waiting.failures.map(|failures| failures.saturating_sub(1)),
                ..waiting
            })
            .partition(|waiting| waiting.failures == Some(0));
        *self.waiting.borrow_mut() = patient;
        let lost_patience: Vec<ConnectionWaiter> = lost_patience;
        for waiting in lost_patience {
            let _ = waiting.tell.send(Err(error.clone()));
        }
    }
}

/// Records that the task is gone, for whatever reason.
struct Ending(Rc<ClientServiceCell>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.running.set(false);
        self.0.changed.notify_waiters();
    }
}

impl fmt::Debug for ClientService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService")
            .field("name", &self.task.name)
            .field("transport", &self.task.shared.transport.borrow())
            .finish_non_exhaustive()
    }
}
