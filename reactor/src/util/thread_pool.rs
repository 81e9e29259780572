//! Threads for work that blocks.

use std::collections::VecDeque;
use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{fmt, io, mem, thread};

use futures_channel::oneshot;

use crate::util::panics::{contained, message};

/// A bounded number of threads, started when there is work for them, and a bounded queue before them.
///
/// No thread is ever joined: neither the end of the process nor dropping the pool waits for a job. When the
/// pool is dropped its idle threads end, what runs goes on to its own end, and what still waits is dropped.
pub(crate) struct ThreadPool {
    shared: Arc<Shared>,
    start: fn(Arc<Shared>) -> io::Result<()>,
}

impl ThreadPool {
    /// A pool in which at most `threads` jobs run and `queue` more wait; starts no thread yet.
    ///
    /// Linux shows the first 15 bytes of `name`.
    pub(crate) fn new(name: &'static str, threads: usize, queue: usize) -> Self {
        let state = State { jobs: VecDeque::new(), maximum: threads, threads: 0, unfinished: 0, stopped: false };
        let shared = Shared { name, queue, state: Mutex::new(state), changed: Condvar::new() };
        Self { shared: Arc::new(shared), start: start_thread }
    }

    /// Queues `job` now; the future, which needs no runtime, gives its result.
    ///
    /// The job runs even when the future is dropped or never polled.
    pub(crate) fn run<T, F>(&self, job: F) -> impl Future<Output = Result<T, JobError>> + 'static + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let queued = self.queue(Box::new(move |shared| {
            let result = catch_unwind(AssertUnwindSafe(job));
            // Before the answer, so that who has it finds room in the queue, and this thread counted as idle.
            shared.lock().unfinished -= 1;
            drop(match result {
                Ok(value) => answer.send(Ok(value)),
                Err(payload) => answer.send(Err(JobError::Panicked(message(&*payload)))),
            });
        }));
        async move {
            queued?;
            answered.await.unwrap_or(Err(JobError::Stopped))
        }
    }

    /// Queues `job` now, for nobody to wait for. A panic in it is logged.
    pub(crate) fn call(&self, job: impl FnOnce() + Send + 'static) -> Result<(), JobError> {
        self.queue(Box::new(move |shared| {
            contained("job", job);
            shared.lock().unfinished -= 1;
        }))
    }

    /// From here on at most so many jobs run. Threads beyond end when they have nothing to do.
    pub(crate) fn set_maximum(&self, threads: usize) {
        let mut state = self.shared.lock();
        state.maximum = threads;
        while state.threads < threads.min(state.unfinished) && (self.start)(Arc::clone(&self.shared)).is_ok() {
            state.threads += 1;
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    fn queue(&self, job: Job) -> Result<(), JobError> {
        // Declared after `job`, so a refused job is dropped with the lock already given back: its `Drop` is the user's.
        let mut state = self.shared.lock();
        if state.unfinished >= state.maximum.saturating_add(self.shared.queue) {
            return Err(JobError::Full);
        }
        if state.threads < state.maximum && state.threads <= state.unfinished {
            match (self.start)(Arc::clone(&self.shared)) {
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
            contained("queued job's destructor", || drop(job));
        }
    }
}

/// Why a job given to [`Reactor::defer_to_thread`](crate::Reactor::defer_to_thread) or
/// [`call_in_thread`](crate::Reactor::call_in_thread) has no result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum JobError {
    /// As many jobs were waiting as the queue holds; this one never ran.
    Full,
    /// The job panicked, with this message; its thread lives on.
    Panicked(String),
    /// The reactor ended while the job waited; it never ran.
    Stopped,
    /// The system refused to start a thread, and there was none yet; the job never ran.
    NoThread(Arc<io::Error>),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("too many jobs are waiting for a thread"),
            Self::Panicked(message) => write!(f, "the job panicked: {message}"),
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

type Job = Box<dyn FnOnce(&Shared) + Send>;

struct Shared {
    name: &'static str,
    queue: usize,
    /// Held only for a moment, and never while a job runs or is dropped.
    state: Mutex<State>,
    /// A job was queued, or the pool stopped.
    changed: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    maximum: usize,
    threads: usize,
    /// Jobs that wait or run. Counting these and not idle threads leaves no gap between waking a thread and
    /// its taking the job, in which a thread too few would be started.
    unfinished: usize,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job, waited for; none when the pool has stopped, or this thread is one too many.
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

fn start_thread(shared: Arc<Shared>) -> io::Result<()> {
    let builder = thread::Builder::new().name(shared.name.to_owned());
    builder.spawn(move || work(&shared)).map(drop)
}

fn work(shared: &Shared) {
    while let Some(job) = shared.next() {
        // What the job itself panics with is caught inside it; this is for an answer nobody took, or a panic's
        // payload, that panics when dropped. Dropping what such a drop panicked with might do it again.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job(shared))) {
            mem::forget(payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::panic::panic_any;
    use std::pin::pin;
    use std::sync::{Barrier, mpsc};
    use std::task::{Context, Poll, Wake, Waker};

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_job_runs_on_a_thread_of_the_pools_name() {
        let pool = ThreadPool::new("pool-name", 1, 1);
        let name = block_on(pool.run(|| thread::current().name().map(str::to_owned)));
        assert_eq!(name.unwrap().unwrap(), "pool-name");
    }

    #[test]
    fn no_thread_is_started_without_work() {
        assert_eq!(ThreadPool::new("test", 8, 1).threads(), 0);
    }

    #[test]
    fn a_job_is_queued_at_once_and_runs_though_its_future_is_dropped() {
        let pool = ThreadPool::new("test", 1, 1);
        let (ran, has_run) = mpsc::channel();
        drop(pool.run(move || ran.send(()).unwrap()));
        has_run.recv().unwrap();
    }

    #[test]
    fn jobs_one_after_another_share_one_thread() {
        let pool = ThreadPool::new("test", 8, 0);
        for number in 0..100 {
            assert_eq!(block_on(pool.run(move || number)).unwrap(), number);
        }
        assert_eq!(pool.threads(), 1);
    }

    #[test]
    fn jobs_that_wait_for_each_other_run_on_threads_of_their_own_up_to_the_maximum() {
        let pool = ThreadPool::new("test", 3, 100);
        let barrier = Arc::new(Barrier::new(3));
        let meet = |_| {
            let barrier = Arc::clone(&barrier);
            pool.run(move || barrier.wait().is_leader())
        };
        let jobs: Vec<_> = (0..30).map(meet).collect();
        let leaders = jobs.into_iter().filter_map(|job| block_on(job).unwrap().then_some(()));
        assert_eq!(leaders.count(), 10);
        assert_eq!(pool.threads(), 3);
    }

    #[test]
    fn jobs_wait_in_the_order_they_came() {
        let pool = ThreadPool::new("test", 1, 10);
        let gate = Gate::shut(&pool);
        let (tell, told) = mpsc::channel();
        for number in 0..10 {
            let tell = tell.clone();
            drop(pool.run(move || tell.send(number).unwrap()));
        }
        gate.open();
        drop(tell);
        assert_eq!(told.iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_takes_again_when_there_is_room() {
        let pool = ThreadPool::new("test", 1, 2);
        let gate = Gate::shut(&pool);
        let waiting = [1, 2].map(|number| pool.run(move || number));
        let refused = pool.run(|| 3).now_or_never();
        assert!(matches!(refused, Some(Err(JobError::Full))));

        gate.open();
        let answers = waiting.map(|job| block_on(job).unwrap());
        assert_eq!(answers, [1, 2]);
        assert_eq!(block_on(pool.run(|| 4)).unwrap(), 4);
    }

    #[test]
    fn a_refused_job_is_dropped_where_its_drop_may_use_the_pool() {
        struct RunsAnother(Arc<ThreadPool>);
        impl Drop for RunsAnother {
            fn drop(&mut self) {
                assert!(matches!(self.0.run(|| ()).now_or_never(), Some(Err(JobError::Full))));
            }
        }
        let pool = Arc::new(ThreadPool::new("test", 1, 0));
        let gate = Gate::shut(&pool);
        let held = RunsAnother(Arc::clone(&pool));
        assert!(matches!(pool.run(move || drop(held)).now_or_never(), Some(Err(JobError::Full))));
        gate.open();
    }

    #[test]
    fn a_panic_is_an_error_with_its_message_and_the_thread_lives_on() {
        let pool = ThreadPool::new("test", 1, 1);
        let thread = block_on(pool.run(|| thread::current().id())).unwrap();
        let error = block_on(pool.run::<(), _>(|| panic!("number {}", 7))).unwrap_err();
        assert_eq!(error.to_string(), "the job panicked: number 7");
        assert_eq!(block_on(pool.run(|| thread::current().id())).unwrap(), thread);
    }

    #[test]
    fn a_value_or_a_payload_that_panics_when_dropped_does_not_take_the_thread_along() {
        struct PanicsWhenDropped;
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic_any(Self);
            }
        }
        let pool = ThreadPool::new("test", 1, 3);
        let gate = Gate::shut(&pool);
        drop(pool.run(|| PanicsWhenDropped));
        let panicked = pool.run(|| panic_any(PanicsWhenDropped));
        gate.open();
        assert!(matches!(block_on(panicked), Err(JobError::Panicked(_))));
        assert_eq!(block_on(pool.run(|| 5)).unwrap(), 5);
    }

    #[test]
    fn a_dropped_pool_stops_what_waits_but_not_what_runs_and_waits_for_neither() {
        let pool = ThreadPool::new("test", 1, 1);
        let gate = Gate::shut(&pool);
        let waiting = pool.run(|| ());
        drop(pool);
        assert!(matches!(waiting.now_or_never(), Some(Err(JobError::Stopped))));
        gate.open();
    }

    #[test]
    fn waiting_jobs_that_panic_when_dropped_do_not_hurt_who_drops_the_pool() {
        struct PanicsWhenDropped;
        impl Drop for PanicsWhenDropped {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let pool = ThreadPool::new("test", 1, 2);
        let gate = Gate::shut(&pool);
        for held in [PanicsWhenDropped, PanicsWhenDropped] {
            drop(pool.run(move || drop(held)));
        }
        drop(pool);
        gate.open();
    }

    #[test]
    fn a_pool_that_grows_takes_up_what_waits_and_one_that_shrinks_lets_threads_go() {
        let pool = ThreadPool::new("test", 1, 8);
        let gate = Gate::shut(&pool);
        let barrier = Arc::new(Barrier::new(2));
        let meeting = [(); 2].map(|()| {
            let barrier = Arc::clone(&barrier);
            pool.run(move || _ = barrier.wait())
        });
        pool.set_maximum(3);
        meeting.into_iter().for_each(|job| block_on(job).unwrap());
        gate.open();
        assert_eq!(pool.threads(), 3);
        pool.set_maximum(1);
        // Whichever thread comes to a job, the others are gone or about to go.
        while pool.threads() > 1 {
            block_on(pool.run(|| ())).unwrap();
        }
        let gate = Gate::shut(&pool);
        for _ in 0..8 {
            pool.call(|| ()).unwrap();
        }
        assert!(matches!(pool.call(|| ()), Err(JobError::Full)));
        gate.open();
    }

    #[test]
    fn idle_threads_end_with_the_pool() {
        struct TellsWhenDropped(mpsc::Sender<()>);
        impl Drop for TellsWhenDropped {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        thread_local!(static END: RefCell<Option<TellsWhenDropped>> = const { RefCell::new(None) });

        let pool = ThreadPool::new("test", 1, 1);
        let (ended, has_ended) = mpsc::channel();
        let job = pool.run(move || END.set(Some(TellsWhenDropped(ended))));
        block_on(job).unwrap();
        drop(pool);
        has_ended.recv().unwrap();
    }

    #[test]
    fn a_thread_that_cannot_be_started_fails_the_job_only_when_there_is_no_other() {
        let mut pool = ThreadPool::new("test", 2, 2);
        pool.start = |_| Err(io::Error::new(io::ErrorKind::WouldBlock, "no threads left"));
        let error = pool.run(|| ()).now_or_never().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "no thread could be started for the job");
        assert_eq!(error.source().unwrap().to_string(), "no threads left");

        pool.start = start_thread;
        let gate = Gate::shut(&pool);
        pool.start = |_| Err(io::ErrorKind::WouldBlock.into());
        let second = pool.run(|| 2);
        gate.open();
        assert_eq!(block_on(second).unwrap(), 2);
        assert_eq!(pool.threads(), 1);
    }

    impl ThreadPool {
        fn threads(&self) -> usize {
            self.shared.lock().threads
        }
    }

    /// A job that keeps one thread busy until the gate is opened.
    struct Gate<F> {
        key: mpsc::Sender<()>,
        job: F,
    }

    impl Gate<()> {
        fn shut(pool: &ThreadPool) -> Gate<impl Future<Output = Result<(), JobError>> + use<>> {
            let (key, lock) = mpsc::channel();
            let (begin, begun) = mpsc::channel();
            let job = pool.run(move || {
                begin.send(()).unwrap();
                lock.recv().unwrap();
            });
            begun.recv().unwrap();
            Gate { key, job }
        }
    }

    impl<F: Future<Output = Result<(), JobError>>> Gate<F> {
        fn open(self) {
            self.key.send(()).unwrap();
            block_on(self.job).unwrap();
        }
    }

    /// Shows with every use that no runtime is needed.
    fn block_on<F: Future>(future: F) -> F::Output {
        struct Unpark(thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }
}
