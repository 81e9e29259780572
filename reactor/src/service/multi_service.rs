use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, LocalBoxFuture, join_all, select};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{Mutex, Notify};

use crate::reactor::Reactor;
use crate::service::restarts::Restarts;
use crate::service::supervised::Supervised;
use crate::service::{Service, ServiceError};
use crate::time::timers::Timers;

/// Several services as one: started in order, stopped in reverse, and restarted when they fail. It is itself a service,
/// so services form a tree. Twisted's `MultiService`, and the supervisor of Erlang's OTP.
///
/// - **Start**: one after another; each serves before the next is started. If one cannot be started, those before it
///   are stopped in reverse, and its error is returned.
/// - **Stop**: in reverse, each before the one that it may depend on; or [all at once](Self::independent).
/// - **Failure**: a service that [fails](Service::failed) by itself is stopped and started again at once, without the
///   others (OTP's `one_for_one`), as often as [`restarts`](Self::restarts) allows, which by default is never. A failed
///   restart counts as one more failure. After the last, all are stopped in reverse, and this service has failed, for
///   its parent to handle. If no parent restarts it, the program ends.
/// - **Reload**: all that have started, in order.
///
/// ```
/// use std::time::Duration;
/// use reactor::Reactor;
/// use reactor::service::{EndpointService, MultiService, TimerService};
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// fn services(reactor: &Reactor) -> MultiService {
///     let statistics = TimerService::new(reactor, "statistics", Duration::from_secs(60), |_tick| println!("…"));
///     let listening = reactor.clone();
///     let echo = EndpointService::from_fn("echo", async move || listening.listen_tcp(7, |transport| Echo { transport }));
///     MultiService::new(reactor, "everything").restarts(3, Duration::from_secs(5)).with(statistics).with(echo)
/// }
/// ```
pub struct MultiService {
    name: String,
    timers: Rc<Timers>,
    restarts: Restarts,
    independent: bool,
    /// Keyed by numbers that only grow, so that an iteration misses none while others come and go.
    children: RefCell<BTreeMap<u64, Rc<Supervised>>>,
    next_number: Cell<u64>,
    /// True from the beginning of a start to the beginning of a stop.
    running: Cell<bool>,
    /// Held while services start, so that each starts after those before it.
    starting: Mutex<()>,
    added: Notify,
    /// The last failure that could not be handled here.
    gave_up: RefCell<Option<String>>,
}

