//! Policies around a factory: time-outs, limits, throttles and logs.

pub(crate) mod bucket;
pub(crate) mod capture;
pub(crate) mod captured_connection;
pub(crate) mod connection_limit;
pub(crate) mod first_message_timeout;
pub(crate) mod idle_timeout;
#[cfg(test)]
pub(crate) mod kept;
pub(crate) mod log_limit;
pub(crate) mod pass_through;
pub(crate) mod pcap;
pub(crate) mod sink;
pub(crate) mod throttle;
pub(crate) mod traffic_log;

pub use bucket::Bucket;
pub use capture::Capture;
pub use captured_connection::CapturedConnection;
pub use connection_limit::ConnectionLimit;
pub use first_message_timeout::FirstMessageTimeout;
pub use idle_timeout::IdleTimeout;
pub use throttle::Throttle;
pub use traffic_log::TrafficLog;
