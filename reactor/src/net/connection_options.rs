use std::time::Duration;

use crate::driver::linger::LingerLimits;
use crate::transport::flow_control::OUTPUT_LIMIT;

/// The options of a single connection, accepted or outgoing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionOptions {
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) probes: KeepAliveProbes,
    pub(crate) user_timeout: Option<Duration>,
    pub(crate) output_limit: usize,
    pub(crate) linger: LingerLimits,
}

/// How a silent peer is probed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAliveProbes {
    /// `None`: a tenth of the idle time.
    pub(crate) interval: Option<Duration>,
    pub(crate) count: u32,
}

impl Default for KeepAliveProbes {
    fn default() -> Self {
        Self { interval: None, count: 9 }
    }
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            no_delay: true,
            keep_alive: Some(Duration::from_secs(5 * 60)),
            probes: KeepAliveProbes::default(),
            user_timeout: None,
            output_limit: OUTPUT_LIMIT,
            linger: LingerLimits { idle: Duration::from_secs(2), total: Duration::from_secs(30) },
        }
    }
}
