//! An interaction on its way: the closure, and who waits for its result.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_channel::oneshot;
use reactor::text::panic_message;

use crate::database::error::{InteractionError, PoolError};
use crate::database::report::Report;

/// The result of an interaction that is under way, as a future. It is `Send`, and needs no runtime.
///
/// Dropping it changes nothing for the interaction, whose result is dropped then; an error that nobody waits for is logged.
pub struct PendingInteraction<T, E>(oneshot::Receiver<Result<T, InteractionError<E>>>);

impl<T, E> Future for PendingInteraction<T, E> {
    type Output = Result<T, InteractionError<E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).unwrap_or(Err(PoolError::Stopped.into())))
    }
}

impl<T, E> fmt::Debug for PendingInteraction<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingInteraction").finish_non_exhaustive()
    }
}

/// An interaction whose types are known to it alone.
pub(super) trait Interaction<C>: Send {
    /// Calls the closure once.
    fn call(&mut self, connection: &mut C) -> Called;
    /// Answers with what the last call returned.
    fn answer(self: Box<Self>);
    /// Answers that there is no result.
    fn fail(self: Box<Self>, error: PoolError);
}

/// How a call went.
pub(super) enum Called {
    Succeeded,
    Failed,
    Panicked(Payload),
}

pub(super) type Payload = Box<dyn Any + Send>;

/// A closure, and who waits for its result.
pub(super) struct Asked<T, E, F> {
    closure: F,
    result: Option<Result<T, InteractionError<E>>>,
    asker: oneshot::Sender<Result<T, InteractionError<E>>>,
    report: Report,
}

impl<T, E, F> Asked<T, E, F> {
    pub(super) fn new(closure: F, report: Report) -> (Self, PendingInteraction<T, E>) {
        let (asker, result) = oneshot::channel();
        (Self { closure, result: None, asker, report }, PendingInteraction(result))
    }
}

impl<C, T, E, F> Interaction<C> for Asked<T, E, F>
where
    T: Send,
    E: fmt::Display + Send,
    F: FnMut(&mut C) -> Result<T, E> + Send,
{
    fn call(&mut self, connection: &mut C) -> Called {
        // An earlier result is user code when it is dropped, so it goes in here, too.
        match catch_unwind(AssertUnwindSafe(|| {
            self.result = None;
            (self.closure)(connection)
        })) {
            Ok(Ok(value)) => {
                self.result = Some(Ok(value));
                Called::Succeeded
            }
            Ok(Err(error)) => {
                self.result = Some(Err(InteractionError::Failed(error)));
                Called::Failed
            }
            Err(payload) => {
                self.result = Some(Err(InteractionError::Panicked(panic_message(&*payload))));
                Called::Panicked(payload)
            }
        }
    }

    fn answer(self: Box<Self>) {
        let Self { closure, result, asker, report } = *self;
        // It owns what the asker may wait for.
        drop(closure);
        let Some(result) = result else { return };
        if let Err(Err(error)) = asker.send(result) {
            report.lost_error(&error);
        }
    }

    fn fail(mut self: Box<Self>, error: PoolError) {
        self.result = Some(Err(InteractionError::Pool(error)));
        Interaction::<C>::answer(self);
    }
}
