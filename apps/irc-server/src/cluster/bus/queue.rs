use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A queue between threads that never waits for its reader: it is bounded by number and bytes, and what finds no room is handed
/// back.
#[derive(Debug)]
pub(super) struct Queue<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    waker: Option<Waker>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self(Mutex::new(State { items: VecDeque::new(), bytes: 0, waker: None }))
    }
}

impl<T> Queue<T> {
    /// Items that may wait.
    pub(super) const MAX_ITEMS: usize = 65_536;
    /// Bytes that these may have.
    pub(super) const MAX_BYTES: usize = 64 << 20;

    /// Adds an item of this many bytes; returns false, and drops it, if there is no room.
    pub(super) fn push(&self, item: T, bytes: usize) -> bool {
        let mut state = self.lock();
        if state.items.len() >= Self::MAX_ITEMS || state.bytes + bytes > Self::MAX_BYTES {
            return false;
        }
        state.bytes += bytes;
        state.items.push_back((item, bytes));
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Takes the oldest item. One task may wait.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.lock();
        match state.items.pop_front() {
            Some((item, bytes)) => {
                state.bytes -= bytes;
                Poll::Ready(item)
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Nothing that panics is called under the lock, so what it protects is whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
