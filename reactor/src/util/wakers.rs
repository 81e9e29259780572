//! Tasks that wait for the same thing.

use std::cell::RefCell;
use std::task::Waker;

/// The wakers of the tasks, each once, however often a task is polled meanwhile.
#[derive(Default)]
pub(crate) struct Wakers(RefCell<Vec<Waker>>);

impl Wakers {
    pub(crate) fn add(&self, waker: &Waker) {
        let mut wakers = self.0.borrow_mut();
        if !wakers.iter().any(|other| other.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    /// Wakes them, with nothing borrowed.
    pub(crate) fn wake_all(&self) {
        let wakers = self.0.take();
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_is_woken_once_and_then_forgotten() {
        let wakers = Wakers::default();
        let tasks = [Arc::new(Counting::default()), Arc::default()];
        for task in tasks.iter().chain(&tasks) {
            wakers.add(&Arc::clone(task).into());
        }
        wakers.wake_all();
        wakers.wake_all();
        assert_eq!(tasks.map(|task| task.0.load(Ordering::Relaxed)), [1, 1]);
    }
}
