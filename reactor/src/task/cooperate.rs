use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{AbortHandle, abortable};

use crate::reactor::Reactor;
use crate::reactor::core::{Backend, Core, Phase};
use crate::reactor::parts::Part;
use crate::time::panic_log::{log_panic, report_panic};
use crate::time::pulse::{Callback, observed};
use crate::time::timers::Sleep;
use crate::util::panics::{catch_panic, catch_panic_async};
use crate::util::wakers::Wakers;

/// Work of many small steps that runs beside everything else, from [`Reactor::cooperate`]. Twisted's `CooperativeTask`.
///
/// It is a handle: cloning it is cheap, and dropping it changes nothing. Once the task has ended, every method is
/// harmless and returns `false`.
///
/// ```
/// use reactor::testing::Simulation;
/// use reactor::task::TaskEnd;
///
/// let sim = Simulation::new(0);
/// let reactor = sim.host("here");
/// let task = reactor.cooperate((0..1_000_000).map(|_| ()));
/// task.pause();
/// sim.run_for(std::time::Duration::from_secs(1));
/// assert!(task.is_active());
/// task.resume();
/// assert!(matches!(reactor.run_until(task.finished())?, TaskEnd::Done));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct CooperativeTask(Rc<TaskCell>);

/// The result of a step of a [`CooperativeTask`].
///
/// An iterator of `()` will do if no step waits, and so will an iterator of boxed futures.
#[non_exhaustive]
pub enum Step {
    /// The next step may follow.
    GoOn,
    /// The next step waits for this future.
    Wait(Pin<Box<dyn Future<Output = ()>>>),
}

/// How a [`CooperativeTask`] ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskEnd {
    /// Its iterator had no more steps.
    Done,
    /// It was stopped, or the reactor has ended.
    Stopped,
    /// A step, or what it waited for, panicked with this message.
    Failed(String),
}

impl Reactor {
    /// Works through `steps` while everything else goes on: each item of the iterator is a step of work, and all such
    /// tasks take turns, step by step. In each turn of the reactor they may do so for 10 ms or a thousand steps; then
    /// I/O, timers and everything else have their turn. So a step should take no more than a few milliseconds. The
    /// first step is made in the reactor's next turn. A panic in a step is logged, and ends the task. In a simulation,
    /// a thousand steps take a millisecond. Twisted's `cooperate` and, with [`finished`](CooperativeTask::finished),
    /// its `coiterate`.
    ///
    /// ```
    /// use reactor::Reactor;
    /// use reactor::task::TaskEnd;
    ///
    /// # fn index(_page: u32) {}
    /// let reactor = Reactor::new()?;
    /// let indexing = reactor.cooperate((0..10_000).map(|page| index(page)));
    /// assert_eq!(reactor.run_until(indexing.finished())?, TaskEnd::Done);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// A step may also return what the next one has to wait for:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use reactor::Reactor;
    /// # use reactor::task::Step;
    /// # fn visit(_host: &str) {}
    /// # fn crawl(reactor: &Reactor, hosts: Vec<String>) {
    /// let (pacing, mut hosts) = (reactor.clone(), hosts.into_iter());
    /// reactor.cooperate(std::iter::from_fn(move || {
    ///     visit(&hosts.next()?);
    ///     Some(Step::wait(pacing.sleep(Duration::from_secs(1))))
    /// }));
    /// # }
    /// ```
    pub fn cooperate<S: Into<Step>>(&self, steps: impl IntoIterator<Item = S> + 'static) -> CooperativeTask {
        let mut steps = Some(steps);
        let mut iterator = None;
        // Made with the first step, because it is user code, too.
        let work = move || {
            if let Some(steps) = steps.take() {
                iterator = Some(steps.into_iter());
            }
            iterator.as_mut()?.next().map(Into::into)
        };
        let task = Rc::new(TaskCell {
            core: Rc::downgrade(&self.0),
            work: RefCell::new(Some(Box::new(work))),
            pauses: Cell::new(0),
            queued: Cell::new(false),
            waiting: RefCell::new(None),
            end: RefCell::new(None),
            watchers: Wakers::default(),
        });
        self.0.parts.get::<Cooperator>().add(&task);
        task.queue();
        CooperativeTask(task)
    }
}

