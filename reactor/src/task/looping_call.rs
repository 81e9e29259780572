use std::any::type_name_of_val;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::address::datagram::DatagramAddress;
use crate::datagram::transport::DatagramTransport;
use crate::reactor::Reactor;
use crate::time::call::unchecked_call;
use crate::time::calls::Owner;
use crate::time::delayed_call::DelayedCall;
use crate::time::timers::{Action, Sleep, Timers};
use crate::transport::Transport;
use crate::util::wakers::Wakers;

/// A function that is called at regular intervals, from [`Transport::call_every`], [`DatagramTransport::call_every`] or
/// [`Reactor::call_every`]. Twisted's `LoopingCall`.
///
/// The calls stay on the grid of whole intervals since the start, however long each takes: a late call does not delay
/// the next. Missed intervals are skipped, not made up for; [`Tick::count`] includes them. Calls never overlap, because
/// the next is scheduled when the [`Tick`] of the current one is dropped: at the end of the function, or of the
/// asynchronous work that took it along.
///
/// Dropping a handle changes nothing. Once the loop has ended, every method is harmless and returns `false`.
///
/// ```
/// use std::time::Duration;
/// use reactor::testing::StringTransport;
/// use reactor::{Protocol, Transport};
///
/// struct Client { transport: Transport }
///
/// impl Protocol for Client {
///     fn connection_made(&mut self) {
///         self.transport.call_every(Duration::from_secs(10), |this: &mut Self, _| this.transport.write("ping "));
///     }
///     fn data_received(&mut self, _pong: &[u8]) {}
/// }
///
/// let mut wire = StringTransport::connect(|transport| Client { transport });
/// wire.advance(Duration::from_secs(35));
/// assert_eq!(wire.written(), b"ping ping ping ");
/// ```
#[derive(Clone)]
pub struct LoopingCall(Rc<Loop>);

/// One call of a [`LoopingCall`]. The next one is scheduled when this is dropped.
///
/// Asynchronous work takes it along, and no second call is made meanwhile:
///
/// ```
/// # use std::time::Duration;
/// # use reactor::{Protocol, Transport};
/// # struct Status { transport: Transport }
/// # async fn temperature() -> f64 { 21.5 }
/// # impl Protocol for Status {
/// # fn data_received(&mut self, _: &[u8]) {}
/// fn connection_made(&mut self) {
///     self.transport.call_every(Duration::from_secs(60), |this: &mut Self, tick| {
///         this.transport.defer(temperature(), move |this: &mut Self, degrees| {
///             write!(this.transport, "{degrees} °C\r\n");
///             drop(tick);
///         });
///     });
/// }
/// # }
/// ```
pub struct Tick {
    looping: Rc<Loop>,
    count: u64,
}

impl Transport {
    /// Calls `call` every `interval` from now on, with the protocol this transport was made for, or with the handler
    /// directly inside it; the first time after one interval, or [at once](LoopingCall::now). The loop ends with the
    /// connection, before `connection_lost`. A panic in `call` ends the connection.
    ///
    /// With an interval of zero, it is called in every turn of the reactor.
    ///
    /// # Panics
    ///
    /// As [`call_later`](Self::call_later).
    #[track_caller]
    pub fn call_every<P: 'static>(&self, interval: Duration, call: impl FnMut(&mut P, Tick) + 'static) -> LoopingCall {
        LoopingCall::of_protocol(&self.0, &self.0.hub.timers, interval, call)
    }
}

impl<A: DatagramAddress> DatagramTransport<A> {
    /// Calls `call` every `interval` from now on, with the protocol of this port, or with the handler directly inside
    /// it; the first time after one interval. The loop ends with the port, before `stop_protocol`. A panic in `call` is
    /// logged, and ends the loop.
    ///
    /// With an interval of zero, it is called in every turn of the reactor.
    ///
    /// # Panics
    ///
    /// As [`call_later`](Self::call_later).
    #[track_caller]
    pub fn call_every<P: 'static>(&self, interval: Duration, call: impl FnMut(&mut P, Tick) + 'static) -> LoopingCall {
        LoopingCall::of_protocol(&self.0, &self.0.hub.timers, interval, call)
    }
}

impl Reactor {
    /// Calls `call` every `interval` from now on, the first time after one interval, or [at once](LoopingCall::now). A panic in it is logged, and ends
    /// the loop; so does the reactor's end. For a loop that ends with a connection, use [`Transport::call_every`].
    ///
    /// With an interval of zero, it is called in every turn of the reactor.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::testing::Simulation;
    ///
    /// let sim = Simulation::new(0);
    /// let reactor = sim.host("somewhere");
    /// let rows = std::rc::Rc::new(std::cell::Cell::new(0));
    /// let seen = rows.clone();
    /// reactor.call_every(Duration::from_secs(1), move |tick| {
    ///     rows.set(rows.get() + tick.count());
    ///     if rows.get() == 3 {
    ///         tick.stop();
    ///     }
    /// });
    /// sim.run_for(Duration::from_secs(60));
    /// assert_eq!(seen.get(), 3);
    /// ```
    pub fn call_every(&self, interval: Duration, call: impl FnMut(Tick) + 'static) -> LoopingCall {
        let name = type_name_of_val(&call);
        let call = Rc::new(RefCell::new(Some(call)));
        LoopingCall::start(&self.0.hub.timers, interval, move |timers, delay, planned| {
            let call = Rc::clone(&call);
            let run = move || planned.run(&call, |call, tick| call(tick));
            Some(DelayedCall::new(timers, timers.add(delay, Action::named(name, run))))
        })
    }

