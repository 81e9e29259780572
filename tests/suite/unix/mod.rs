//! UNIX sockets: names, files and locks, descriptors, datagrams, and sockets that are taken over.

mod adopting;
mod connecting;
mod datagrams;
mod descriptors;
mod intruders;
mod listening;
mod peers;

use std::process::Command;

use reactor::Transport;

use crate::support::{Log, Recorder, echo};

fn idle(transport: Transport) -> Recorder {
    Recorder::new(transport, Log::default())
}

fn echoing(transport: Transport) -> Recorder {
    echo(idle(transport))
}

/// The number of a process that has ended.
fn dead_process() -> u32 {
    let mut process = Command::new("true").spawn().unwrap();
    process.wait().unwrap();
    process.id()
}
