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
pub(crate) mod group;
pub(crate) mod jobs;
pub(crate) mod remote;

pub use crate::reactor::inbox::RemoteError;
pub use crate::util::thread_pool::JobError;
pub use blocking_call::BlockingCallError;
pub use remote::{RemoteReactor, RemoteTransport};

use std::io;

use crate::reactor::Reactor;
use crate::threads::group::Group;

/// Runs `threads` reactors, each on a thread of its own and set up by `setup`, so that all cores serve the same ports.
/// Returns when all have stopped.
///
/// The reactors accept from the same listening sockets, and the one that accepts a connection passes it to the one that has
/// fewest; so they are spread evenly even if they are few. A connection stays with its thread. For datagrams each thread
/// has a socket of its own (`SO_REUSEPORT`), and the system spreads them by the addresses of both ends, so that those of
/// one peer come to one thread.
///
/// Ports are the same if they were requested by the same words: an address with a port at any time, port 0 while `setup`
/// runs, where all get the port that the first one got. Limits of a port are those of all threads together, except
/// [`pending`](crate::port::AcceptLimits::pending), of which each thread has its part; the numbers that a
/// [`Port`](crate::Port) reports are those of its thread.
///
/// What belongs to the program and not to a thread is made where [`Reactor::thread_number`] is 0. Programs made of
/// services run them on all cores by [`Runner::threads`](crate::service::Runner::threads).
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
    let group = Group::<io::Error>::new();
    let set_up = |number| -> io::Result<Reactor> {
        let reactor = group.reactor(number)?;
        setup(&reactor)?;
        reactor.0.shared_ports.set_up();
        Ok(reactor)
    };
    let run = |reactor: Reactor| {
        group.join(&reactor);
        reactor.run()
    };
    let first = set_up(0)?;
    group.run(threads, || run(first), |number| run(set_up(number)?))
}
