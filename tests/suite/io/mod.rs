//! Connections that are no sockets: pipes, child processes, and Tokio's streams.

mod pipes;
mod processes;
mod streams;
