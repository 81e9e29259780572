use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::reactor::Reactor;
use crate::reactor::core::Core;
use crate::service::{Service, ServiceError};
use crate::task::looping_call::{LoopingCall, Tick};
use crate::util::escaped::escaped;
use crate::util::panics::catch_panic;

/// A function that is called repeatedly while the service runs, as by [`Reactor::call_every`]; the first time one
/// interval after the start, or [at once](Self::now). Twisted's `TimerService`.
///
/// A panic in it is the service's failure. A stop waits until an outstanding [`Tick`] is dropped, even if asynchronous
/// work holds it. A function that ends its loop by [`Tick::stop`] is done until the next start; that is not a failure.
///
/// ```
/// use std::time::Duration;
/// use reactor::Reactor;
/// use reactor::service::TimerService;
///
/// fn statistics(reactor: &Reactor) -> TimerService {
///     let counting = reactor.clone();
///     TimerService::new(reactor, "statistics", Duration::from_secs(60), move |_tick| {
///         println!("{} connections", counting.connection_count());
///     })
/// }
/// ```
pub struct TimerService {
    name: String,
    /// Weak, because the reactor may own this.
    reactor: Weak<Core>,
    interval: Duration,
    now: bool,
    shared: Rc<TimerServiceCell>,
}

/// Shared by the service and its calls.
struct TimerServiceCell {
    /// Borrowed while user code runs, which has no way to reach this cell.
    call: RefCell<Box<dyn FnMut(Tick)>>,
    looping: RefCell<Option<LoopingCall>>,
    panicked: RefCell<Option<String>>,
    changed: Notify,
}

impl TimerService {
    /// Calls `call` every `interval` while the service runs.
    pub fn new(
        reactor: &Reactor,
        name: impl Into<String>,
        interval: Duration,
        call: impl FnMut(Tick) + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            reactor: Rc::downgrade(&reactor.0),
            interval,
            now: false,
            shared: Rc::new(TimerServiceCell {
                call: RefCell::new(Box::new(call)),
                looping: RefCell::new(None),
                panicked: RefCell::new(None),
                changed: Notify::new(),
            }),
        }
    }

    /// Makes the first call as soon as the service has started, and not after one interval: what Twisted's does.
    #[must_use]
    pub fn now(mut self) -> Self {
        self.now = true;
        self
    }
}

#[async_trait(?Send)]
impl Service for TimerService {
    fn name(&self) -> &str {
        &self.name
    }

    async fn start(&self) -> Result<(), ServiceError> {
        let Some(core) = self.reactor.upgrade() else {
            return Err(format!("{}: the reactor is gone", self.name).into());
        };
        let shared = Rc::clone(&self.shared);
        let looping = Reactor(core).call_every(self.interval, move |tick| shared.call(tick));
        if self.now {
            looping.now();
        }
        self.shared.looping.replace(Some(looping));
        Ok(())
    }

    async fn stop(&self) {
        let looping = self.shared.looping.borrow().clone();
        if let Some(looping) = looping {
            looping.stop();
            looping.finished().await;
        }
        self.shared.looping.take();
        self.shared.panicked.take();
    }

    async fn failed(&self) -> ServiceError {
        loop {
            let changed = self.shared.changed.notified();
            if let Some(panic) = &*self.shared.panicked.borrow() {
                return format!("{} panicked: {}", self.name, escaped(panic)).into();
            }
            changed.await;
        }
    }
}

impl TimerServiceCell {
    fn call(&self, tick: Tick) {
        if let Err(panic) = catch_panic(|| (self.call.borrow_mut())(tick)) {
            self.panicked.replace(Some(panic));
            if let Some(looping) = &*self.looping.borrow() {
                looping.stop();
            }
            self.changed.notify_waiters();
        }
    }
}

impl fmt::Debug for TimerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerService")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
