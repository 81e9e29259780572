//! Connections that are not sockets: pipes, child processes, and Tokio's streams.

mod inherited;
mod pipes;
mod processes;
mod streams;
mod watching;
