//! The basis of the suite: a protocol that records its callbacks, and the worlds in which it runs.

pub(crate) mod datagrams;
mod far_end;
mod log;
pub(crate) mod namespace;
mod panics;
mod plain_socket;
mod policies;
mod recorder;
mod service_manager;
mod times;
mod world;

pub(crate) use log::{Log, count_logged, log_lines};
pub(crate) use panics::{Panic, panic_of};
pub(crate) use plain_socket::{connect_unix, fresh_path, offer_descriptors, receive_descriptors, send_descriptors};
pub(crate) use policies::{Starting, echo, panicking_tap, recorder, tap, throttle};
pub(crate) use recorder::{Callback, Guard, Recorder};
pub(crate) use service_manager::ServiceManager;
pub(crate) use times::Times;
pub(crate) use world::{
    Ending, Peer, address_of, connect, every_reactor, every_world, every_world_and_layers, every_world_and_pipes,
    every_world_with, greeter, in_memory, in_memory_with, in_time, nobody, on_sockets, on_sockets_with,
    read_to_the_end, test_reactor,
};

use std::time::Duration;

/// Long enough for the slowest machine; a test that waits this long fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// More bytes than a loopback connection's buffers take.
pub(crate) const HUGE: usize = 32 << 20;
