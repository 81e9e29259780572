//! How many passwords are hashed at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use futures_channel::oneshot;
use reactor::Reactor;
use reactor::threads::JobError;

use crate::auth::error::LoginError;

thread_local! {
    /// Of the reactor of this thread. One for the process would make simulations wait for each other.
    static GATE: RefCell<Option<Arc<Gate>>> = const { RefCell::new(None) };
}

/// Runs `job`, which hashes a password, on another thread, when it is its turn.
pub(in crate::auth) async fn hash_in_thread<T: Send + 'static>(
    reactor: &Reactor,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LoginError> {
    let gate = GATE.with_borrow_mut(|gate| Arc::clone(gate.get_or_insert_with(|| Gate::new(places(reactor)))));
    let permit = gate.enter().await?;
    let hashing = reactor.defer_to_thread(move || {
        let result = job();
        // With the job, which goes on if nobody waits for it any more.
        drop(permit);
        result
    });
    hashing.await.map_err(|error| match error {
        JobError::Full => LoginError::Busy,
        error => LoginError::failed(error),
    })
}

/// The processors without that of the loop, if there is more than one, shared by all reactors of the process.
fn places(reactor: &Reactor) -> usize {
    let processors = available_parallelism().map_or(1, NonZero::get);
    ((processors - 1) / reactor.threads().len().max(1)).clamp(1, MOST)
}

/// Lets in a number of jobs, and others when one has ended, in the order in which they came.
struct Gate(Mutex<Places>);

struct Places {
    free: usize,
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

impl Gate {
    fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Places { free: places, waiting: VecDeque::new() })))
    }

    async fn enter(self: &Arc<Self>) -> Result<Permit, LoginError> {
        let turn = {
            let mut places = self.lock();
            if places.free > 0 {
                places.free -= 1;
                return Ok(Permit(Some(Arc::clone(self))));
            }
            if places.waiting.len() >= WAITING {
                places.waiting.retain(|waiter| !waiter.is_canceled());
            }
            if places.waiting.len() >= WAITING {
                return Err(LoginError::Busy);
            }
            let (tell, told) = oneshot::channel();
            places.waiting.push_back(tell);
            told
        };
        turn.await.map_err(|_| LoginError::Busy)
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passed on when it is dropped.
struct Permit(Option<Arc<Gate>>);

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(gate) = self.0.take() else { return };
        loop {
            let mut places = gate.lock();
            let Some(next) = places.waiting.pop_front() else {
                places.free += 1;
                return;
            };
            drop(places);
            match next.send(Self(Some(Arc::clone(&gate)))) {
                Ok(()) => return,
                // Dropping it as it is would come here again, once more for each that waits no more.
                Err(mut unused) => unused.0 = None,
            }
        }
    }
}

/// More take memory, some 20 MiB each, and the processors from all else.
const MOST: usize = 4;

/// As many as jobs may wait for a thread.
const WAITING: usize = 1024;
