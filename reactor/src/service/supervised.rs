use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::pin;

use futures_util::future::select;
use tokio::sync::{Mutex, Notify};

use crate::service::{Service, ServiceError};
use crate::util::escaped::escaped;
use crate::util::panics::catch_panic_async;

/// A service owned by its parent: every start is followed by one stop, and panics are failures.
pub(crate) struct Supervised {
    service: Box<dyn Service>,
    /// Held while it starts or stops, so that these never overlap.
    state: Mutex<ServiceState>,
    /// The panic of a reload.
    broken: RefCell<Option<ServiceError>>,
    broke: Notify,
    /// Set when its parent has removed it.
    removed: Cell<bool>,
    was_removed: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ServiceState {
    Stopped,
    Started,
    /// A start or stop that has failed or was dropped: a stop is still due.
    Halfway,
}

impl Supervised {
    pub(crate) fn new(service: impl Service) -> Self {
        Self {
            service: Box::new(service),
            state: Mutex::new(ServiceState::Stopped),
            broken: RefCell::new(None),
            broke: Notify::new(),
            removed: Cell::new(false),
            was_removed: Notify::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        self.service.name()
    }

    /// Starts it, unless it has started. After an error it is stopped.
    pub(crate) async fn start(&self) -> Result<(), ServiceError> {
        let mut state = self.state.lock().await;
        if *state == ServiceState::Started {
            return Ok(());
        }
        self.start_anew(&mut state).await
    }

    /// Stops it, unless it has stopped.
    pub(crate) async fn stop(&self) {
        self.stop_now(&mut *self.state.lock().await).await;
    }

    /// Stops it and starts it again, unless `wanted` is false by then.
    pub(crate) async fn restart(&self, wanted: impl Fn() -> bool) -> Result<(), ServiceError> {
        let mut state = self.state.lock().await;
        if !wanted() {
            return Ok(());
        }
        self.stop_now(&mut state).await;
        if !wanted() {
            return Ok(());
        }
        self.start_anew(&mut state).await
    }

    /// Resolves when it has failed since its start; waits for a start that is under way.
    pub(crate) async fn failed(&self) -> ServiceError {
        if *self.state.lock().await != ServiceState::Started {
            return pending().await;
        }
        let broken = async {
            loop {
                let broke = self.broke.notified();
                if let Some(error) = self.broken.take() {
                    return error;
                }
                broke.await;
            }
        };
        let failed = async { self.catch_panic("failed", async { self.service.failed().await }).await };
        let failed = async { failed.await.unwrap_or_else(|panic| panic) };
        select(pin!(failed), pin!(broken)).await.factor_first().0
    }

    /// Marks it as no longer its parent's.
    pub(crate) fn remove(&self) {
        self.removed.set(true);
        self.was_removed.notify_waiters();
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed.get()
    }

    /// Resolves when it is removed.
    pub(crate) async fn removed(&self) {
        while !self.is_removed() {
            self.was_removed.notified().await;
        }
    }

    /// Reloads it, if it has started. A panic makes it fail, too.
    pub(crate) async fn reload(&self) -> Result<(), ServiceError> {
        if *self.state.lock().await != ServiceState::Started {
            return Ok(());
        }
        self.catch_panic("reload", async { self.service.reload().await }).await.unwrap_or_else(|panic| {
            let told = panic.to_string();
            self.broken.replace(Some(panic));
            self.broke.notify_waiters();
            Err(told.into())
        })
    }

    async fn start_anew(&self, state: &mut ServiceState) -> Result<(), ServiceError> {
        self.stop_now(state).await;
        *state = ServiceState::Halfway;
        let started = self.catch_panic("start", async { self.service.start().await }).await;
        match started.and_then(|started| started) {
            Ok(()) => {
                tracing::debug!(service = self.name(), "started");
                *state = ServiceState::Started;
                Ok(())
            }
            Err(error) => {
                self.stop_now(state).await;
                Err(error)
            }
        }
    }

    async fn stop_now(&self, state: &mut ServiceState) {
        if *state == ServiceState::Stopped {
            return;
        }
        *state = ServiceState::Halfway;
        if let Err(error) = self.catch_panic("stop", async { self.service.stop().await }).await {
            tracing::error!(service = self.name(), %error, "a service did not stop in order");
        } else {
            tracing::debug!(service = self.name(), "stopped");
        }
        self.broken.take();
        *state = ServiceState::Stopped;
    }

    /// Awaits a method; a panic becomes an error.
    async fn catch_panic<T>(&self, method: &str, future: impl Future<Output = T>) -> Result<T, ServiceError> {
        let output = catch_panic_async(future).await;
        output.map_err(|panic| format!("{} panicked in {method}: {}", self.name(), escaped(&panic)).into())
    }
}
