//! What the suite stands on: a protocol that writes down what happens to it, and the worlds it happens in.

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

pub(crate) use log::Log;
pub(crate) use log::count_logged;
pub(crate) use panics::panic_of;
pub(crate) use plain_socket::connect_unix;
pub(crate) use plain_socket::fresh_path;
pub(crate) use plain_socket::send_descriptors;
pub(crate) use policies::Starting;
pub(crate) use policies::echo;
pub(crate) use policies::panicking_tap;
pub(crate) use policies::recorder;
pub(crate) use policies::tap;
pub(crate) use policies::throttle;
pub(crate) use recorder::Callback;
pub(crate) use recorder::Guard;
pub(crate) use recorder::Recorder;
pub(crate) use service_manager::ServiceManager;
pub(crate) use times::Times;
pub(crate) use world::Ending;
pub(crate) use world::Peer;
pub(crate) use world::address_of;
pub(crate) use world::connect;
pub(crate) use world::every_reactor;
pub(crate) use world::every_world;
pub(crate) use world::every_world_and_pipes;
pub(crate) use world::every_world_and_web_sockets;
pub(crate) use world::every_world_with;
pub(crate) use world::greeter;
pub(crate) use world::in_memory;
pub(crate) use world::in_memory_with;
pub(crate) use world::in_time;
pub(crate) use world::nobody;
pub(crate) use world::on_sockets;
pub(crate) use world::on_sockets_with;
pub(crate) use world::read_to_the_end;
pub(crate) use world::test_reactor;

use std::time::Duration;

/// Long enough for the slowest machine; whoever waits this long fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// More bytes than a loopback connection's buffers take.
pub(crate) const HUGE: usize = 32 << 20;
