//! An executor that runs on demand.
//!
//! `futures::executor::LocalPool` panics if one is run inside another, as the hosts of a simulation are; it is woken by
//! the thread's own waker, which cannot be handed to timers or asked whether there is something to run; and it cannot
//! drop its tasks before it is dropped itself.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, Stream as _};

/// Runs tasks of this thread on demand, in the order in which they were woken.
pub(crate) struct Executor {
    running: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    /// Separate, because the running tasks are borrowed while a task spawns another.
    spawned: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    woken: Arc<Flag>,
    waker: Waker,
}

impl Executor {
    pub(crate) fn new() -> Self {
        let woken = Arc::new(Flag::default());
        Self { running: RefCell::default(), spawned: RefCell::default(), waker: Waker::from(Arc::clone(&woken)), woken }
    }

    pub(crate) fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.spawned.borrow_mut().push(task);
    }

    /// The waker that makes it [ready](Self::is_ready).
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether there may be something to run.
    pub(crate) fn is_ready(&self) -> bool {
        self.woken.is_set() || !self.spawned.borrow().is_empty()
    }

    /// Runs until no task can continue. Does nothing if called from inside a task.
    pub(crate) fn run_until_stalled(&self) {
        let Ok(mut running) = self.running.try_borrow_mut() else { return };
        loop {
            running.extend(self.spawned.borrow_mut().drain(..));
            self.woken.clear();
            let polled = Pin::new(&mut *running).poll_next(&mut Context::from_waker(&self.waker));
            let finished = matches!(polled, Poll::Ready(Some(())));
            if !finished && !self.is_ready() {
                return;
            }
        }
    }

    /// Drops all tasks.
    pub(crate) fn clear(&self) {
        let running = self.running.try_borrow_mut().map(|mut running| std::mem::take(&mut *running));
        let spawned = self.spawned.take();
        drop((running, spawned));
    }
}

/// A waker that only sets a flag.
#[derive(Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
