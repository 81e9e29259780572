use std::time::Duration;

use crate::driver::linger::LingerLimits;
use crate::transport::flow_control::OUTPUT_LIMIT;

/// The options of a single connection, accepted or outgoing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionOptions {
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) user_timeout: Option<Duration>,
    pub(crate) output_limit: usize,
    pub(crate) linger: LingerLimits,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            no_delay: true,
            keep_alive: None,
            user_timeout: None,
            output_limit: OUTPUT_LIMIT,
            linger: LingerLimits { idle: Duration::from_secs(2), total: Duration::from_secs(30) },
        }
    }
}
