//! How many passwords are hashed at a time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::available_parallelism;

use argon2::Block;
use futures_channel::oneshot;
use reactor::Reactor;
use reactor::threads::JobError;

use crate::auth::error::LoginError;
use crate::util::lock::lock;

thread_local! {
    /// Of the reactor of this thread. One for the process would make simulations wait for each other.
    static GATE: RefCell<Option<Arc<Gate>>> = const { RefCell::new(None) };
}

/// Runs `job`, which hashes a password, on another thread, when it is its turn. It gets memory that was used for this before:
/// allocated anew each time, it would come to stay with each thread that had a turn, and its pages would keep the loop waiting.
pub(in crate::auth) async fn hash_in_thread<T: Send + 'static>(
    reactor: &Reactor,
    job: impl FnOnce(&mut Memory) -> T + Send + 'static,
) -> Result<T, LoginError> {
    let gate = GATE.with_borrow_mut(|gate| Arc::clone(gate.get_or_insert_with(|| Gate::new(places(reactor)))));
    let mut permit = gate.enter().await?;
    let hashing = reactor.defer_to_thread(move || {
        let result = job(&mut permit.memory);
        // With the job, which goes on if nobody waits for it any more.
        drop(permit);
        result
    });
    hashing.await.map_err(|error| match error {
        JobError::Full => LoginError::Busy,
        error => LoginError::failed(error),
    })
}

/// What Argon2 works in.
pub(in crate::auth) type Memory = Vec<Block>;

/// The processors without that of the loop, if there is more than one, shared by all reactors of the process.
fn places(reactor: &Reactor) -> usize {
    let processors = available_parallelism().map_or(1, NonZero::get);
    ((processors - 1) / reactor.threads().len().max(1)).clamp(1, MOST)
}

/// Lets in a number of jobs, and others when one has ended, in the order in which they came.
struct Gate(Mutex<Places>);

struct Places {
    /// The memory of each that is free.
    free: Vec<Memory>,
    waiting: VecDeque<oneshot::Sender<Permit>>,
}

impl Gate {
    fn new(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Places { free: vec![Memory::new(); places], waiting: VecDeque::new() })))
    }

    async fn enter(self: &Arc<Self>) -> Result<Permit, LoginError> {
        let turn = {
            let mut places = self.lock();
            if let Some(memory) = places.free.pop() {
                return Ok(Permit { gate: Some(Arc::clone(self)), memory });
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
        lock(&self.0)
    }
}

/// Passed on when it is dropped.
struct Permit {
    gate: Option<Arc<Gate>>,
    memory: Memory,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(gate) = self.gate.take() else { return };
        let mut memory = mem::take(&mut self.memory);
        loop {
            let mut places = gate.lock();
            let Some(next) = places.waiting.pop_front() else {
                places.free.push(memory);
                return;
            };
            drop(places);
            match next.send(Self { gate: Some(Arc::clone(&gate)), memory }) {
                Ok(()) => return,
                // Dropping it as it is would come here again, once more for each that waits no more.
                Err(mut unused) => {
                    unused.gate = None;
                    memory = mem::take(&mut unused.memory);
                }
            }
        }
    }
}

/// More take memory, some 20 MiB each, and the processors from all else.
const MOST: usize = 4;

/// As many as jobs may wait for a thread.
const WAITING: usize = 1024;
