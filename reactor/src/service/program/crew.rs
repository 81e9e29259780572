//! The threads of a program besides the first.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::{Either, join_all, select};
use tokio::sync::{mpsc, oneshot, watch};

use crate::hub::CutOffSum;
use crate::reactor::Reactor;
use crate::service::ServiceError;
use crate::service::program::ending;
use crate::service::supervised::Supervised;
use crate::util::lock::lock;

/// What the threads of a program know of each other.
pub(in crate::service) struct Crew {
    name: String,
    lame_duck: Duration,
    /// How many threads besides the first have started their services.
    started: watch::Sender<usize>,
    /// Whether the program has been ready.
    was_ready: AtomicBool,
    /// For each thread besides the first.
    signs_of_life: Vec<AtomicU8>,
    reloads: Mutex<Vec<mpsc::UnboundedSender<ReloadDone>>>,
    cut_off: Mutex<CutOffSum>,
    stopping_since: Mutex<Option<Instant>>,
}

/// Tells the first thread how a reload went.
type ReloadDone = oneshot::Sender<Result<(), ServiceError>>;

/// What a sign of life is: none since the last look; one; or the thread has ended, and is not expected to give any.
const SILENT: u8 = 0;
const ALIVE: u8 = 1;
const ENDED: u8 = 2;

impl Crew {
    pub(in crate::service) fn new(name: String, lame_duck: Duration, threads: usize) -> Self {
        Self {
            name,
            lame_duck,
            started: watch::Sender::new(0),
            was_ready: AtomicBool::new(false),
            signs_of_life: (1..threads).map(|_| AtomicU8::new(ALIVE)).collect(),
            reloads: Mutex::default(),
            cut_off: Mutex::default(),
            stopping_since: Mutex::default(),
        }
    }

    /// Resolves when the services of the other threads have started.
    pub(in crate::service) async fn started(&self) {
        // An error is impossible: the sender is here.
        let _ = self.started.subscribe().wait_for(|started| *started == self.signs_of_life.len()).await;
    }

    pub(in crate::service) fn set_ready(&self) {
        self.was_ready.store(true, Ordering::Relaxed);
    }

    /// Whether each of the other threads has given a sign of life since the last call, or has ended.
    pub(in crate::service) fn is_alive(&self) -> bool {
        let is_alive = |sign: &AtomicU8| {
            let swapped = sign.compare_exchange(ALIVE, SILENT, Ordering::Relaxed, Ordering::Relaxed);
            swapped != Err(SILENT)
        };
        // All of them, so that each has to give a new one.
        self.signs_of_life.iter().map(is_alive).fold(true, |all, is_alive| all & is_alive)
    }

    /// Has the other threads reload their services; returns the first error.
    pub(in crate::service) async fn reload(&self) -> Result<(), ServiceError> {
        let ask = |thread: &mpsc::UnboundedSender<_>| {
            let (tell, told) = oneshot::channel();
            // A thread that has ended drops it.
            let _ = thread.send(tell);
            told
        };
        let asked: Vec<_> = lock(&self.reloads).iter().map(ask).collect();
        // One that has ended meanwhile has nothing to reload.
        join_all(asked).await.into_iter().flatten().collect()
    }

    pub(in crate::service) fn set_stopping_since(&self, instant: Instant) {
        lock(&self.stopping_since).get_or_insert(instant);
    }

    /// Counts what a thread that has ended has cut off.
    pub(in crate::service) fn add_cut_off(&self, cut_off: CutOffSum) {
        let mut sum = lock(&self.cut_off);
        sum.connections += cut_off.connections;
        sum.unsent += cut_off.unsent;
    }

    /// What all have cut off, and since when they have been stopping.
    pub(in crate::service) fn result(&self) -> (CutOffSum, Option<Instant>) {
        (*lock(&self.cut_off), *lock(&self.stopping_since))
    }
}

/// Runs the service of a thread besides the first.
pub(in crate::service) fn run(reactor: &Reactor, service: Supervised, crew: &Arc<Crew>) -> Result<(), ServiceError> {
    let sign_of_life = crew.signs_of_life.get(reactor.thread_number() - 1);
    if let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero()) {
        let (crew, index) = (Arc::clone(crew), reactor.thread_number() - 1);
        // Twice as often as it is looked for.
        reactor.call_every(interval / 4, move |_tick| crew.signs_of_life[index].store(ALIVE, Ordering::Relaxed));
    }
    let (ask, asked) = mpsc::unbounded_channel();
    lock(&crew.reloads).push(ask);
    let service = Rc::new(service);
    let (stopping, waits) = (Rc::clone(&service), Arc::clone(crew));
    let hub = Rc::clone(&reactor.0.hub);
    let failure = Rc::new(Cell::new(None));
    let found = Rc::clone(&failure);
    reactor.before_shutdown(async move || {
        let was_ready = waits.was_ready.load(Ordering::Relaxed);
        found.set(ending::stop(&stopping, &hub, waits.lame_duck, was_ready).await);
    });
    let outcome = reactor.run_until(serve(reactor, &service, crew, asked));
    if let Some(sign) = sign_of_life {
        sign.store(ENDED, Ordering::Relaxed);
    }
    crew.add_cut_off(reactor.0.hub.cut_off());
    ending::result_of(outcome, failure.take())
}

async fn serve(
    reactor: &Reactor,
    service: &Supervised,
    crew: &Crew,
    asked: mpsc::UnboundedReceiver<ReloadDone>,
) -> ServiceError {
    tracing::debug!(program = crew.name, thread = reactor.thread_number(), "starting");
    if let Err(error) = service.start().await {
        return error;
    }
    reactor.0.shared_ports.set_up();
    crew.started.send_modify(|started| *started += 1);
    match select(pin!(service.failed()), pin!(reload(service, asked))).await {
        Either::Left((error, _)) => error,
        Either::Right((never, _)) => match never {},
    }
}

async fn reload(service: &Supervised, mut asked: mpsc::UnboundedReceiver<ReloadDone>) -> Infallible {
    while let Some(done) = asked.recv().await {
        // The first thread may be stopping.
        let _ = done.send(service.reload().await);
    }
    pending().await
}
