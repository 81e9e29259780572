//! An executor that runs on demand.
//!
//! `futures::executor::LocalPool` panics if one is run inside another, as the hosts of a simulation are; it is woken by
//! the thread's own waker, which cannot be handed to timers or asked whether there is something to run; and it cannot
//! drop its tasks before it is dropped itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::future::LocalBoxFuture;

use crate::util::task_set::TaskSet;

/// Runs tasks of this thread on demand, in the order in which they were woken.
pub(crate) struct Executor {
    tasks: TaskSet<LocalBoxFuture<'static, ()>>,
    woken: Arc<Flag>,
    waker: Waker,
}

impl Executor {
    pub(crate) fn new() -> Self {
        let woken = Arc::new(Flag::default());
        Self { tasks: TaskSet::default(), waker: Waker::from(Arc::clone(&woken)), woken }
    }

    pub(crate) fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.tasks.spawn(task);
    }

    /// The waker that makes it [ready](Self::is_ready).
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Whether there may be something to run.
    pub(crate) fn is_ready(&self) -> bool {
        self.woken.is_set() || self.tasks.has_spawned()
    }

    /// Runs until no task can continue. Does nothing if called from inside a task.
    pub(crate) fn run_until_stalled(&self) {
        if self.tasks.is_polling() {
            return;
        }
        loop {
            self.woken.clear();
            self.tasks.poll(&mut Context::from_waker(&self.waker));
            if !self.is_ready() {
                return;
            }
        }
    }

    /// Drops all tasks.
    pub(crate) fn clear(&self) {
        self.tasks.clear();
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
