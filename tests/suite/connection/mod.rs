//! A connection's promises to its protocol, whatever carries its bytes.

mod endings;
mod flow_control;
mod half_close;
mod handles;
mod model;
mod neighbours;
mod panics;
mod reading;
mod reentrancy;
mod sent;
mod switching;
