use std::collections::HashMap;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::process::abort;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use crate::inspect::slow_callbacks::{note_slow, note_time};
use crate::time::clock::Clock;
use crate::time::pulse::{Running, count_slow, running, sleep_until_any_goes_on};
use crate::util::address_space::has_room_for_thread;
use crate::util::last_resort::with_last_resort;
use crate::util::log_limit::LeftOut;

/// A thread that says which callback is slow: while it hangs, and when it has returned. It watches all reactors of the process.
///
/// ```no_run
/// use std::time::Duration;
/// use reactor::Reactor;
/// use reactor::inspect::Watchdog;
///
/// let reactor = Reactor::new()?;
/// let _watchdog = Watchdog::new().abort_after(Duration::from_secs(30)).start()?;
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// It logs, at the warning level, the name of the callback, the type of its protocol, and the number of its connection, which
/// the log's spans have, too. A future given to [`spawn`](crate::Reactor::spawn) has the name of its type, which tells where it
/// was written. Up to five callbacks a minute are logged; the next one says how many were left out. All are
/// [counted](crate::inspect::Stats::slow_callbacks).
///
/// The watchdog looks four times in the [duration](Self::slow_after) from which on a callback is slow, so it may take a quarter
/// longer until it says so, and the time that it says afterwards is short by up to as much. While no reactor has anything to
/// do, it sleeps. What was spawned on Tokio's runtime itself is not seen, but for [`abort_after`](Self::abort_after).
///
/// A [`Runner`](crate::service::Runner) has one by default. Twisted has none; asyncio has `slow_callback_duration`.
#[derive(Debug)]
pub struct Watchdog {
    slow_after: Duration,
    abort_after: Duration,
}

impl Watchdog {
    /// A watchdog for which 50 ms are slow, and which does not end the process.
    #[must_use]
    pub fn new() -> Self {
        Self { slow_after: Duration::from_millis(50), abort_after: Duration::MAX }
    }

    /// Sets from when on a callback is slow.
    #[must_use]
    pub fn slow_after(mut self, duration: Duration) -> Self {
        self.slow_after = duration;
        self
    }

    /// Ends the process when a callback has run for this long: the last line on standard error says which, and the process
    /// ends by SIGABRT, so that a service manager starts it again.
    #[must_use]
    pub fn abort_after(mut self, duration: Duration) -> Self {
        self.abort_after = duration;
        self
    }

    /// Starts the thread, which ends when the result is dropped.
    ///
    /// # Errors
    ///
    /// If the system starts no more threads, or if a limit of the address space leaves too little for one.
    pub fn start(self) -> io::Result<RunningWatchdog> {
        if !has_room_for_thread(1) {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "the limit of the address space leaves too little"));
        }
        let ended = Arc::<AtomicBool>::default();
        let until = Arc::clone(&ended);
        let thread = thread::Builder::new().name("watchdog".to_owned());
        let thread = thread.spawn(move || with_last_resort(|| self.watch(&until)))?;
        Ok(RunningWatchdog { ended, thread: thread.thread().clone() })
    }

    fn watch(&self, ended: &AtomicBool) {
        let clock = Clock::system();
        let mut seen = HashMap::new();
        let mut log = SlowLog::default();
        while !ended.load(Relaxed) {
            let running = running();
            self.look(&running, clock.now(), &mut seen, &mut log);
            if running.is_empty() {
                sleep_until_any_goes_on();
                thread::park_timeout(ASLEEP);
            } else {
                thread::park_timeout((self.slow_after / 4).max(SHORTEST));
            }
        }
    }

    fn look(&self, running: &[Running], now: Instant, seen: &mut HashMap<usize, Seen>, log: &mut SlowLog) {
        // Those that have returned.
        seen.retain(|thread, seen| {
            let goes_on = running.iter().any(|other| (other.thread, other.beats) == (*thread, seen.running.beats));
            let took = now.saturating_duration_since(seen.since);
            if let Some(number) = seen.slow {
                note_time(number, took, goes_on);
            }
            if !goes_on && seen.said {
                let Running { callback, name, connection, .. } = seen.running;
                tracing::warn!(callback, name, connection, ?took, "slow callback: all others waited");
            }
            goes_on
        });
        for running in running {
            let seen =
                seen.entry(running.thread).or_insert(Seen { running: *running, since: now, said: false, slow: None });
            let time = now.saturating_duration_since(seen.since);
            if time >= self.abort_after {
                // If standard error is closed, there is nowhere to report to.
                let _ = writeln!(io::stderr(), "aborting: {} has not returned for {time:?}", Name(running));
                abort();
            }
            if time >= self.slow_after && seen.slow.is_none() && !running.callback.is_empty() {
                seen.slow = Some(note_slow(running, time));
                count_slow(running.thread);
                if let Some(left_out) = log.allows(now) {
                    (seen.said, seen.running) = (true, *running);
                    let Running { callback, name, connection, .. } = *running;
                    tracing::warn!(callback, name, connection, since = ?time, left_out, "a callback hangs: all others wait");
                }
            }
        }
    }
}

