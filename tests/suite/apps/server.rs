//! A running `time-server`.

use std::net::SocketAddr;
use std::process::Command;

use crate::apps::binaries::binary;
use crate::apps::program::{Program, hearing_signals};

/// A `time-server` that listens on ports the system has chosen.
pub(crate) struct Server {
    pub(crate) program: Program,
    /// Where it listens, in the order of its announcements: `tcp`, `lines`, `udp`, `web`.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Server {
    /// Starts it with these options, as in `--tcp 127.0.0.1:0 --udp [::1]:0 -v`.
    #[track_caller]
    pub(crate) fn start(options: &str) -> Self {
        Self::start_as(hearing_signals(binary("time-server")).args(options.split(' ')))
    }

    /// Starts `command`, which is a `time-server` somehow, and waits until it listens.
    #[track_caller]
    pub(crate) fn start_as(command: &mut Command) -> Self {
        let services: Vec<_> = ["--tcp", "--lines", "--udp", "--web"]
            .into_iter()
            .flat_map(|option| {
                command.get_args().filter(move |argument| *argument == option).map(move |_| &option[2..])
            })
            .collect();
        let mut program = Program::start(command);
        let mut address = |service| {
            let line = program.line_after(&format!("waiting for connection... {service} "));
            let address = line.split_once("://").map_or(&*line, |(_, rest)| rest.trim_end_matches('/'));
            address.parse().unwrap_or_else(|error| panic!("{line} is no address: {error}"))
        };
        let addresses = services.into_iter().map(&mut address).collect();
        Self { program, addresses }
    }

    /// Where it listens, if that is one address only.
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        assert_eq!(self.addresses.len(), 1, "the server has several addresses");
        self.addresses[0]
    }
}
