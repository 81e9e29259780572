//! Threads for work that blocks.
//!
//! Tokio's `spawn_blocking` has a queue without a bound, a number of threads that is fixed with the runtime, and one pool
//! for all: here jobs are refused when too many wait, and name lookups do not wait for the program's jobs.

use std::collections::VecDeque;
use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{fmt, io, mem, thread};

use futures_channel::oneshot;

use crate::util::address_space::has_room_for_thread;
use crate::util::escaped::escaped;
use crate::util::lock::lock;
use crate::util::panics::{catch_panic, panic_message};

/// A bounded number of threads, started when there is work for them, and a bounded queue before them.
///
/// No thread is ever joined: neither the end of the process nor dropping the pool waits for a job. When the pool is
/// dropped, idle threads end, running jobs go on to their end, and waiting jobs are dropped.
pub(crate) struct ThreadPool {
    shared: Arc<PoolCore>,
    /// The number says how many threads there are.
    start: fn(Arc<PoolCore>, usize) -> io::Result<()>,
}

impl ThreadPool {
    /// Makes a pool in which up to `threads` jobs run and `queue` more wait; starts no thread yet.
    ///
    /// Linux shows the first 15 bytes of `name`.
    pub(crate) fn new(name: &'static str, threads: usize, queue: usize) -> Self {
        let state = JobQueue { jobs: VecDeque::new(), maximum: threads, threads: 0, unfinished: 0, stopped: false };
        let shared = PoolCore { name, queue, state: Mutex::new(state), changed: Condvar::new() };
        Self { shared: Arc::new(shared), start: start_thread }
    }

    /// Queues `job` now; the future, which needs no runtime, resolves with its result.
    ///
    /// The job runs even if the future is dropped or never polled.
    pub(crate) fn run<T, F>(&self, job: F) -> impl Future<Output = Result<T, JobError>> + 'static + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let queued = self.queue(Box::new(move |shared| {
            let result = catch_unwind(AssertUnwindSafe(job));
            // Before the answer, so that its receiver finds room in the queue, and this thread counted as idle.
            shared.lock().unfinished -= 1;
            drop(match result {
                Ok(value) => answer.send(Ok(value)),
                Err(payload) => answer.send(Err(JobError::Panicked(panic_message(&*payload)))),
            });
        }));
        async move {
            queued?;
            answered.await.unwrap_or(Err(JobError::Stopped))
        }
    }

    /// Queues `job` now, without a result. A panic in it is not reported.
    pub(crate) fn call(&self, job: impl FnOnce() + Send + 'static) -> Result<(), JobError> {
        self.queue(Box::new(move |shared| {
            let _ = catch_panic(job);
            shared.lock().unfinished -= 1;
        }))
    }

    /// How many jobs run, and how many wait.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.unfinished - state.jobs.len(), state.jobs.len())
    }

    /// From here on up to `threads` jobs run; surplus threads exit when idle.
    pub(crate) fn set_maximum(&self, threads: usize) {
        let mut state = self.shared.lock();
        state.maximum = threads;
        while state.threads < threads.min(state.unfinished)
            && (self.start)(Arc::clone(&self.shared), state.threads).is_ok()
        {
            state.threads += 1;
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    fn queue(&self, job: Job) -> Result<(), JobError> {
        // Declared after `job`, so a refused job, whose `Drop` is user code, is dropped after the lock is released.
        let mut state = self.shared.lock();
        if state.unfinished >= state.maximum.saturating_add(self.shared.queue) {
            return Err(JobError::Full);
        }
        if state.threads < state.maximum && state.threads <= state.unfinished {
            match (self.start)(Arc::clone(&self.shared), state.threads) {
                Ok(()) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    return Err(JobError::NoThread(Arc::new(error)));
                }
                Err(_) => {} // the threads there are will come to it
            }
        }
        state.unfinished += 1;
        state.jobs.push_back(job);
        self.shared.changed.notify_one();
        Ok(())
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        let jobs = mem::take(&mut state.jobs);
        drop(state);
        self.shared.changed.notify_all();
        for job in jobs {
            let _ = catch_panic(|| drop(job));
        }
    }
}

/// Why a job given to [`Reactor::defer_to_thread`](crate::Reactor::defer_to_thread) or
/// [`call_in_thread`](crate::Reactor::call_in_thread) has no result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum JobError {
    /// The queue was full; this job never ran.
    Full,
    /// The job panicked, with this message; its thread lives on.
    Panicked(String),
    /// The reactor ended while the job waited; it never ran.
    Stopped,
    /// No thread exists and the system refused to start one; the job never ran.
    NoThread(Arc<io::Error>),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("too many jobs are waiting for a thread"),
            Self::Panicked(message) => write!(f, "the job panicked: {}", escaped(message)),
            Self::Stopped => f.write_str("the reactor ended before the job could run"),
            Self::NoThread(_) => f.write_str("no thread could be started for the job"),
        }
    }
}

impl Error for JobError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoThread(error) => Some(&**error),
            Self::Full | Self::Panicked(_) | Self::Stopped => None,
        }
    }
}

type Job = Box<dyn FnOnce(&PoolCore) + Send>;

struct PoolCore {
    name: &'static str,
    queue: usize,
    /// Held only for a moment, and never while a job runs or is dropped.
    state: Mutex<JobQueue>,
    /// A job was queued, or the pool stopped.
    changed: Condvar,
}

struct JobQueue {
    jobs: VecDeque<Job>,
    maximum: usize,
    threads: usize,
    /// Jobs that wait or run. Counting these instead of idle threads leaves no gap between waking a thread and its
    /// taking the job, in which too few threads would be started.
    unfinished: usize,
    stopped: bool,
}

impl PoolCore {
    fn lock(&self) -> MutexGuard<'_, JobQueue> {
        lock(&self.state)
    }

    /// Waits for the next job; `None` when the pool has stopped, or this thread is surplus.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if state.threads > state.maximum {
                state.threads -= 1;
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn start_thread(shared: Arc<PoolCore>, threads: usize) -> io::Result<()> {
    if !has_room_for_thread(threads) {
        return Err(io::Error::new(io::ErrorKind::OutOfMemory, NO_ROOM));
    }
    let builder = thread::Builder::new().name(shared.name.to_owned());
    builder.spawn(move || work(&shared)).map(drop)
}

const NO_ROOM: &str = "the limit of the address space (RLIMIT_AS, ulimit -v) leaves it no room";

fn work(shared: &PoolCore) {
    while let Some(job) = shared.next() {
        // The job's own panic is caught inside it; this catches that of an answer nobody took, or of a panic's payload,
        // when dropped. Dropping the payload of such a panic might panic again.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job(shared))) {
            mem::forget(payload);
        }
    }
}

#[cfg(test)]
mod tests;
