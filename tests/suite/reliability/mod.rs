//! Promises that hold whatever peers, descriptors and user code do: counts, bytes, order, exactly once. The times,
//! memory and processor time involved are measured by `programs/reliability`.

mod allocations;
mod dependencies;
mod descriptors;
mod drain;
mod fairness;
mod faults;
mod flow;
mod half_close;
mod many;
mod memory;
mod names;
mod no_ipv6;
mod out_of_memory;
mod panics;
mod ports;
mod threads;

use std::process::Command;

use rig::Child;

/// A server in a process of its own, by the program that also measures it.
#[track_caller]
fn server(kind: &str, options: &[&str]) -> Child {
    Child::start(server_command().args(["serve", kind]).args(options))
}

fn server_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_reliability"))
}