impl CooperativeTask {
    /// Makes no step until [`resume`](Self::resume) was called as often as this. Returns false if the task has ended.
    pub fn pause(&self) -> bool {
        let active = self.is_active();
        if active {
            self.0.pauses.set(self.0.pauses.get() + 1);
        }
        active
    }

    /// Undoes one [`pause`](Self::pause). Returns false if the task is not paused, or has ended.
    pub fn resume(&self) -> bool {
        // Waiting for a step's future is not a pause of the user's.
        let pauses = self.0.pauses.get() - u32::from(self.0.waiting.borrow().is_some());
        let paused = self.is_active() && pauses > 0;
        if paused {
            self.0.release();
        }
        paused
    }

    /// Ends the task, even if it is paused: no further step is made, and the iterator is dropped, with the future it
    /// waits for. Returns false if the task has ended.
    pub fn stop(&self) -> bool {
        self.0.end(TaskEnd::Stopped)
    }

    /// Whether the task has not ended; a paused task is active.
    pub fn is_active(&self) -> bool {
        self.0.end.borrow().is_none()
    }

    /// Resolves with the kind of end when the task has ended.
    pub fn finished(&self) -> impl Future<Output = TaskEnd> + use<> {
        let task = Rc::clone(&self.0);
        poll_fn(move |cx| {
            if let Some(end) = &*task.end.borrow() {
                return Poll::Ready(end.clone());
            }
            task.watchers.add(cx.waker());
            Poll::Pending
        })
    }
}

impl Step {
    /// A step after which the next waits for `future`.
    pub fn wait(future: impl Future<Output = ()> + 'static) -> Self {
        Self::Wait(Box::pin(future))
    }
}

impl From<()> for Step {
    fn from((): ()) -> Self {
        Self::GoOn
    }
}

impl From<Pin<Box<dyn Future<Output = ()>>>> for Step {
    fn from(future: Pin<Box<dyn Future<Output = ()>>>) -> Self {
        Self::Wait(future)
    }
}

struct TaskCell {
    core: Weak<Core>,
    /// `None` once it has ended, and while a step is made.
    work: RefCell<Option<Work>>,
    pauses: Cell<u32>,
    /// Whether it is in the queue.
    queued: Cell<bool>,
    /// Cancels the future that the next step waits for, which counts as a pause.
    waiting: RefCell<Option<AbortHandle>>,
    end: RefCell<Option<TaskEnd>>,
    watchers: Wakers,
}

type Work = Box<dyn FnMut() -> Option<Step>>;

impl TaskCell {
    /// Queues its next step.
    fn queue(self: &Rc<Self>) {
        let Some(core) = self.core.upgrade().filter(|core| core.phase.get() != Phase::Stopped) else {
            self.end(TaskEnd::Stopped);
            return;
        };
        if !self.queued.replace(true) {
            let cooperator = core.parts.get::<Cooperator>();
            cooperator.tasks.borrow_mut().push_back(Rc::clone(self));
            if !cooperator.runs.replace(true) {
                core.spawn_task(run(Weak::clone(&self.core)));
            }
        }
    }

    /// Makes one step. Nothing may be borrowed, because that is user code.
    fn step(self: &Rc<Self>) {
        let Some(mut work) = self.work.take() else { return };
        let step = observed(Callback::CooperativeStep.of_reactor(), || catch_panic(&mut work));
        // The step may have ended the task.
        if self.end.borrow().is_none() {
            self.work.replace(Some(work));
        } else {
            log_panic("drop of a task's iterator", || drop(work));
        }
        match step {
            Ok(Some(Step::GoOn)) => {}
            Ok(Some(Step::Wait(future))) => self.wait(future),
            Ok(None) => _ = self.end(TaskEnd::Done),
            Err(message) => self.fail(message),
        }
    }

