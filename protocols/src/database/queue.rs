//! The interactions that wait, and what connections take from there.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use std::{io, mem};

use reactor::Reactor;
use reactor::threads::RemoteReactor;

use crate::database::Database;
use crate::database::error::{DriverError, PoolError};
use crate::database::interaction::Interaction;
use crate::database::options::Options;
use crate::database::panics::contain;
use crate::database::report::Report;
use crate::database::stats::PoolStats;
use crate::util::lock::lock;

/// What the handles of a pool and its workers share. A worker has a connection, or makes one: it is a thread, or a task of a
/// reactor in memory.
pub(super) struct Shared<D: Database> {
    pub(super) database: D,
    pub(super) report: Report,
    /// Its clock is that of the deadlines.
    home: RemoteReactor,
    state: Mutex<State<D::Connection>>,
    /// Something waits, or the pool has ended.
    changed: Condvar,
}

/// An interaction that waits or runs.
pub(super) struct Waiting<C> {
    pub(super) interaction: Box<dyn Interaction<C>>,
    pub(super) manner: Manner,
    pub(super) since: Instant,
    /// How often it was called.
    pub(super) calls: u32,
}

/// What the pool does around an interaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Begins a transaction, and ends it.
    Once,
    /// The same; if the connection is lost before the commit, again.
    Repeated,
    /// Nothing.
    Bare,
}

/// What a worker is to do.
pub(super) enum Next<C> {
    Connect,
    Run(Waiting<C>),
    End,
}

struct State<C> {
    options: Options,
    waiting: VecDeque<Waiting<C>>,
    running: usize,
    workers: usize,
    /// The workers that wait for something to do.
    free: usize,
    /// Those of them that are tasks.
    sleepers: Vec<Waker>,
    /// What waits until no interaction waits or runs.
    settling: Vec<Waker>,
    /// No handle is left.
    has_ended: bool,
    /// The home reactor will look for interactions that have waited for too long.
    is_watched: bool,
    /// Why no connection can be made.
    outage: Option<DriverError>,
    stats: PoolStats,
}

impl<D: Database> Shared<D> {
    pub(super) fn new(database: D, home: RemoteReactor) -> Self {
        let state = State {
            options: Options::default(),
            waiting: VecDeque::new(),
            running: 0,
            workers: 0,
            free: 0,
            sleepers: Vec::new(),
            settling: Vec::new(),
            has_ended: false,
            is_watched: false,
            outage: None,
            stats: PoolStats::default(),
        };
        let report = Report::new(home.clone());
        Self { database, report, home, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn options(&self) -> Options {
        self.lock().options
    }

    pub(super) fn set_options(&self, set: impl FnOnce(&mut Options)) {
        set(&mut self.lock().options);
    }

    pub(super) fn stats(&self) -> PoolStats {
        let state = self.lock();
        PoolStats { running: state.running, waiting: state.waiting.len(), ..state.stats }
    }

    /// Adds an interaction, and has `start` add a worker if there are too few.
    pub(super) fn push(
        self: &Arc<Self>,
        waiting: Waiting<D::Connection>,
        start: impl FnOnce(&Arc<Self>) -> io::Result<()>,
    ) {
        let mut state = self.lock();
        match state.admit(|| start(self)) {
            Ok(()) => {
                state.waiting.push_back(waiting);
                self.tell(state);
            }
            Err(error) => {
                state.stats.failed += 1;
                drop(state);
                contain(|| waiting.interaction.fail(error));
            }
        }
    }

    /// An interaction that runs is to run again, on any connection.
    pub(super) fn put_back(self: &Arc<Self>, waiting: Waiting<D::Connection>) {
        let mut state = self.lock();
        state.running -= 1;
        state.stats.repeated += u64::from(waiting.calls > 0);
        state.waiting.push_front(waiting);
        self.tell(state);
    }

    /// An interaction that ran has ended.
    pub(super) fn finished(&self, succeeded: bool) {
        let mut state = self.lock();
        state.running -= 1;
        if succeeded {
            state.stats.succeeded += 1;
        } else {
            state.stats.failed += 1;
        }
        state.wake_if_settled();
    }

    pub(super) fn connected(&self) {
        self.lock().stats.connections += 1;
    }

    pub(super) fn discarded(&self) {
        let mut state = self.lock();
        state.stats.connections -= 1;
        state.stats.discarded += 1;
    }

    /// A new connection serves.
    pub(super) fn outage_is_over(&self) {
        if self.lock().outage.take().is_some() {
            self.report.connected_again();
        }
    }

    /// A connection cannot be made.
    pub(super) fn has_outage(&self, error: DriverError) {
        let is_first = self.lock().outage.replace(Arc::clone(&error)).is_none();
        if is_first {
            self.report.cannot_connect(&error);
        }
    }

    /// Waits, on a worker's own thread, for something to do. A worker that has nothing to do for a while ends.
    pub(super) fn next_on_thread(&self, is_connected: bool) -> Next<D::Connection> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.next(is_connected) {
                return next;
            }
            state.free += 1;
            let timeout = state.options.idle_timeout;
            let waited = self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            state.free -= 1;
            if waited.1.timed_out() && state.waiting.is_empty() {
                return state.end(is_connected);
            }
        }
    }

