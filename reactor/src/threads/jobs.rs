//! Work on other threads.

use std::future::{Future, ready};

use futures_util::future::Either;

use crate::reactor::Reactor;
use crate::reactor::core::Backend;
use crate::time::panic_log::log_panic;
use crate::util::panics::catch_panic;
use crate::util::thread_pool::{JobError, ThreadPool};

impl Reactor {
    /// Runs `job` on one of eight threads, for work that would block the loop; await the result in
    /// [`Transport::defer`](crate::Transport::defer) or [`spawn`](Self::spawn). The job begins even if the future is
    /// dropped, and even before the reactor runs. Twisted's `deferToThread`.
    ///
    /// ```
    /// # use reactor::{Protocol, Transport};
    /// # struct Hasher { transport: Transport }
    /// # fn slow_hash(_password: Vec<u8>) -> String { String::new() }
    /// # impl Protocol for Hasher {
    /// fn data_received(&mut self, password: &[u8]) {
    ///     let password = password.to_vec();
    ///     let job = self.transport.reactor().defer_to_thread(move || slow_hash(password));
    ///     self.transport.defer(job, |this: &mut Self, hash| match hash {
    ///         Ok(hash) => this.transport.write(hash),
    ///         Err(error) => write!(this.transport, "not now: {error}"),
    ///     });
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JobError::Full`] when 1,024 jobs are waiting; [`JobError::Panicked`] with the message of the job's panic;
    /// [`JobError::Stopped`] if the reactor ends while the job waits; [`JobError::NoThread`] if there is no thread and
    /// none can be started.
    ///
    /// The reactor does not wait for the threads when it stops: a job that is stuck does not keep the program from
    /// ending.
    pub fn defer_to_thread<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        job: F,
    ) -> impl Future<Output = Result<T, JobError>> + 'static + use<T, F> {
        match self.pool() {
            Some(pool) => Either::Right(pool.run(job)),
            None => Either::Left(ready(self.0.call_user(|| catch_panic(job)).map_err(JobError::Panicked))),
        }
    }

    /// Runs `job` on one of the threads of [`defer_to_thread`](Self::defer_to_thread), without a result. A panic in it
    /// is logged. Twisted's `callInThread`.
    ///
    /// ```
    /// # fn save(_report: String) {}
    /// # fn at_the_end_of_a_day(reactor: &reactor::Reactor, report: String) {
    /// if let Err(error) = reactor.call_in_thread(move || save(report)) {
    ///     eprintln!("the report is not saved: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`JobError::Full`] when 1,024 jobs are waiting; [`JobError::NoThread`] if there is no thread and none can be
    /// started. The job is dropped then.
    pub fn call_in_thread(&self, job: impl FnOnce() + Send + 'static) -> Result<(), JobError> {
        match self.pool() {
            Some(pool) => pool.call(|| log_panic("job", job)),
            None => {
                self.0.call_user(|| log_panic("job", job));
                Ok(())
            }
        }
    }

    /// Sets how many jobs may run at a time (8). Up to 1,024 others wait. Surplus threads end when they are idle; a
    /// running job is not interrupted. Has no effect in a simulation, where jobs run on the calling thread. Twisted's
    /// `suggestThreadPoolSize`.
    ///
    /// # Panics
    ///
    /// If `threads` is zero, because no job would ever run.
    #[track_caller]
    pub fn set_thread_pool_size(&self, threads: usize) {
        assert!(threads > 0, "a pool without threads runs no job");
        if let Some(pool) = self.pool() {
            pool.set_maximum(threads);
        }
    }

    /// `None` in a simulation, which is only reproducible if nothing runs beside it: jobs run on the calling thread.
    fn pool(&self) -> Option<&ThreadPool> {
        match &self.0.backend {
            Backend::Memory(_) => None,
            Backend::Tokio(_) => Some(self.0.pool.get_or_init(|| ThreadPool::new("reactor-job", 8, 1024))),
        }
    }
}