    fn wait(self: &Rc<Self>, future: Pin<Box<dyn Future<Output = ()>>>) {
        let Some(core) = self.core.upgrade().filter(|_| self.end.borrow().is_none()) else {
            return log_panic("drop of a task's future", || drop(future));
        };
        let (future, abort) = abortable(catch_panic_async(future));
        self.waiting.replace(Some(abort));
        self.pauses.set(self.pauses.get() + 1);
        let task = Rc::clone(self);
        core.spawn_task(async move {
            match future.await {
                Ok(Ok(())) => {
                    task.waiting.take();
                    task.release();
                }
                Ok(Err(message)) => task.fail(message),
                // It was stopped.
                Err(_) => {}
            }
        });
    }

    /// Undoes one pause.
    fn release(self: &Rc<Self>) {
        self.pauses.set(self.pauses.get() - 1);
        if self.pauses.get() == 0 && self.end.borrow().is_none() {
            self.queue();
        }
    }

    fn fail(&self, message: String) {
        report_panic(&message, "a cooperative task panicked: it ends");
        self.end(TaskEnd::Failed(message));
    }

    fn end(&self, how: TaskEnd) -> bool {
        if self.end.borrow().is_some() {
            return false;
        }
        self.end.replace(Some(how));
        if let Some(waiting) = self.waiting.take() {
            waiting.abort();
        }
        let work = self.work.take();
        log_panic("drop of a task's iterator", || drop(work));
        self.watchers.wake_all();
        true
    }
}

/// The tasks of a reactor.
#[derive(Default)]
pub(crate) struct Cooperator {
    /// The tasks that can continue, in turn.
    tasks: RefCell<VecDeque<Rc<TaskCell>>>,
    all: RefCell<Vec<Weak<TaskCell>>>,
    /// Whether a task makes their steps.
    runs: Cell<bool>,
}

impl Cooperator {
    fn add(&self, task: &Rc<TaskCell>) {
        let mut all = self.all.borrow_mut();
        if all.len() == all.capacity() {
            all.retain(|task| task.strong_count() > 0);
        }
        all.push(Rc::downgrade(task));
    }

    /// Makes steps until the turn is over; returns false when there is nothing more to do.
    fn turn(&self, core: &Core) -> bool {
        let over = core.hub.timers.now() + TURN;
        for _ in 0..STEPS {
            let Some(task) = self.next() else { return false };
            task.step();
            if task.pauses.get() == 0 && task.end.borrow().is_none() {
                task.queue();
            }
            if core.hub.timers.now() >= over {
                break;
            }
        }
        true
    }

    /// The task whose turn it is.
    fn next(&self) -> Option<Rc<TaskCell>> {
        loop {
            let task = self.tasks.borrow_mut().pop_front()?;
            task.queued.set(false);
            if task.pauses.get() == 0 && task.end.borrow().is_none() {
                return Some(task);
            }
        }
    }
}

impl Part for Cooperator {
    /// Ends them all.
    fn clear(&self) {
        let all = self.all.take();
        all.iter().filter_map(Weak::upgrade).for_each(|task| _ = task.end(TaskEnd::Stopped));
        let tasks = self.tasks.take();
        drop(tasks);
    }
}

/// The reactor's task that makes the steps.
async fn run(core: Weak<Core>) {
    loop {
        // The reactor must not be kept by its own task while it runs.
        let pause = {
            let Some(core) = core.upgrade() else { return };
            let cooperator = core.parts.get::<Cooperator>();
            if !cooperator.turn(&core) {
                cooperator.runs.set(false);
                return;
            }
            match &core.backend {
                Backend::Tokio(_) => None,
                Backend::Memory(_) => Some(Sleep::new(&core.hub.timers, TIME_OF_STEPS)),
            }
        };
        match pause {
            // The poller is checked before this continues; if the task woke itself, it would not be.
            None => tokio::task::yield_now().await,
            Some(pause) => pause.await,
        }
    }
}

/// How long steps are made before everything else has its turn, as in Twisted.
const TURN: Duration = Duration::from_millis(10);

/// How many are made, because the clock may stand still meanwhile.
const STEPS: u32 = 1_000;

/// How long these take in a simulation.
const TIME_OF_STEPS: Duration = Duration::from_millis(1);

impl fmt::Debug for CooperativeTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CooperativeTask")
            .field("pauses", &self.0.pauses.get())
            .field("end", &self.0.end.borrow())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoOn => "GoOn",
            Self::Wait(_) => "Wait(..)",
        })
    }
}
