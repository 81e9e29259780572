//! Other threads: several reactors, calls from outside, and work that blocks.
//!
//! A reactor and everything that belongs to it stay on one thread. [`run_on_threads`] runs several reactors, which
//! share their ports. Other threads reach a reactor by a [`RemoteReactor`] or a [`RemoteTransport`]: these have calls
//! made on the reactor's thread, and [`RemoteReactor::blocking_call`] waits for the result.
//! [`Reactor::defer_to_thread`] and [`call_in_thread`](Reactor::call_in_thread) move blocking work to other threads; a
//! [`JobError`] says why it was not done.
//!
//! ```
//! use reactor::Reactor;
//!
//! let reactor = Reactor::new()?;
//! let sum = reactor.run_until(reactor.defer_to_thread(|| (1..=10).sum::<u32>()))?;
//! assert!(matches!(sum, Ok(55)));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Twisted has `callFromThread` and `twisted.internet.threads`, and one reactor per process.

pub(crate) mod blocking_call;
pub(crate) mod jobs;
pub(crate) mod remote;

pub use crate::reactor::inbox::RemoteError;
pub use crate::util::thread_pool::JobError;
pub use blocking_call::BlockingCallError;
pub use remote::{RemoteReactor, RemoteTransport};

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::{io, thread};

use crate::hub::Budgets;
use crate::reactor::Reactor;
use crate::reactor::inbox::Room;
use crate::reactor::shared_ports::{GroupPorts, SharedPorts, lock};

/// Runs `threads` reactors, each on a thread of its own and set up by `setup`, so that all cores serve the same ports.
/// Returns when all have stopped.
///
/// Each thread has listening sockets of its own (`SO_REUSEPORT`; on a UNIX socket all accept from one), and the system
/// spreads the connections among them; a connection stays with its thread. Datagrams are spread by source and
/// destination address, so those of one peer come to one thread. The first thread's `setup` checks that each address is
/// free before it is shared, so that two servers do not share a port by accident; if port 0 is requested, all threads
/// get the port that it got. `setup` must listen on the same addresses in the same order each time.
///
/// When one reactor is stopped, by a signal or by [`Reactor::stop`], all stop.
///
/// ```
/// use reactor::{Protocol, Transport, run_on_threads};
/// # struct Echo { transport: Transport }
/// # impl Protocol for Echo {
/// #     fn data_received(&mut self, data: &[u8]) { self.transport.write(data) }
/// # }
///
/// run_on_threads(4, |reactor| {
///     reactor.listen_tcp("127.0.0.1:0", |transport| Echo { transport })?;
///     # reactor.stop();
///     Ok(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// The first error of `setup` or of a reactor; all are then stopped.
///
/// # Panics
///
/// If `threads` is 0. If a `setup` panics, with its panic, when all have stopped.
pub fn run_on_threads(threads: usize, setup: impl Fn(&Reactor) -> io::Result<()> + Sync) -> io::Result<()> {
    assert!(threads > 0, "run_on_threads needs at least one thread");
    let group = Group::new();
    let first = group.reactor(&setup)?;
    thread::scope(|scope| {
        let mut others = Vec::new();
        for number in 1..threads {
            let (group, setup) = (&group, &setup);
            let run = move || group.run(|| group.reactor(setup));
            match thread::Builder::new().name(format!("reactor-{number}")).spawn_scoped(scope, run) {
                Ok(thread) => others.push(thread),
                Err(error) => {
                    group.failed(error);
                    break;
                }
            }
        }
        group.run(|| Ok(first));
        let panics: Vec<_> = others.into_iter().filter_map(|thread| thread.join().err()).collect();
        if let Some(panic) = panics.into_iter().next() {
            resume_unwind(panic);
        }
    });
    let error = group.lock().error.take();
    error.map_or(Ok(()), Err)
}

/// Reactors that stop together.
struct Group {
    budgets: Budgets,
    members: Arc<Mutex<Members>>,
    ports: GroupPorts,
}

#[derive(Default)]
struct Members {
    reactors: Vec<RemoteReactor>,
    stopped: bool,
    /// The first error of any of them.
    error: Option<io::Error>,
}

impl Group {
    fn new() -> Self {
        Self { budgets: Budgets::of_process(), members: Arc::default(), ports: Arc::default() }
    }

    fn reactor(&self, setup: impl Fn(&Reactor) -> io::Result<()>) -> io::Result<Reactor> {
        let reactor = Reactor::within(self.budgets.clone())?;
        let remote = reactor.remote();
        reactor.0.hub.memory.set_ask(move || {
            // A reactor that has ended holds nothing.
            let _ = remote.queue(|reactor| reactor.0.hub.memory.relieve(), 0, Room::Whatever);
        });
        let members = Arc::clone(&self.members);
        reactor.before_shutdown(async move || stop_all(&members));
        let shared = SharedPorts::new(&self.ports);
        reactor.0.shared_ports.replace(Some(shared));
        let result = setup(&reactor);
        reactor.0.shared_ports.replace(None);
        result.map(|()| reactor)
    }

    fn run(&self, make: impl FnOnce() -> io::Result<Reactor>) {
        // Also when `make` panics: the others must not wait forever.
        let _stop = StopAll(&self.members);
        let result = make().and_then(|reactor| {
            let mut members = self.lock();
            if members.stopped {
                reactor.stop();
            }
            members.reactors.push(reactor.remote());
            drop(members);
            reactor.run()
        });
        if let Err(error) = result {
            self.failed(error);
        }
    }

    fn failed(&self, error: io::Error) {
        self.lock().error.get_or_insert(error);
        stop_all(&self.members);
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }
}

struct StopAll<'a>(&'a Mutex<Members>);

impl Drop for StopAll<'_> {
    fn drop(&mut self) {
        stop_all(self.0);
    }
}

fn stop_all(members: &Mutex<Members>) {
    let mut members = lock(members);
    members.stopped = true;
    members.reactors.iter().for_each(RemoteReactor::stop);
}
