use std::time::Duration;

use crate::driver::linger::LingerLimits;
use crate::transport::flow_control::OUTPUT_LIMIT;

/// What holds for a single connection, accepted or outgoing, over TCP or a UNIX socket. The options of ports and
/// clients take it by a method `connection`.
///
/// The first four options are TCP's. They change nothing for a UNIX socket, which sends at once and learns at once that
/// its peer has gone.
///
/// ```
/// use std::time::Duration;
/// use reactor::net::{ConnectOptions, ConnectionOptions, ListenOptions};
///
/// let connection = ConnectionOptions::new().user_timeout(Some(Duration::from_secs(60))).output_limit(1 << 20);
/// let server = ListenOptions::new("127.0.0.1:8007").connection(connection);
/// let client = ConnectOptions::new("localhost:8007").connection(connection);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ConnectionOptions {
    pub(crate) no_delay: bool,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) probes: KeepAliveProbes,
    pub(crate) user_timeout: Option<Duration>,
    pub(crate) output_limit: usize,
    pub(crate) linger: LingerLimits,
}

impl ConnectionOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// `TCP_NODELAY` (on: all writes of a callback are already joined).
    pub fn no_delay(mut self, on: bool) -> Self {
        self.no_delay = on;
        self
    }

    /// As [`Transport::set_keep_alive`](crate::Transport::set_keep_alive) (after 5 minutes of silence), so that a peer
    /// that has vanished silently does not keep its connection forever.
    pub fn keep_alive(mut self, idle: Option<Duration>) -> Self {
        self.keep_alive = idle;
        self
    }

    /// How often a silent peer is probed (a tenth of [`keep_alive`](Self::keep_alive), at least a second), and how many
    /// probes in a row may stay unanswered before the connection ends (9). The system takes 1 to 127 of them.
    pub fn keep_alive_probes(mut self, interval: Duration, count: u32) -> Self {
        self.probes = KeepAliveProbes { interval: Some(interval), count };
        self
    }

    /// `TCP_USER_TIMEOUT` (RFC 5482): how long the peer may leave sent data unacknowledged before the connection is
    /// lost (off: the system's timeout, about 15 minutes). Keep-alive does not cover this, because it only probes while
    /// nothing is on its way; where both are set, this is how long the peer may leave probes unanswered.
    pub fn user_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.user_timeout = timeout;
        self
    }

    /// How many bytes may be unsent (16 MiB): see [`Transport::write`](crate::Transport::write).
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    /// How long the socket of a connection that this side closed first waits for the peer to end, too: since the peer
    /// last sent anything (2 s), and in total (30 s). Data that arrives meanwhile is dropped. Without this wait the
    /// system might reset the connection and destroy bytes that the peer has not read yet; over a UNIX socket, the peer
    /// would see a reset, although it loses nothing.
    pub fn linger(mut self, idle: Duration, total: Duration) -> Self {
        self.linger = LingerLimits { idle, total };
        self
    }
}

impl ConnectionOptions {
    /// How long a silent peer may be out of reach before keep-alive ends the connection.
    pub(crate) fn longest_silence(&self) -> Option<Duration> {
        self.keep_alive.map(|idle| self.probes.longest_silence(idle))
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

/// How a silent peer is probed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeepAliveProbes {
    /// `None`: a tenth of the idle time.
    pub(crate) interval: Option<Duration>,
    pub(crate) count: u32,
}

impl KeepAliveProbes {
    /// The idle time, the interval and the number of probes, as the system takes them: it counts in whole seconds, and
    /// rejects zero and large numbers.
    pub(crate) fn taken(self, idle: Duration) -> (Duration, Duration, u32) {
        let taken = |span: Duration| span.clamp(Duration::from_secs(1), Duration::from_secs(i16::MAX as u64));
        (taken(idle), taken(self.interval.unwrap_or(idle / 10)), self.count.clamp(1, 127))
    }

    pub(crate) fn longest_silence(self, idle: Duration) -> Duration {
        let (idle, interval, count) = self.taken(idle);
        idle + interval * count
    }
}

impl Default for KeepAliveProbes {
    fn default() -> Self {
        Self { interval: None, count: 9 }
    }
}
