//! What the event loop of a thread is doing, for a watchdog on another thread.
//!
//! A callback costs some stores, and no look at a clock: the watchdog has the clock.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::num::NonZeroU64;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::thread::{self, Thread};

use crate::util::lock::lock;

thread_local! {
    /// Set while a reactor with sockets runs on this thread.
    static PULSE: Cell<Option<&'static Pulse>> = const { Cell::new(None) };
}

/// As many as there ever were at one time. They are used again, and never freed: a watchdog may look at one at any time.
static ALL: Mutex<Vec<&'static Pulse>> = Mutex::new(Vec::new());

/// The names of types; a [`Subject`] has the number of one.
static NAMES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

/// Watchdogs that wait until a loop has something to do.
static SLEEPERS: Mutex<Vec<Thread>> = Mutex::new(Vec::new());
static ANY_SLEEPER: AtomicBool = AtomicBool::new(false);

/// The pulse of one thread, which alone changes it, but for the counts of a watchdog.
#[derive(Default)]
pub(crate) struct Pulse {
    taken: AtomicBool,
    /// The number of the reactor among those that run as one.
    reactor: AtomicUsize,
    /// Whether the loop waits for the system.
    waits: AtomicBool,
    /// Grows with each callback that is not inside another.
    beats: AtomicU64,
    /// What runs: the connection, and the name and the callback; 0 between callbacks.
    connection: AtomicU64,
    callback: AtomicU64,
    slow_callbacks: AtomicU64,
    panics: AtomicU64,
}

/// What is called.
#[derive(Clone, Copy)]
pub(crate) enum Callback {
    ConnectionMade = 1,
    DataReceived,
    FileDescriptorReceived,
    EofReceived,
    PauseWriting,
    ResumeWriting,
    ConnectionLost,
    Call,
    Deferred,
    Layer,
    StartProtocol,
    DatagramReceived,
    ConnectionRefused,
    BuildProtocol,
    TimedCall,
    CallFromThread,
    CooperativeStep,
    Watched,
    Future,
    /// A hook, for example, or the drop of what the program owns.
    Other,
}

/// The names of [`Callback`]s, in their order.
const CALLBACKS: [&str; Callback::Other as usize + 1] = [
    "",
    "connection_made",
    "data_received",
    "file_descriptor_received",
    "eof_received",
    "pause_writing",
    "resume_writing",
    "connection_lost",
    "a timed or deferred call",
    "a deferred future",
    "a layer",
    "start_protocol",
    "datagram_received",
    "connection_refused",
    "build_protocol",
    "a timed call",
    "a call from another thread",
    "a step of a cooperative task",
    "the callback of a watched descriptor",
    "a future",
    "other code of the program",
];

impl Callback {
    pub(crate) fn name(self) -> &'static str {
        CALLBACKS[self as usize]
    }

    /// The subject of a callback that is no protocol's.
    pub(crate) fn of_reactor(self) -> Subject {
        Subject { connection: 0, name: 0, callback: self }
    }
}

/// A callback, and whose it is.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    /// The connection's number; 0 without one.
    pub(crate) connection: u64,
    /// The type, by [`number_of`]; 0 without one.
    pub(crate) name: u32,
    pub(crate) callback: Callback,
}

/// What a thread does that does not wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Running {
    /// Which thread.
    pub(crate) thread: usize,
    /// The number of its reactor among those that run as one.
    pub(crate) reactor: usize,
    /// Grows with each callback that is not inside another.
    pub(crate) beats: u64,
    /// The innermost; empty between callbacks.
    pub(crate) callback: &'static str,
    /// The type of the protocol, or of the future, if it is one's.
    pub(crate) name: Option<&'static str>,
    /// The number of the connection, if it is one's.
    pub(crate) connection: Option<NonZeroU64>,
}

/// The number of a type's name.
pub(crate) fn number_of(name: &'static str) -> u32 {
    let mut names = lock(&NAMES);
    let index = names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(name);
        names.len() - 1
    });
    u32::try_from(index + 1).unwrap_or(0)
}

/// Runs user code, which must not unwind.
#[inline]
pub(crate) fn observed<R>(subject: Subject, code: impl FnOnce() -> R) -> R {
    let Some(pulse) = PULSE.get() else { return code() };
    let outer = (pulse.connection.load(Relaxed), pulse.callback.load(Relaxed));
    pulse.connection.store(subject.connection, Relaxed);
    pulse.callback.store(u64::from(subject.name) << 8 | subject.callback as u64, Relaxed);
    // What runs inside another callback takes the time of that.
    if outer.1 == 0 {
        pulse.beats.store(pulse.beats.load(Relaxed) + 1, Relaxed);
    }
    let result = code();
    pulse.connection.store(outer.0, Relaxed);
    pulse.callback.store(outer.1, Relaxed);
    result
}

/// Runs a future whose steps are user code.
pub(crate) async fn observed_future<T>(name: u32, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let subject = Subject { connection: 0, name, callback: Callback::Future };
    poll_fn(|cx| observed(subject, || future.as_mut().poll(cx))).await
}

