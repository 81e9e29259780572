//! The gallery: each of its programs is run, and does what Twisted's of which it is a port does. See `docs/gallery.md`.

mod echo;
mod forwarding;

use std::net::SocketAddr;

use crate::apps::program::Program;

/// Starts a server, whose first argument is where it listens, at a port that the system chooses.
#[track_caller]
fn serve(name: &str, arguments: &[&str]) -> (Program, SocketAddr) {
    let mut server = Program::example(name, ["127.0.0.1:0"].iter().chain(arguments));
    let address = listening(&mut server);
    (server, address)
}

/// Where a server says that it listens.
#[track_caller]
fn listening(server: &mut Program) -> SocketAddr {
    server.line_after("listening on ").parse().unwrap()
}
