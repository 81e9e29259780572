//! The servers in Rust: `bench serve NAME ROLE [TARGET]`. Each is what its authors' own guide shows, on one thread.

mod actix;
mod monoio;
mod ours;
mod tokio;

use std::io;
use std::net::SocketAddr;

/// What a server is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sends received bytes back.
    Echo,
    /// Sends each received line back.
    Lines,
    /// Sends received datagrams back.
    Datagrams,
    /// Connects to the target for each connection, and carries bytes both ways.
    Forward,
}

impl Role {
    const ALL: [Self; 4] = [Self::Echo, Self::Lines, Self::Datagrams, Self::Forward];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Lines => "lines",
            Self::Datagrams => "datagrams",
            Self::Forward => "forward",
        }
    }
}

/// Serves until the process is killed.
pub(crate) fn serve(name: &str, role: &str, target: Option<&str>) -> io::Result<()> {
    let unknown = || io::Error::other(format!("there is no server {name} that does {role}"));
    let role = Role::ALL.into_iter().find(|known| known.name() == role).ok_or_else(unknown)?;
    let target = target.map(str::parse::<SocketAddr>).transpose().map_err(io::Error::other)?;
    shared::open_files();
    match name {
        "ours" => ours::serve(role, target),
        "tokio" => tokio::serve(role, target),
        "actix" if role == Role::Echo => actix::serve(),
        "monoio" if role == Role::Echo => monoio::serve(),
        _ => Err(unknown()),
    }
}

fn say_ready(address: SocketAddr) {
    println!("ready {address}");
}

fn no_target() -> io::Error {
    io::Error::other("there is no address to forward to")
}
