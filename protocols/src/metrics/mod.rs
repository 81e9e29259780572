//! Numbers for [Prometheus](https://prometheus.io) and what else reads OpenMetrics: those of the reactor, and the program's own.
//!
//! | metric | type | is |
//! |---|---|---|
//! | `reactor_connections`, `_connectors`, `_ports`, `_lingering_sockets` | gauge | what there is now: [`Stats`](reactor::inspect::Stats) says what each counts |
//! | `reactor_connections_opened_total` | counter | the connections that were ever open |
//! | `reactor_refusals_total` | counter | the clients that were turned away, by `reason`, as in [`Refusals`](reactor::port::Refusals) |
//! | `reactor_evictions_total` | counter | the connections that ended because the memory budget was used up, of all threads together |
//! | `reactor_unsent_bytes` | gauge | the bytes that the system has not taken |
//! | `reactor_timed_calls`, `reactor_deferred_calls`, `reactor_jobs` | gauge | the calls and jobs that wait; jobs also those that run, by `state` |
//! | `reactor_turns_total`, `reactor_busy_seconds_total` | counter | how often the loop has waited for the system, and for how long it did not |
//! | `reactor_slow_callbacks_total`, `reactor_panics_total` | counter | what a [`Watchdog`](reactor::inspect::Watchdog) has found, and the panics that were caught |
//! | `process_start_time_seconds` | gauge | when the process was started, in seconds since 1970 |
//! | `reactor_build_info` | info | the `version` of these crates |
//!
//! Those of the reactor have the number of their `thread`, from 0.

mod numbers;
mod page;
mod server;

pub use prometheus_client;

use std::fmt;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use reactor::{Factory, Protocol, Transport};

use crate::http1::OneAnswer;
use crate::metrics::server::MetricsPage;

/// A factory of servers that answer `GET /metrics` with the numbers of the reactor, of all its threads, and those in a registry
/// that the program owns.
///
/// ```no_run
/// use protocols::metrics::Metrics;
/// use protocols::metrics::prometheus_client::metrics::counter::Counter;
/// use protocols::metrics::prometheus_client::registry::Registry;
/// use reactor::Reactor;
///
/// let mut registry = Registry::default();
/// let orders = Counter::<u64>::default();
/// registry.register("orders", "The orders that were accepted", orders.clone());
/// // Wherever one is: orders.inc();
///
/// let reactor = Reactor::new()?;
/// reactor.listen_tcp("127.0.0.1:9100", Metrics::new(registry))?;
/// reactor.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The answer is OpenMetrics for a client that asks for it, as Prometheus does, or else the text format of Prometheus, which
/// people and `promtool check metrics` read. The reactors of [`run_on_threads`](reactor::run_on_threads) have a registry in
/// common by an [`Arc`], and each answers for all.
///
/// All that reach the port may read it, so listen on the loopback interface, on a UNIX socket, or behind
/// [TLS](mod@crate::tls) with certificates of clients. Each connection has one answer. A client has 10 s for its request, of at
/// most 8 KiB, and 60 s to take the answer.
#[derive(Clone)]
pub struct Metrics(Arc<Registry>);

impl Metrics {
    /// Serves the numbers of the reactor and those in `registry`, which may be empty.
    pub fn new(registry: impl Into<Arc<Registry>>) -> Self {
        Self(registry.into())
    }
}

impl Factory for Metrics {
    fn build_protocol(&mut self, transport: Transport) -> Option<Box<dyn Protocol>> {
        Some(Box::new(OneAnswer::new(transport, MetricsPage(Arc::clone(&self.0)))))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