impl MultiService {
    /// Makes an empty one. The reactor provides the clock.
    pub fn new(reactor: &Reactor, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            timers: Rc::clone(&reactor.0.hub.timers),
            restarts: Restarts::new(0, Duration::ZERO),
            independent: false,
            children: RefCell::default(),
            next_number: Cell::new(0),
            running: Cell::new(false),
            starting: Mutex::new(()),
            added: Notify::new(),
            gave_up: RefCell::default(),
        }
    }

    /// Sets how often services may be restarted: `most` times within any `period`, for all of them together. OTP's
    /// `intensity` and `period`, which are 1 and five seconds there.
    #[must_use]
    pub fn restarts(mut self, most: usize, period: Duration) -> Self {
        self.restarts = Restarts::new(most, period);
        self
    }

    /// Declares that no service needs another in order to stop: all are stopped at once, as by Twisted's
    /// `MultiService`. So several ports that drain take as long as the slowest of them.
    #[must_use]
    pub fn independent(mut self) -> Self {
        self.independent = true;
        self
    }

    /// Adds a service after the others.
    #[must_use]
    pub fn with(self, service: impl Service) -> Self {
        self.insert(service);
        self
    }

    /// Adds a service after the others, and starts it if this one has started. While others are starting it waits for
    /// them; so a service that adds a sibling must not wait for it in its own start. Twisted's `addService`.
    ///
    /// # Errors
    ///
    /// The service's error, if it cannot be started; it is then not added.
    pub async fn add(&self, service: impl Service) -> Result<(), ServiceError> {
        let _turn = self.starting.lock().await;
        let (number, child) = self.insert(service);
        // Supervised from here on, even if this future is dropped.
        self.added.notify_waiters();
        if self.running.get() {
            // Already in its place, so that a stop in the meantime finds it.
            if let Err(error) = child.start().await {
                self.children.borrow_mut().remove(&number);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Stops the first service of this name, and forgets it. Returns whether there was one. Twisted's
    /// `disownServiceParent` and `removeService`.
    ///
    /// It is found by its [name](Service::name). For what else the program wants of a service, keep an `Rc` of it beside
    /// the parent, since `Rc<S>` is a service, too; that is what Twisted's `getServiceNamed` is for.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::Reactor;
    /// use reactor::service::{MultiService, TimerService};
    ///
    /// let reactor = Reactor::new()?;
    /// let beat = TimerService::new(&reactor, "beat", Duration::from_secs(60), |_tick| println!("alive"));
    /// let services = MultiService::new(&reactor, "everything").with(beat);
    /// let removed = async { (services.remove("beat").await, services.remove("beat").await) };
    /// assert_eq!(reactor.run_until(removed)?, (true, false));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn remove(&self, name: &str) -> bool {
        let _turn = self.starting.lock().await;
        let found = self.children.borrow().iter().find_map(|(number, child)| (child.name() == name).then_some(*number));
        let Some(child) = found.and_then(|number| self.children.borrow_mut().remove(&number)) else { return false };
        child.remove();
        child.stop().await;
        true
    }

    fn insert(&self, service: impl Service) -> (u64, Rc<Supervised>) {
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        let child = Rc::new(Supervised::new(service));
        self.children.borrow_mut().insert(number, Rc::clone(&child));
        (number, child)
    }

    /// The next service after number `from`, which it advances.
    fn next_child(&self, from: &mut u64) -> Option<Rc<Supervised>> {
        let children = self.children.borrow();
        let (number, child) = children.range(*from..).next()?;
        *from = number + 1;
        Some(Rc::clone(child))
    }

    /// Restarts the service whenever it fails; resolves when it has failed too often, or with `None` when it was removed.
    async fn supervise(&self, child: Rc<Supervised>) -> Option<ServiceError> {
        loop {
            let mut error = match select(pin!(child.failed()), pin!(child.removed())).await {
                Either::Left((error, _)) => error,
                Either::Right(_) => return None,
            };
            loop {
                let again = self.restarts.allow(self.timers.now());
                tracing::error!(service = child.name(), %error, again, "a service has failed");
                if !again {
                    return Some(error);
                }
                match child.restart(|| self.running.get() && !child.is_removed()).await {
                    Ok(()) => break,
                    Err(next) => error = next,
                }
            }
        }
    }

    async fn stop_children(&self) {
        self.running.set(false);
        let children: Vec<_> = self.children.borrow().values().rev().cloned().collect();
        if self.independent {
            join_all(children.iter().map(|child| child.stop())).await;
        } else {
            for child in children {
                child.stop().await;
            }
        }
    }
}

#[async_trait(?Send)]
impl Service for MultiService {
    fn name(&self) -> &str {
        &self.name
    }

    async fn start(&self) -> Result<(), ServiceError> {
        let _turn = self.starting.lock().await;
        self.running.set(true);
        self.restarts.forget();
        self.gave_up.replace(None);
        let mut number = 0;
        while let Some(child) = self.next_child(&mut number) {
            if let Err(error) = child.start().await {
                tracing::debug!(service = child.name(), %error, "a service did not start");
                self.stop_children().await;
                return Err(error);
            }
        }
        Ok(())
    }

    async fn stop(&self) {
        self.stop_children().await;
    }

    /// Resolves when a service has failed and may not be restarted. This future performs the restarts: unless it is
    /// polled, failed services stay as they are.
    async fn failed(&self) -> ServiceError {
        if let Some(error) = &*self.gave_up.borrow() {
            return error.clone().into();
        }
        // One that never ends, because an empty set would be over at once.
        let mut supervised = FuturesUnordered::<LocalBoxFuture<'_, Option<ServiceError>>>::new();
        supervised.push(pending().boxed_local());
        let mut number = 0;
        let error = loop {
            let added = self.added.notified();
            while let Some(child) = self.next_child(&mut number) {
                supervised.push(self.supervise(child).boxed_local());
            }
            if let Either::Left((Some(Some(error)), _)) = select(supervised.next(), pin!(added)).await {
                break error;
            }
        };
        self.gave_up.replace(Some(error.to_string()));
        // Restarts that are under way finish meanwhile.
        let stopped = self.stop_children().boxed_local();
        let ends = supervised.for_each(async |_error| ()).then(|()| pending()).boxed_local();
        select(stopped, ends).await.factor_first();
        error
    }

    /// Reloads all of them, also behind one that cannot; the error names each that could not.
    async fn reload(&self) -> Result<(), ServiceError> {
        let (mut number, mut wrong) = (0, Vec::new());
        while let Some(child) = self.next_child(&mut number) {
            if let Err(error) = child.reload().await {
                wrong.push(format!("{}: {error}", child.name()));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ").into()) }
    }
}

impl fmt::Debug for MultiService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MultiService")
            .field("name", &self.name)
            .field("services", &self.children.borrow().len())
            .field("running", &self.running.get())
            .finish_non_exhaustive()
    }
}
