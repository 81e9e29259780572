//! Calls that other threads request of a reactor.

use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::thread::{self, ThreadId};

use futures_util::task::AtomicWaker;

use crate::time::panic_log::{log_panic, log_panic_of};
use crate::time::pulse::Callback;
use crate::util::lock::lock;

/// The reactor's end of the queue. Calls are made with an `A`.
pub(crate) struct Inbox<A>(Arc<Queue<A>>);

/// The end for other threads.
pub(crate) struct Queue<A> {
    waiting: Mutex<WaitingJobs<A>>,
    waker: AtomicWaker,
    /// The reactor's thread.
    thread: ThreadId,
}

struct WaitingJobs<A> {
    jobs: VecDeque<Job<A>>,
    /// The number of bytes that the waiting calls write.
    bytes: usize,
    closed: bool,
}

pub(crate) type Job<A> = Box<dyn FnOnce(&A) + Send>;

impl<A> Inbox<A> {
    pub(crate) fn new() -> Self {
        let waiting = WaitingJobs { jobs: VecDeque::new(), bytes: 0, closed: false };
        let (waker, thread) = (AtomicWaker::new(), thread::current().id());
        Self(Arc::new(Queue { waiting: Mutex::new(waiting), waker, thread }))
    }

    pub(crate) fn queue(&self) -> Arc<Queue<A>> {
        Arc::clone(&self.0)
    }

    /// Makes the calls that are there now; returns true if more have arrived meanwhile. `waker` is woken when one
    /// arrives later.
    pub(crate) fn run(&self, argument: &A, waker: &Waker) -> bool {
        self.0.waker.register(waker);
        let jobs = self.0.lock().take();
        for job in jobs {
            log_panic_of(Callback::CallFromThread.of_reactor(), || job(argument));
        }
        !self.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().jobs.is_empty()
    }

    /// Accepts no more calls, and drops those that wait.
    pub(crate) fn close(&self) {
        let jobs = {
            let mut waiting = self.0.lock();
            waiting.closed = true;
            waiting.take()
        };
        log_panic("drop of a call from another thread", || drop(jobs));
    }
}

impl<A> Drop for Inbox<A> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<A> Queue<A> {
    /// Adds a call with its number of bytes, if there is room or `room` does not require any.
    pub(crate) fn push(&self, job: Job<A>, bytes: usize, room: Room) -> Result<(), RemoteError> {
        {
            // Declared after `job`, so a refused job is dropped after the lock is released.
            let mut waiting = self.lock();
            if waiting.closed {
                return Err(RemoteError::Stopped);
            }
            let is_full = waiting.jobs.len() >= MOST_CALLS || (waiting.bytes > 0 && waiting.bytes + bytes > MOST_BYTES);
            if room == Room::Limited && is_full {
                return Err(RemoteError::Full);
            }
            waiting.jobs.push_back(job);
            waiting.bytes += bytes;
        }
        self.waker.wake();
        Ok(())
    }

    /// Whether this is the reactor's thread.
    pub(crate) fn is_on_this_thread(&self) -> bool {
        self.thread == thread::current().id()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// No user code runs while it is locked, so a poisoned queue is whole.
    fn lock(&self) -> MutexGuard<'_, WaitingJobs<A>> {
        lock(&self.waiting)
    }
}

impl<A> WaitingJobs<A> {
    fn take(&mut self) -> VecDeque<Job<A>> {
        self.bytes = 0;
        std::mem::take(&mut self.jobs)
    }
}

/// Why a reactor did not accept a request of another thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteError {
    /// The reactor has ended.
    Stopped,
    /// The reactor does not keep up: the queue is full.
    Full,
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "the reactor has ended",
            Self::Full => "the reactor does not keep up with other threads: try again later",
        })
    }
}

impl Error for RemoteError {}

/// Whether a call is refused when the queue is full.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Limited,
    /// Never: for the end of something, and for calls that their thread waits for.
    Whatever,
}

const MOST_CALLS: usize = 65_536;

const MOST_BYTES: usize = 64 << 20;