    /// Waits, in a worker's task, for something to do.
    pub(super) async fn next_in_task(&self, is_connected: bool) -> Next<D::Connection> {
        let mut is_free = false;
        poll_fn(|cx| {
            let mut state = self.lock();
            state.free -= usize::from(mem::take(&mut is_free));
            if let Some(next) = state.next(is_connected) {
                return Poll::Ready(next);
            }
            state.free += 1;
            is_free = true;
            state.sleepers.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Resolves when no interaction waits or runs.
    pub(super) async fn settled(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.is_settled() {
                return Poll::Ready(());
            }
            state.settling.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// No handle is left: the workers end when nothing waits any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.has_ended = true;
        let sleepers = mem::take(&mut state.sleepers);
        drop(state);
        self.changed.notify_all();
        sleepers.iter().for_each(Waker::wake_by_ref);
    }

    /// Tells a worker that something waits, and the home reactor if it may wait for too long.
    fn tell(self: &Arc<Self>, mut state: MutexGuard<'_, State<D::Connection>>) {
        let is_new_to_watch = state.waiting.len() > state.free && !mem::replace(&mut state.is_watched, true);
        let sleepers = mem::take(&mut state.sleepers);
        drop(state);
        self.changed.notify_one();
        sleepers.iter().for_each(Waker::wake_by_ref);
        if is_new_to_watch {
            self.watch();
        }
    }

    fn watch(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        if self.home.call_from_thread(move |reactor| shared.look_for_late(reactor)).is_err() {
            self.lock().is_watched = false;
        }
    }

    /// Ends what has waited for too long, and sees to it that this is called again.
    fn look_for_late(self: &Arc<Self>, reactor: &Reactor) {
        let now = reactor.now();
        let mut state = self.lock();
        let deadline = state.options.deadline;
        let left = |waiting: &Waiting<_>| deadline.saturating_sub(now.saturating_duration_since(waiting.since));
        let (late, in_time): (VecDeque<_>, _) =
            mem::take(&mut state.waiting).into_iter().partition(|waiting| left(waiting).is_zero());
        let next: Option<Duration> = in_time.iter().map(left).min();
        state.waiting = in_time;
        state.is_watched = next.is_some();
        state.stats.failed += late.len() as u64;
        state.wake_if_settled();
        let outage = state.outage.clone();
        drop(state);
        for waiting in late {
            contain(|| waiting.interaction.fail(PoolError::NoConnection(deadline, outage.clone())));
        }
        if let Some(next) = next {
            // By the weak handle: a timer that holds its reactor would keep one that never runs.
            let shared = Arc::clone(self);
            reactor.call_later(next, move || shared.watch());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<D::Connection>> {
        lock(&self.state)
    }
}

impl<C> State<C> {
    /// Whether another interaction may wait; there is a worker for it then.
    fn admit(&mut self, start: impl FnOnce() -> io::Result<()>) -> Result<(), PoolError> {
        let Options { max_connections, max_waiting, .. } = self.options;
        if self.running + self.waiting.len() >= max_connections.saturating_add(max_waiting) {
            return Err(PoolError::Full(max_waiting));
        }
        if self.workers < max_connections && self.free <= self.waiting.len() {
            match start() {
                Ok(()) => self.workers += 1,
                Err(error) if self.workers == 0 => return Err(PoolError::NoThread(Arc::new(error))),
                Err(_) => {} // the workers there are will come to it
            }
        }
        Ok(())
    }

    fn next(&mut self, is_connected: bool) -> Option<Next<C>> {
        if self.waiting.is_empty() {
            return self.has_ended.then(|| self.end(is_connected));
        }
        if !is_connected {
            return Some(Next::Connect);
        }
        self.running += 1;
        self.waiting.pop_front().map(Next::Run)
    }

    fn end(&mut self, is_connected: bool) -> Next<C> {
        self.workers -= 1;
        self.stats.connections -= usize::from(is_connected);
        Next::End
    }

    fn is_settled(&self) -> bool {
        self.running == 0 && self.waiting.is_empty()
    }

    fn wake_if_settled(&mut self) {
        if self.is_settled() {
            // A waker is no code of a user's.
            self.settling.drain(..).for_each(Waker::wake);
        }
    }
}
