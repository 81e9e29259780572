//! What a running program does: its numbers, its connections, and what keeps everything waiting.
//!
//! Callbacks run to completion, so one that takes long stops everything else on its thread. A [`Watchdog`] says which one it
//! is, while it hangs and afterwards. [`Reactor::stats`](crate::Reactor::stats) and
//! [`Reactor::connections`](crate::Reactor::connections) are for a program's own pages, metrics and logs.

mod connections;
mod pending_calls;
mod ports;
mod slow_callbacks;
mod stats;
mod watchdog;

pub use crate::transport::traffic::tap::{TrafficEvent, TrafficKind, TrafficWatch};
pub use connections::{ConnectionInfo, Reading};
pub use pending_calls::PendingCall;
pub use slow_callbacks::{SlowCallback, slow_callbacks};
pub use stats::Stats;
pub use watchdog::{RunningWatchdog, Watchdog};
