//! Policies around a factory: time-outs, limits, throttles and logs. Twisted's `protocols.policies`.
//!
//! Each is a factory around a factory, so they stack in any order, around whatever builds protocols:
//!
//! ```
//! use std::time::Duration;
//! use protocols::policies::{ConnectionLimit, IdleTimeout};
//! # use protocols::{LineHandler, LineReceiver, Lines};
//! # struct Echo { lines: Lines }
//! # impl LineHandler for Echo {
//! #     fn line_received(&mut self, line: &[u8]) { self.lines.send_line(line) }
//! # }
//!
//! let reactor = reactor::Reactor::new()?;
//! let factory = IdleTimeout::around(Duration::from_secs(300), LineReceiver::factory(|lines| Echo { lines }));
//! reactor.listen_tcp("127.0.0.1:0", ConnectionLimit::per_peer(20).around(factory))?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! [`IdleTimeout`] and [`FirstMessageTimeout`] end connections, [`ConnectionLimit`] refuses them, [`Throttle`] slows them by
//! [`Bucket`]s, [`TrafficLog`] and [`Capture`] write down what passes. [`reactor::layer::around`] makes more of them.

pub(crate) mod capture;
pub(crate) mod connection_limit;
pub(crate) mod elapsed;
pub(crate) mod endpoint;
pub(crate) mod first_message_timeout;
pub(crate) mod idle_timeout;
#[cfg(test)]
pub(crate) mod kept;
pub(crate) mod pass_through;
pub(crate) mod sink;
pub(crate) mod throttle;
pub(crate) mod traffic_log;

pub use capture::Capture;
pub use capture::captured_connection::CapturedConnection;
pub use capture::captured_difference::CapturedDifference;
pub use connection_limit::ConnectionLimit;
pub use first_message_timeout::FirstMessageTimeout;
pub use idle_timeout::IdleTimeout;
pub use throttle::Throttle;
pub use throttle::bucket::Bucket;
pub use traffic_log::TrafficLog;
