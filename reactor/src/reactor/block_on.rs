//! Running a reactor for a while.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt as _;
use tokio::runtime::Handle;

use crate::reactor::core::{Backend, Phase, StopAsked};
use crate::reactor::run::{DRIVEN_BY_HAND, RUNS_ONCE, interrupted, start, unless_stopped};
use crate::reactor::{INSIDE_A_RUNTIME, Reactor};
use crate::time::pulse::{Beating, observed_future};
use crate::util::last_resort::with_last_resort;

impl Reactor {
    /// Runs until `future` is ready, and returns its output; then the reactor rests, and goes on with the next call. Nothing
    /// is stopped: ports, connections, timed calls and futures stay as they are, and what happens meanwhile is noticed
    /// afterwards. For a loop that has this one inside it, an interpreter that hosts it, a test that goes step by step.
    /// Twisted's `crash` and `iterate`.
    ///
    /// The first call makes the calls of [`call_when_running`](Self::call_when_running). Signals are left alone: they are
    /// [`run`](Self::run)'s, which ends a reactor in order, also one that rests. One that is dropped instead calls nothing
    /// back.
    ///
    /// ```
    /// use std::time::Duration;
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.call_later(Duration::from_millis(3), || println!("in the second turn"));
    /// for _ in 0..2 {
    ///     reactor.block_on(reactor.sleep(Duration::from_millis(2)))?;
    ///     println!("here the reactor rests");
    /// }
    /// reactor.stop();
    /// reactor.run()?; // closes everything in order
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Interrupted`](io::ErrorKind::Interrupted) if the reactor was asked to [`stop`](Self::stop) before the future was
    /// ready: `run` does that. Also if it is running or has run, if this thread is inside a Tokio runtime, or if the
    /// reactor is one without sockets.
    pub fn block_on<F: Future>(&self, future: F) -> io::Result<F::Output> {
        let core = &self.0;
        let Backend::Tokio(backend) = &core.backend else { return Err(io::Error::other(DRIVEN_BY_HAND)) };
        if core.phase.get() == Phase::Stopped {
            return Err(io::Error::other(RUNS_ONCE));
        }
        if Handle::try_current().is_ok() {
            return Err(io::Error::other(INSIDE_A_RUNTIME));
        }
        let Some(runtime) = backend.runtime.take() else { return Err(io::Error::other(RUNS_ONCE)) };
        let beating = Beating::begin(core.shared_ports.number);
        let output = with_last_resort(|| {
            runtime.block_on(async {
                start(core);
                // The runtime is put back before a panic goes on.
                let future = observed_future(0, AssertUnwindSafe(future).catch_unwind());
                unless_stopped(core, StopAsked::InOrder, future).await
            })
        });
        drop(beating);
        backend.runtime.replace(Some(runtime));
        match output {
            Some(output) => output.or_else(|panic| resume_unwind(panic)),
            None => Err(interrupted()),
        }
    }
}
