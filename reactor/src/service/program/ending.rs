//! How a program, and each of its threads, ends.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use crate::hub::{CutOffSum, Hub};
use crate::service::ServiceError;
use crate::service::supervised::Supervised;
use crate::time::timers::{Sleep, Timers};

/// Stops the service; before that, a program that was ready goes on serving for as long as `lame_duck`. Returns the error of a
/// service that has failed already: the stop may come from what it has had stopped, such as ports that are the last to listen.
pub(super) async fn stop(
    service: &Supervised,
    hub: &Rc<Hub>,
    lame_duck: Duration,
    was_ready: bool,
) -> Option<ServiceError> {
    let failure = service.failed().now_or_never();
    if was_ready && !lame_duck.is_zero() {
        Sleep::new(&hub.timers, lame_duck).await;
        hub.begin_to_finish();
    }
    service.stop().await;
    failure
}

/// The result of a program whose reactor was to run until its service fails. `failure` is what [`stop`] has found.
pub(super) fn result_of(outcome: io::Result<ServiceError>, failure: Option<ServiceError>) -> Result<(), ServiceError> {
    match outcome {
        Ok(error) => Err(error),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => failure.map_or(Ok(()), Err),
        Err(error) => Err(error.into()),
    }
}

/// Logs how the program has ended.
pub(in crate::service) fn report(name: &str, timers: &Timers, cut_off: CutOffSum, stopping_since: Option<Instant>) {
    if cut_off.connections > 0 {
        tracing::warn!(
            program = name,
            connections = cut_off.connections,
            unsent = cut_off.unsent,
            "connections were cut off"
        );
    }
    if let Some(since) = stopping_since {
        tracing::info!(program = name, after = ?timers.now().saturating_duration_since(since), "stopped");
    }
}
