use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use std::{fmt, mem};

use crate::reactor::Reactor;
use crate::time::clock::SharedClock;
use crate::time::timers;
use crate::util::lock::lock;

/// Time limits by a reactor's clock for futures that may run anywhere: what a library wants that is to carry
/// [`TokioStream`](crate::io::TokioStream)s, and whose own timers would not follow a simulation. By
/// [`Reactor::timer`].
///
/// `hyper` takes it in two newtypes, and then limits how long the head of a request may take to come in, which it does not
/// without:
///
/// ```
/// # // The two traits as hyper 1 has them.
/// # mod hyper { pub mod rt {
/// #     use std::{future::Future, pin::Pin, time::{Duration, Instant}};
/// #     pub trait Sleep: Send + Sync + Future<Output = ()> {}
/// #     pub trait Timer {
/// #         fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>>;
/// #         fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>>;
/// #         fn now(&self) -> Instant { Instant::now() }
/// #     }
/// # } }
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
/// use std::time::{Duration, Instant};
///
/// #[derive(Clone)]
/// struct Timer(reactor::io::Timer);
///
/// impl hyper::rt::Timer for Timer {
///     fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
///         self.sleep_until(self.now() + duration)
///     }
///     fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
///         Box::pin(Sleep(self.0.sleep_until(deadline)))
///     }
///     fn now(&self) -> Instant {
///         self.0.now()
///     }
/// }
///
/// struct Sleep(reactor::io::Sleep);
///
/// impl Future for Sleep {
///     type Output = ();
///     fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
///         Pin::new(&mut self.0).poll(cx)
///     }
/// }
///
/// impl hyper::rt::Sleep for Sleep {}
///
/// // hyper::server::conn::http1::Builder::new().timer(Timer(reactor.timer())).header_read_timeout(Duration::from_secs(30))
/// ```
#[derive(Clone)]
pub struct Timer(Arc<TimerCore>);

struct TimerCore {
    clock: SharedClock,
    next_id: AtomicU64,
    table: Mutex<SleeperTable>,
}

#[derive(Default)]
struct SleeperTable {
    /// The wakers, ordered by deadline and then by when they began to wait.
    sleepers: BTreeMap<(Instant, u64), Waker>,
    /// When the reactor will look again; `None`: never.
    looks_at: Option<Instant>,
    /// Has it look at once.
    reactor: Option<Waker>,
}

impl Reactor {
    /// A [`Timer`] that this reactor drives. It may be cloned for everything that needs one.
    pub fn timer(&self) -> Timer {
        let shared = Arc::new(TimerCore {
            clock: self.0.hub.clock.share(),
            next_id: AtomicU64::new(0),
            table: Mutex::default(),
        });
        let watched = Arc::downgrade(&shared);
        // The reactor itself would be kept alive by what it runs.
        let timers = Rc::clone(&self.0.hub.timers);
        self.spawn(async move {
            while let Some(pause) = next_look(&watched).await {
                // Whatever becomes earlier meanwhile wakes this by the waker in the table.
                let mut sleep = pin!(timers::Sleep::new(&timers, pause));
                poll_fn(|cx| {
                    let is_due = watched.upgrade().is_none_or(|shared| shared.lock().looks_at.is_none());
                    if is_due { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }
                })
                .await;
            }
        });
        Timer(shared)
    }
}

/// Wakes those whose time has come, and waits until there are others: for how long to pause then. `None` when nobody is
/// left who could wait.
async fn next_look(shared: &Weak<TimerCore>) -> Option<Duration> {
    poll_fn(|cx| {
        let Some(shared) = shared.upgrade() else { return Poll::Ready(None) };
        let now = shared.clock.now();
        let (due, first) = {
            let mut table = shared.lock();
            table.reactor = Some(cx.waker().clone());
            let later = table.sleepers.split_off(&(now, u64::MAX));
            let due = mem::replace(&mut table.sleepers, later);
            table.looks_at = table.sleepers.keys().next().map(|(deadline, _)| *deadline);
            (due, table.looks_at)
        };
        due.into_values().for_each(Waker::wake);
        first.map_or(Poll::Pending, |first| Poll::Ready(Some(first.saturating_duration_since(now))))
    })
    .await
}