    /// A future that is ready `delay` from now, by the reactor's clock. Dropping it cancels it. Twisted's `deferLater`,
    /// with the call after the `await`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::testing::Simulation;
    ///
    /// let sim = Simulation::new(0);
    /// let reactor = sim.host("somewhere");
    /// let pause = reactor.sleep(Duration::from_secs(60));
    /// reactor.spawn(async {
    ///     pause.await;
    ///     println!("a minute has passed");
    /// });
    /// sim.run_until_quiet(Duration::from_secs(3600));
    /// assert_eq!(sim.elapsed().as_secs(), 60);
    /// ```
    pub fn sleep(&self, delay: Duration) -> impl Future<Output = ()> + use<> {
        Sleep::new(&self.0.hub.timers, delay)
    }
}

impl LoopingCall {
    /// Makes a loop that calls the protocol of `owner`, or the handler directly inside it, and ends with it.
    #[track_caller]
    fn of_protocol<P: 'static>(
        owner: &Rc<impl Owner + 'static>,
        timers: &Rc<Timers>,
        interval: Duration,
        call: impl FnMut(&mut P, Tick) + 'static,
    ) -> Self {
        owner.calls().check::<P>();
        let caller = Location::caller();
        let owner = Rc::downgrade(owner);
        let call = Rc::new(RefCell::new(Some(call)));
        Self::start(timers, interval, move |timers, delay, planned| {
            let call = Rc::clone(&call);
            let run = move |this: &mut P| planned.run(&call, |call, tick| call(this, tick));
            let run = unchecked_call(run, caller);
            Some(owner.upgrade()?.calls().later_call(timers, Weak::clone(&owner) as _, delay, run))
        })
    }

    fn start(
        timers: &Rc<Timers>,
        interval: Duration,
        plan: impl Fn(&Rc<Timers>, Duration, Planned) -> Option<DelayedCall> + 'static,
    ) -> Self {
        let looping = Rc::new(Loop {
            timers: Rc::downgrade(timers),
            interval,
            start: Cell::new(timers.now()),
            intervals: Cell::new(0),
            plan: RefCell::new(Some(Rc::new(plan))),
            planned: RefCell::new(None),
            begun: Cell::new(false),
            calling: Cell::new(false),
            ticking: Cell::new(false),
            waiting: Wakers::default(),
        });
        looping.go_on();
        Self(looping)
    }

    /// Makes the first call in the reactor's next turn, and not after one interval; the others stay on the grid. Returns
    /// the handle for chaining. Does nothing once the first call was made. Twisted's `now=True`, which is its default.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::testing::StringTransport;
    /// # use reactor::{Protocol, Transport};
    /// # struct Client;
    /// # impl Protocol for Client {
    /// #     fn data_received(&mut self, _: &[u8]) {}
    /// # }
    ///
    /// let mut wire = StringTransport::connect(|transport: Transport| {
    ///     let pinging = transport.clone();
    ///     transport.call_every(Duration::from_secs(10), move |_: &mut Client, _| pinging.write("ping ")).now();
    ///     Client
    /// });
    /// wire.advance(Duration::from_secs(25));
    /// assert_eq!(wire.written_text(), "ping ping ping ");
    /// ```
    pub fn now(&self) -> Self {
        if !self.0.begun.get()
            && let Some(planned) = &*self.0.planned.borrow()
        {
            planned.reset(Duration::ZERO);
        }
        self.clone()
    }

    /// Ends the loop; the function and what it owns are dropped at once, or when the function returns. Returns false if
    /// the loop had ended.
    pub fn stop(&self) -> bool {
        self.0.end()
    }

    /// Begins a new grid: the next call comes one interval from now or, if a [`Tick`] is outstanding, on that grid when
    /// it is dropped. Returns false if the loop has ended.
    pub fn reset(&self) -> bool {
        let looping = &self.0;
        let Some(timers) = looping.timers.upgrade().filter(|_| self.is_active()) else { return false };
        looping.start.set(timers.now());
        looping.intervals.set(0);
        if let Some(planned) = &*looping.planned.borrow() {
            planned.reset(looping.interval);
        }
        true
    }

    /// Whether the loop goes on: it was not stopped, its function did not panic, and its connection or reactor has not
    /// ended. Twisted's `running`.
    pub fn is_active(&self) -> bool {
        self.0.plan.borrow().is_some()
    }

    /// Resolves when the loop has ended, for whatever reason, and the last [`Tick`] is dropped. What Twisted's `start`
    /// returns.
    pub fn finished(&self) -> impl Future<Output = ()> + use<> {
        let looping = Rc::clone(&self.0);
        poll_fn(move |cx| {
            if looping.is_finished() {
                return Poll::Ready(());
            }
            looping.waiting.add(cx.waker());
            Poll::Pending
        })
    }
}

