use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::mpsc;
use std::sync::mpsc::Sender;

use crate::reactor::Reactor;
use crate::reactor::inbox::Room;
use crate::threads::remote::RemoteReactor;
use crate::util::escaped::escaped;
use crate::util::panics::{catch_panic, catch_panic_async};

impl RemoteReactor {
    /// Calls `call` on the reactor's thread, as [`call_from_thread`](Self::call_from_thread) does, and waits for its
    /// result: for threads that do one thing after the other. Twisted's `blockingCallFromThread`.
    ///
    /// If the reactor does not run yet, it waits until it does.
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let remote = reactor.remote();
    /// let counting = std::thread::spawn(move || {
    ///     let connections = remote.blocking_call(|reactor| reactor.connection_count());
    ///     remote.stop();
    ///     connections
    /// });
    /// reactor.run()?;
    /// assert_eq!(counting.join().unwrap(), Ok(0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Panicked`](BlockingCallError::Panicked) with the message of the call's panic;
    /// [`Stopped`](BlockingCallError::Stopped) if the reactor ends before the call is made;
    /// [`OnReactorThread`](BlockingCallError::OnReactorThread) on the reactor's own thread, where it would wait for
    /// itself.
    pub fn blocking_call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Reactor) -> T + Send + 'static,
    ) -> Result<T, BlockingCallError> {
        self.wait_for(|answer| {
            move |reactor: &Reactor| {
                let result = catch_panic(|| call(reactor));
                let _ = answer.send(result.map_err(BlockingCallError::Panicked));
            }
        })
    }

    /// As [`blocking_call`](Self::blocking_call), for a call that returns a future: the future runs on the reactor's
    /// thread, beside everything else, and this waits for its output. Twisted's `blockingCallFromThread` of a function
    /// that returns a `Deferred`.
    ///
    /// ```
    /// # use reactor::threads::RemoteReactor;
    /// # fn on_another_thread(remote: &RemoteReactor) -> Result<(), Box<dyn std::error::Error>> {
    /// let addresses = remote.block_on(|reactor| reactor.resolve("localhost:80"))??;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`blocking_call`](Self::blocking_call); the reactor's end drops the future.
    pub fn block_on<F>(&self, call: impl FnOnce(&Reactor) -> F + Send + 'static) -> Result<F::Output, BlockingCallError>
    where
        F: Future<Output: Send + 'static> + 'static,
    {
        self.wait_for(|answer| {
            move |reactor: &Reactor| match catch_panic(|| call(reactor)) {
                Ok(future) => reactor.spawn(async move {
                    let result = catch_panic_async(future).await;
                    let _ = answer.send(result.map_err(BlockingCallError::Panicked));
                }),
                Err(message) => {
                    let _ = answer.send(Err(BlockingCallError::Panicked(message)));
                }
            }
        })
    }

    fn wait_for<T, C: FnOnce(&Reactor) + Send + 'static>(
        &self,
        call: impl FnOnce(Sender<Result<T, BlockingCallError>>) -> C,
    ) -> Result<T, BlockingCallError> {
        if self.is_on_this_thread() {
            return Err(BlockingCallError::OnReactorThread);
        }
        let (answer, answered) = mpsc::channel();
        // A refused call is dropped, and the sender with it. There are no more of them than threads.
        let _ = self.queue(call(answer), 0, Room::Whatever);
        // Dropping the call, or the future that it returned, drops the sender.
        answered.recv().unwrap_or(Err(BlockingCallError::Stopped))
    }
}

/// Why a [blocking call](RemoteReactor::blocking_call) has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockingCallError {
    /// It was requested on the reactor's own thread; it is not made.
    OnReactorThread,
    /// The call, or the future that it returned, panicked, with this message.
    Panicked(String),
    /// The reactor ended before there was a result.
    Stopped,
}

impl fmt::Display for BlockingCallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnReactorThread => f.write_str(
                "a blocking call on the reactor's own thread would wait forever: use the reactor itself there",
            ),
            Self::Panicked(message) => write!(f, "the call panicked: {}", escaped(message)),
            Self::Stopped => f.write_str("the reactor ended before the call had a result"),
        }
    }
}

impl Error for BlockingCallError {}