impl Timer {
    /// The time of the reactor's clock.
    pub fn now(&self) -> Instant {
        self.0.clock.now()
    }

    /// Ends `duration` from now. It may be polled on any thread; when the reactor has ended it never does.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        // What is beyond the range of the clock is never.
        let far = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        self.sleep_until(self.now() + duration.min(far))
    }

    /// Ends at an instant of the reactor's clock.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        Sleep { shared: Arc::clone(&self.0), key: (deadline, id) }
    }
}

/// Ends when its time has come: by [`Timer::sleep`]. Dropped, it leaves nothing behind.
pub struct Sleep {
    shared: Arc<TimerCore>,
    key: (Instant, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (deadline, _) = self.key;
        if self.shared.clock.now() >= deadline {
            return Poll::Ready(());
        }
        let (old, reactor) = {
            let mut table = self.shared.lock();
            let old = table.sleepers.insert(self.key, cx.waker().clone());
            let is_first = table.looks_at.is_none_or(|looks_at| deadline < looks_at);
            if is_first {
                // It looks anew, and sees this one.
                table.looks_at = None;
            }
            (old, if is_first { table.reactor.take() } else { None })
        };
        drop(old);
        if let Some(reactor) = reactor {
            reactor.wake();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.shared.lock().sleepers.remove(&self.key);
        drop(waker);
    }
}

impl Drop for TimerCore {
    fn drop(&mut self) {
        // So that the reactor forgets it.
        if let Some(reactor) = self.table.get_mut().unwrap_or_else(PoisonError::into_inner).reactor.take() {
            reactor.wake();
        }
    }
}

impl TimerCore {
    /// No code of others runs while it is locked.
    fn lock(&self) -> MutexGuard<'_, SleeperTable> {
        lock(&self.table)
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("sleepers", &self.0.lock().sleepers.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.key.0).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::testing::Simulation;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn sleeps_end_in_their_order_and_dropped_ones_leave_nothing_behind() {
        let sim = Simulation::new(1);
        let reactor = sim.host("here");
        let timer = reactor.timer();
        let ended = Rc::<RefCell<Vec<u64>>>::default();
        for seconds in [3, 1, 2, 30] {
            let (timer, ended) = (timer.clone(), Rc::clone(&ended));
            reactor.spawn(async move {
                timer.sleep(SECOND * seconds as u32).await;
                ended.borrow_mut().push(seconds);
            });
        }
        let given_up = timer.clone();
        let kept = reactor.clone();
        reactor.spawn(async move {
            let mut sleep = given_up.sleep(SECOND * 2);
            poll_fn(|cx| Poll::Ready(Pin::new(&mut sleep).poll(cx).is_pending())).await;
            kept.sleep(SECOND / 2).await;
        });
        sim.run_for(SECOND * 3);
        assert_eq!(*ended.borrow(), [1, 2, 3]);
        sim.run_for(SECOND * 30);
        assert_eq!(*ended.borrow(), [1, 2, 3, 30]);
        assert_eq!(format!("{timer:?}"), "Timer { sleepers: 0, .. }");
    }

    #[test]
    fn another_thread_sleeps_by_it_too() {
        let reactor = Reactor::new().unwrap();
        let timer = reactor.timer();
        let before = timer.now();
        let asleep = reactor.defer_to_thread(move || {
            block_on(timer.sleep(Duration::from_millis(10)));
            timer.now() - before >= Duration::from_millis(10)
        });
        assert!(reactor.run_until(asleep).unwrap().unwrap());
    }

    /// Runs a future on this thread.
    fn block_on(future: impl Future<Output = ()>) {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut future = pin!(future);
        while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            std::thread::park();
        }
    }

    #[test]
    fn it_can_be_sent_to_another_thread() {
        fn is_send<T: Send + Sync>() {}
        is_send::<Timer>();
        is_send::<Sleep>();
    }
}
