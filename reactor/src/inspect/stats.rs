use std::ops::AddAssign;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::port::refusals::Refusals;
use crate::reactor::Reactor;
use crate::reactor::core::{Backend, Phase};
use crate::time::pulse;
use crate::transport::Transport;
use crate::util::thread_pool::ThreadPool;

/// The numbers of a reactor, by [`Reactor::stats`]. Those of several can be added up.
///
/// ```
/// use std::time::Duration;
/// use reactor::testing::Simulation;
/// # use reactor::{Protocol, Transport};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// let sim = Simulation::new(0);
/// let server = sim.host("server");
/// server.listen_tcp(7, |transport| Echo { transport })?;
/// sim.host("client").connect_tcp("server:7", |transport| Echo { transport });
/// sim.run_for(Duration::from_secs(1));
/// let stats = server.stats();
/// assert_eq!((stats.ports, stats.connections, stats.opened), (1, 1, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The connections that are open now, in both directions, without those inside layers.
    pub connections: usize,
    /// The connections that were ever open.
    pub opened: u64,
    /// The sockets of ended connections that wait for the peer to take the rest.
    pub lingering: usize,
    /// The connectors that are connecting, connected, or about to connect.
    pub connectors: usize,
    /// The ports that listen.
    pub ports: usize,
    /// The clients that these ports have turned away.
    pub refusals: Refusals,
    /// The connections that were ended because the memory budget was used up; one number for all threads.
    pub evicted: u64,
    /// The bytes that connections have written and the system has not taken, also inside layers.
    pub unsent_bytes: usize,
    /// The timed calls that wait, including those of connections.
    pub timed_calls: usize,
    /// The futures that connections have deferred and that are not ready.
    pub deferred_calls: usize,
    /// The jobs that run on threads.
    pub jobs_running: usize,
    /// The jobs that wait for a thread.
    pub jobs_waiting: usize,
    /// How often the loop has waited for the system. This and what follows is 0 unless the reactor runs, and in a simulation.
    pub turns: u64,
    /// For how long it did not wait.
    pub busy: Duration,
    /// The callbacks that a [`Watchdog`](crate::inspect::Watchdog) has found slow.
    pub slow_callbacks: u64,
    /// The panics of user code that were caught and logged.
    pub panics: u64,
}

impl Reactor {
    /// The numbers of this reactor now. It looks at every connection, which takes some nanoseconds for each.
    pub fn stats(&self) -> Stats {
        let core = &self.0;
        let ports = core.ports();
        let (jobs_running, jobs_waiting) = core.pool.get().map_or((0, 0), ThreadPool::counts);
        let mut stats = Stats {
            connections: core.roster.len(),
            opened: core.roster.opened(),
            lingering: core.roster.lingering(),
            connectors: core.attempts().len(),
            ports: ports.len(),
            evicted: self.evicted(),
            timed_calls: self.pending_call_count(),
            jobs_running,
            jobs_waiting,
            ..self.loop_counts()
        };
        ports.iter().for_each(|port| stats.refusals += port.refusals());
        core.roster.for_each(|transport| {
            for Transport(state) in transport.layers() {
                stats.unsent_bytes += state.unsent_bytes();
                stats.deferred_calls += state.calls.deferred_count();
            }
        });
        stats
    }

    /// The numbers of the loop, which are its thread's; zeros unless this reactor is the one that runs on it.
    fn loop_counts(&self) -> Stats {
        let runs = matches!(self.0.phase.get(), Phase::Running | Phase::Stopping);
        match (&self.0.backend, Handle::try_current()) {
            (Backend::Tokio(_), Ok(runtime)) if runs => {
                let (metrics, (slow_callbacks, panics)) = (runtime.metrics(), pulse::counts());
                let (turns, busy) = (metrics.worker_park_count(0), metrics.worker_total_busy_duration(0));
                Stats { turns, busy, slow_callbacks, panics, ..Stats::default() }
            }
            _ => Stats::default(),
        }
    }

    /// The numbers of all reactors that [run together](crate::run_on_threads), the first thread first. One that has ended is
    /// left out.
    pub async fn stats_of_threads(&self) -> Vec<Stats> {
        let mut all = Vec::new();
        for (_, thread) in self.threads() {
            all.extend(thread.ask(Self::stats).await);
        }
        all
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.opened += other.opened;
        self.lingering += other.lingering;
        self.connectors += other.connectors;
        self.ports += other.ports;
        self.refusals += other.refusals;
        self.evicted = self.evicted.max(other.evicted);
        self.unsent_bytes += other.unsent_bytes;
        self.timed_calls += other.timed_calls;
        self.deferred_calls += other.deferred_calls;
        self.jobs_running += other.jobs_running;
        self.jobs_waiting += other.jobs_waiting;
        self.turns += other.turns;
        self.busy += other.busy;
        self.slow_callbacks += other.slow_callbacks;
        self.panics += other.panics;
    }
}
