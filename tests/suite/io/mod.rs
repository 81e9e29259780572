//! Connections that are not sockets: pipes, child processes, and Tokio's streams.

mod inherited;
mod pipes;
mod processes;
mod sockets;
mod streams;
mod watching;
