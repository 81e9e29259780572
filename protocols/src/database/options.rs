use std::time::Duration;

/// How a pool is set up: see the methods of [`ConnectionPool`](crate::database::ConnectionPool).
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) max_connections: usize,
    pub(super) max_waiting: usize,
    pub(super) deadline: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) simulated_latency: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 5,
            max_waiting: 1024,
            deadline: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            simulated_latency: Duration::from_millis(1),
        }
    }
}
