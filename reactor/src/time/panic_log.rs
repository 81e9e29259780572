//! The log of panics that end nothing but themselves.

use crate::time::clock::Clock;
use crate::time::pulse::{Callback, Subject, count_panic, observed};
use crate::util::log_limit::LogLimit;
use crate::util::panics::catch_panic;

/// Runs user code; a panic is only logged.
pub(crate) fn log_panic(what: &'static str, code: impl FnOnce()) {
    if let Err(panic) = observed(Callback::Other.of_reactor(), || catch_panic(code)) {
        report_panic(&panic, format_args!("a {what} panicked"));
    }
}

/// Runs a callback that a watchdog can see; a panic is only logged.
pub(crate) fn log_panic_of(subject: Subject, code: impl FnOnce()) {
    if let Err(panic) = observed(subject, || catch_panic(code)) {
        report_panic(&panic, format_args!("{} panicked", subject.callback.name()));
    }
}

/// Logs a caught panic, at a limited rate for each thread: a peer that knows how to cause one may do so repeatedly.
#[cold]
pub(crate) fn report_panic(panic: &str, what: impl std::fmt::Display) {
    count_panic();
    thread_local!(static LOG: (Clock, LogLimit) = (Clock::system(), LogLimit::default()));
    if let Some(left_out) = LOG.with(|(clock, limit)| limit.allows(clock.now())) {
        tracing::error!(panic, left_out, "{what}");
    }
}
