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
fn dropping_a_pool_survives_waiting_jobs_that_panic_when_dropped() {
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
    pool.start = |_, _| Err(io::Error::new(io::ErrorKind::WouldBlock, "no threads left"));
    let error = pool.run(|| ()).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "no thread could be started for the job");
    assert_eq!(error.source().unwrap().to_string(), "no threads left");

    pool.start = start_thread;
    let gate = Gate::shut(&pool);
    pool.start = |_, _| Err(io::ErrorKind::WouldBlock.into());
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