/// The loop begins to wait for the system.
pub(crate) fn wait() {
    if let Some(pulse) = PULSE.get() {
        pulse.waits.store(true, Relaxed);
    }
}

/// The loop has waited.
pub(crate) fn go_on() {
    if let Some(pulse) = PULSE.get() {
        pulse.beats.store(pulse.beats.load(Relaxed) + 1, Relaxed);
        pulse.waits.store(false, Relaxed);
        if ANY_SLEEPER.load(Relaxed) {
            wake_sleepers();
        }
    }
}

#[cold]
fn wake_sleepers() {
    lock(&SLEEPERS).drain(..).for_each(|thread| thread.unpark());
    ANY_SLEEPER.store(false, Relaxed);
}

/// Has this thread unparked when a loop has something to do. It may miss one that has just begun.
pub(crate) fn sleep_until_any_goes_on() {
    let (mut sleepers, this) = (lock(&SLEEPERS), thread::current());
    // It is still there if it has slept for its time.
    if sleepers.iter().all(|sleeper| sleeper.id() != this.id()) {
        sleepers.push(this);
    }
    ANY_SLEEPER.store(true, Relaxed);
}

/// Counts a panic that was caught.
pub(crate) fn count_panic() {
    if let Some(pulse) = PULSE.get() {
        pulse.panics.store(pulse.panics.load(Relaxed) + 1, Relaxed);
    }
}

/// How many callbacks of the reactor that runs on this thread were slow, and how many panicked.
pub(crate) fn counts() -> (u64, u64) {
    PULSE.get().map_or((0, 0), |pulse| (pulse.slow_callbacks.load(Relaxed), pulse.panics.load(Relaxed)))
}

/// What the threads do that do not wait.
pub(crate) fn running() -> Vec<Running> {
    let pulses = lock(&ALL).clone();
    pulses.into_iter().enumerate().filter_map(|(thread, pulse)| pulse.running(thread)).collect()
}

/// Counts a slow callback of this thread.
pub(crate) fn count_slow(thread: usize) {
    if let Some(pulse) = lock(&ALL).get(thread) {
        pulse.slow_callbacks.fetch_add(1, Relaxed);
    }
}

impl Pulse {
    fn running(&self, thread: usize) -> Option<Running> {
        if self.waits.load(Relaxed) {
            return None;
        }
        let beats = self.beats.load(Relaxed);
        let (connection, callback) = (self.connection.load(Relaxed), self.callback.load(Relaxed));
        let name = (callback >> 8) as usize;
        let name = name.checked_sub(1).and_then(|index| lock(&NAMES).get(index).copied());
        let callback = CALLBACKS.get(callback as usize & 0xff).copied().unwrap_or_default();
        let (reactor, connection) = (self.reactor.load(Relaxed), NonZeroU64::new(connection));
        Some(Running { thread, reactor, beats, callback, name, connection })
    }
}

/// Gives this thread a pulse until it is dropped.
pub(crate) struct Beating(&'static Pulse);

impl Beating {
    pub(crate) fn begin(reactor: usize) -> Self {
        let mut all = lock(&ALL);
        let free = all.iter().find(|pulse| !pulse.taken.load(Relaxed)).copied();
        let pulse = free.unwrap_or_else(|| {
            let pulse: &'static Pulse = Box::leak(Box::default());
            all.push(pulse);
            pulse
        });
        for number in [&pulse.connection, &pulse.callback, &pulse.slow_callbacks, &pulse.panics] {
            number.store(0, Relaxed);
        }
        pulse.reactor.store(reactor, Relaxed);
        pulse.taken.store(true, Relaxed);
        drop(all);
        PULSE.set(Some(pulse));
        go_on();
        Self(pulse)
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        PULSE.set(None);
        self.0.waits.store(true, Relaxed);
        self.0.taken.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_inside_another_callback_is_named_and_takes_the_time_of_that() {
        let _beating = Beating::begin(0);
        let seen = || PULSE.get().unwrap().running(0).map(|running| (running.callback, running.beats)).unwrap();
        let subject = |callback| Subject { connection: 1, name: number_of("Outer"), callback };
        let before = seen();
        assert_eq!(before.0, "");
        observed(subject(Callback::DataReceived), || {
            assert_eq!(seen(), ("data_received", before.1 + 1));
            observed(subject(Callback::ConnectionMade), || assert_eq!(seen(), ("connection_made", before.1 + 1)));
            assert_eq!(seen(), ("data_received", before.1 + 1));
        });
        assert_eq!(seen(), ("", before.1 + 1));
        observed(Callback::TimedCall.of_reactor(), || assert_eq!(seen(), ("a timed call", before.1 + 2)));
        wait();
        assert!(PULSE.get().unwrap().running(0).is_none());
        go_on();
        assert_eq!(seen(), ("", before.1 + 3));
    }

    #[test]
    fn each_callback_has_a_name() {
        assert!(CALLBACKS.iter().skip(1).all(|name| !name.is_empty()));
        assert_eq!(Callback::ConnectionLost.name(), "connection_lost");
        assert_eq!(Callback::Future.name(), "a future");
    }
}