impl Tick {
    /// The number of intervals since the previous call, or since the start: 1, or more if calls were skipped. A first call
    /// that is made [at once](LoopingCall::now) counts as 1. Twisted's `withCount`.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Ends the loop: this was the last call.
    pub fn stop(self) {
        self.looping.end();
    }
}

impl Drop for Tick {
    fn drop(&mut self) {
        self.looping.ticking.set(false);
        self.looping.go_on();
    }
}

/// Shared by handles, ticks and the scheduled call.
struct Loop {
    timers: Weak<Timers>,
    interval: Duration,
    /// The start of the grid.
    start: Cell<Instant>,
    /// The number of whole intervals from the start to the last call.
    intervals: Cell<u128>,
    /// How to schedule the next call; `None` once the loop has ended.
    plan: RefCell<Option<Plan>>,
    planned: RefCell<Option<DelayedCall>>,
    /// Whether a call was made.
    begun: Cell<bool>,
    /// Whether the function is running.
    calling: Cell<bool>,
    /// Whether the tick of the last call still exists.
    ticking: Cell<bool>,
    waiting: Wakers,
}

type Plan = Rc<dyn Fn(&Rc<Timers>, Duration, Planned) -> Option<DelayedCall>>;

impl Loop {
    /// Schedules the next call, unless the last one is not done or the loop has ended.
    fn go_on(self: &Rc<Self>) {
        if self.calling.get() || self.ticking.get() {
            return;
        }
        let plan = self.plan.borrow().clone();
        let Some(plan) = plan else { return self.wake_waiting() };
        // If scheduling fails, the call is dropped, which ends the loop.
        let planned = Planned(Some(Rc::clone(self)));
        if let Some(timers) = self.timers.upgrade() {
            let delay = self.until_next(timers.now());
            let planned = plan(&timers, delay, planned);
            self.planned.replace(planned);
        }
    }

    fn until_next(&self, now: Instant) -> Duration {
        let since_start = now.saturating_duration_since(self.start.get());
        let Some(into) = since_start.as_nanos().checked_rem(self.interval.as_nanos()) else { return Duration::ZERO };
        self.interval - Duration::new((into / NANOS) as u64, (into % NANOS) as u32)
    }

    /// The number of intervals since this was last read.
    fn count(&self) -> u64 {
        let Some(timers) = self.timers.upgrade() else { return 1 };
        let since_start = timers.now().saturating_duration_since(self.start.get());
        let Some(intervals) = since_start.as_nanos().checked_div(self.interval.as_nanos()) else { return 1 };
        let before = self.intervals.replace(intervals);
        u64::try_from(intervals.saturating_sub(before)).unwrap_or(u64::MAX).max(1)
    }

    fn end(&self) -> bool {
        // What the function owns is dropped with nothing borrowed.
        let plan = self.plan.borrow_mut().take();
        let planned = self.planned.borrow_mut().take();
        if let Some(planned) = planned {
            planned.cancel();
        }
        self.wake_waiting();
        plan.is_some()
    }

    fn is_finished(&self) -> bool {
        self.plan.borrow().is_none() && !self.ticking.get()
    }

    fn wake_waiting(&self) {
        if self.is_finished() {
            self.waiting.wake_all();
        }
    }
}

/// The next call. The loop ends if this is dropped before the call was made, or if the call panics.
struct Planned(Option<Rc<Loop>>);

impl Planned {
    fn run<F>(mut self, function: &RefCell<Option<F>>, call: impl FnOnce(&mut F, Tick)) {
        let (Some(looping), Some(mut running)) = (self.0.clone(), function.take()) else { return };
        looping.begun.set(true);
        looping.calling.set(true);
        looping.ticking.set(true);
        let tick = Tick { count: looping.count(), looping: Rc::clone(&looping) };
        call(&mut running, tick);
        self.0 = None;
        looping.calling.set(false);
        if looping.plan.borrow().is_some() {
            function.replace(Some(running));
        }
        looping.go_on();
    }
}

impl Drop for Planned {
    fn drop(&mut self) {
        if let Some(looping) = self.0.take() {
            looping.calling.set(false);
            looping.end();
        }
    }
}

impl fmt::Debug for LoopingCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopingCall")
            .field("interval", &self.0.interval)
            .field("active", &self.is_active())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tick").field("count", &self.count).finish_non_exhaustive()
    }
}

const NANOS: u128 = 1_000_000_000;