impl Default for Watchdog {
    fn default() -> Self {
        Self::new()
    }
}

/// What a thread was seen to do.
struct Seen {
    running: Running,
    since: Instant,
    /// Its number among those that were found slow, if it was.
    slow: Option<u64>,
    /// Whether it was logged.
    said: bool,
}

/// Lets five callbacks a minute through.
#[derive(Default)]
struct SlowLog {
    minute: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl SlowLog {
    /// Whether one may be logged now, and how many were left out before it.
    fn allows(&mut self, now: Instant) -> Option<LeftOut> {
        if self.minute.is_none_or(|minute| now.saturating_duration_since(minute) >= MINUTE) {
            (self.minute, self.lines) = (Some(now), 0);
        }
        if self.lines == LINES_A_MINUTE {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(NonZeroU64::new(std::mem::take(&mut self.left_out)))
    }
}

struct Name<'a>(&'a Running);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Running { callback, name, connection, .. } = self.0;
        f.write_str(if callback.is_empty() { "something that the reactor does not know" } else { callback })?;
        if let Some(name) = name {
            write!(f, " of {name}")?;
        }
        if let Some(connection) = connection {
            write!(f, ", connection {connection},")?;
        }
        Ok(())
    }
}

/// A watchdog that watches. Dropping it ends that.
#[derive(Debug)]
pub struct RunningWatchdog {
    ended: Arc<AtomicBool>,
    thread: thread::Thread,
}

impl Drop for RunningWatchdog {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        self.thread.unpark();
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const LINES_A_MINUTE: u32 = 5;

/// How often to look while every reactor waits: one that has just begun to do something may be missed once.
const ASLEEP: Duration = Duration::from_secs(1);

const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// No thread of this process.
    const THREAD: usize = usize::MAX;

    fn running(beats: u64, callback: &'static str) -> Running {
        Running { thread: THREAD, reactor: 0, beats, callback, name: None, connection: None }
    }

    /// What is found slow, by looks 20 ms apart.
    fn found(looks: &[Option<Running>]) -> Vec<&'static str> {
        let (watchdog, begun) = (Watchdog::new(), Clock::manual(0).now());
        let (mut seen, mut log, mut found) = (HashMap::new(), SlowLog::default(), Vec::new());
        let mut now = begun;
        for running in looks {
            let before = seen.get(&THREAD).is_some_and(|seen: &Seen| seen.slow.is_some());
            watchdog.look(running.as_slice(), now, &mut seen, &mut log);
            found.extend(
                seen.get(&THREAD).filter(|seen| seen.slow.is_some() && !before).map(|seen| seen.running.callback),
            );
            now += Duration::from_millis(20);
        }
        found
    }

    #[test]
    fn what_is_still_the_same_callback_after_50_ms_is_slow_and_found_once() {
        let (one, other) = (Some(running(1, "one")), Some(running(2, "other")));
        assert_eq!(found(&[one, one, one]), [""; 0]);
        assert_eq!(found(&[one, one, one, one, one, one]), ["one"]);
        assert_eq!(found(&[one, one, other, other, None, other, other]), [""; 0]);
        assert_eq!(found(&[one, one, one, one, other, other, other, other]), ["one", "other"]);
        let between = Some(running(1, ""));
        assert_eq!(found(&[between; 10]), [""; 0], "code that the reactor does not know");
    }

    #[test]
    fn five_lines_a_minute_pass_and_the_next_says_how_many_did_not() {
        let (mut log, begun) = (SlowLog::default(), Clock::manual(0).now());
        let mut at = |second| log.allows(begun + Duration::from_secs(second));
        assert_eq!([0, 1, 2, 3, 4].map(&mut at), [Some(None); 5]);
        assert_eq!([5, 59].map(&mut at), [None; 2]);
        assert_eq!([60, 61].map(&mut at), [Some(NonZeroU64::new(2)), Some(None)]);
    }
}
