//! The log. It is written on the reactor's thread, because that of a program without a subscriber is of that thread alone.

use std::fmt;
use std::sync::{Arc, Mutex};

use reactor::task::LogLimit;
use reactor::threads::RemoteReactor;

use crate::database::error::DriverError;
use crate::util::lock::lock;

/// Tells what happens on the threads of a pool.
#[derive(Clone)]
pub(super) struct Report {
    home: RemoteReactor,
    limits: Arc<Mutex<Limits>>,
}

#[derive(Default)]
struct Limits {
    lost_errors: LogLimit,
    outages: LogLimit,
}

impl Report {
    pub(super) fn new(home: RemoteReactor) -> Self {
        Self { home, limits: Arc::default() }
    }

    /// An interaction has no result, and nobody waits for it.
    pub(super) fn lost_error(&self, error: &impl fmt::Display) {
        let (error, limits) = (error.to_string(), Arc::clone(&self.limits));
        // A reactor that has ended has no log any more.
        let _ = self.home.call_from_thread(move |reactor| {
            if let Some(left_out) = lock(&limits).lost_errors.allows(reactor.now()) {
                tracing::warn!(
                    error,
                    left_out,
                    "an interaction with a database failed, and nobody waits for its result"
                );
            }
        });
    }

    /// The first of several failures to connect.
    pub(super) fn cannot_connect(&self, error: &DriverError) {
        let (error, limits) = (with_sources(error), Arc::clone(&self.limits));
        let _ = self.home.call_from_thread(move |reactor| {
            if let Some(left_out) = lock(&limits).outages.allows(reactor.now()) {
                tracing::warn!(error, left_out, "cannot connect to a database; trying again while interactions wait");
            }
        });
    }

    pub(super) fn connected_again(&self) {
        let _ = self.home.call_from_thread(|_| tracing::info!("connected to a database again"));
    }
}

/// Many drivers leave out of an error's text what their error's source tells.
fn with_sources(error: &DriverError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}
