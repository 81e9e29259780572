//! Many tasks as one.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, Stream as _};

/// Tasks that one task polls, in the order in which they were woken. Each takes less memory than a task of a runtime, and a
/// poll fewer instructions.
pub(crate) struct TaskSet<F> {
    running: RefCell<FuturesUnordered<F>>,
    /// Separate, because the running tasks are borrowed while a task spawns another.
    spawned: RefCell<Vec<F>>,
    /// Of the task that polls them, once it has.
    waker: RefCell<Option<Waker>>,
}

impl<F> TaskSet<F> {
    pub(crate) fn spawn(&self, task: F) {
        self.spawned.borrow_mut().push(task);
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Whether a task waits for its first poll.
    pub(crate) fn has_spawned(&self) -> bool {
        !self.spawned.borrow().is_empty()
    }

    /// Whether this is called from inside a task.
    pub(crate) fn is_polling(&self) -> bool {
        self.running.try_borrow().is_err()
    }

    /// Drops all tasks, except while one is polled.
    pub(crate) fn clear(&self) {
        let running = self.running.try_borrow_mut().map(|mut running| std::mem::take(&mut *running));
        let spawned = self.spawned.take();
        drop((running, spawned));
    }
}

impl<F: Future<Output = ()>> TaskSet<F> {
    /// Polls the tasks that were woken until none can continue, or until some have had their turn and go on in the next
    /// poll, which they have asked for. Not to be called from inside a task.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) {
        let mut running = self.running.borrow_mut();
        if !self.waker.borrow().as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker.replace(Some(cx.waker().clone()));
        }
        loop {
            running.extend(self.spawned.borrow_mut().drain(..));
            let polled = Pin::new(&mut *running).poll_next(cx);
            let finished = matches!(polled, Poll::Ready(Some(())));
            if !finished && !self.has_spawned() {
                return;
            }
        }
    }
}

impl<F> Default for TaskSet<F> {
    fn default() -> Self {
        Self { running: RefCell::default(), spawned: RefCell::default(), waker: RefCell::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::sync::Arc;

    use futures_channel::oneshot;
    use futures_util::future::LocalBoxFuture;

    use super::*;
    use crate::util::executor::Flag;

    type Tasks = Rc<TaskSet<LocalBoxFuture<'static, ()>>>;

    #[test]
    fn only_tasks_that_were_woken_are_polled_and_one_that_ends_goes() {
        let tasks = Tasks::default();
        let polls = Rc::new(Cell::new(0));
        let (tell, told) = oneshot::channel::<()>();
        let counted = Rc::clone(&polls);
        let mut told = Box::pin(told);
        tasks.spawn(Box::pin(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            told.as_mut().poll(cx).map(drop)
        })));
        let mut cx = Context::from_waker(Waker::noop());
        tasks.poll(&mut cx);
        tasks.poll(&mut cx);
        assert_eq!(polls.get(), 1);
        tell.send(()).unwrap();
        tasks.poll(&mut cx);
        assert_eq!(polls.get(), 2);
        assert_eq!(Rc::strong_count(&polls), 1, "the task is still there");
    }

    #[test]
    fn a_task_spawned_by_another_runs_in_the_same_poll_and_one_spawned_later_asks_for_a_poll() {
        let tasks = Tasks::default();
        let ran = Rc::new(Cell::new(0));
        let (inner, count) = (Rc::clone(&tasks), Rc::clone(&ran));
        tasks.spawn(Box::pin(async move {
            assert!(inner.is_polling());
            inner.spawn(Box::pin(async move { count.set(count.get() + 1) }));
        }));
        let woken = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&woken));
        tasks.poll(&mut Context::from_waker(&waker));
        assert_eq!(ran.get(), 1);
        woken.clear();
        tasks.spawn(Box::pin(async {}));
        assert!(woken.is_set() && tasks.has_spawned());
        tasks.clear();
        assert!(!tasks.has_spawned());
    }

    #[test]
    fn a_task_that_wakes_itself_does_not_keep_the_poll_from_returning() {
        let tasks = Tasks::default();
        tasks.spawn(Box::pin(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        let woken = Arc::new(Flag::default());
        tasks.poll(&mut Context::from_waker(&Waker::from(Arc::clone(&woken))));
        assert!(woken.is_set());
    }
}
