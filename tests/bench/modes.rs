//! What is measured.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use shared::Child;

use crate::load::{self, CpuClock, Done, Far, Shape};
use crate::servers::Role;

pub(crate) struct Mode {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// One of what is counted.
    pub(crate) unit: &'static str,
    pub(crate) role: Role,
    load: Load,
}

#[derive(Clone, Copy)]
enum Load {
    Streams(Shape),
    Forwarded(Shape),
    Connections {
        at_a_time: usize,
    },
    Datagrams {
        sockets: usize,
        under_way: usize,
    },
    /// Memory in place of processor time.
    Held {
        connections: usize,
    },
}

/// Streams are counted by these.
const PIECE: u64 = 64 * 1024;

const MEBIBYTE: u64 = 1 << 20;

pub(crate) const MODES: &[Mode] = &[
    Mode {
        name: "echo",
        what: "64 connections, a message of 64 bytes under way on each",
        unit: "message",
        role: Role::Echo,
        load: Load::Streams(Shape { connections: 64, unit: 64, under_way: 64 }),
    },
    Mode {
        name: "lines",
        what: "16 connections, up to 64 lines of 32 bytes under way on each",
        unit: "line",
        role: Role::Lines,
        load: Load::Streams(Shape { connections: 16, unit: 32, under_way: 64 * 32 }),
    },
    Mode {
        name: "bulk",
        what: "4 connections, up to 4 MiB under way on each, echoed",
        unit: "MiB",
        role: Role::Echo,
        load: Load::Streams(Shape { connections: 4, unit: PIECE, under_way: 4 * MEBIBYTE }),
    },
    Mode {
        name: "connections",
        what: "32 at a time: connect, have 64 bytes echoed, reset",
        unit: "connection",
        role: Role::Echo,
        load: Load::Connections { at_a_time: 32 },
    },
    Mode {
        name: "datagrams",
        what: "8 sockets, 8 datagrams of 64 bytes under way on each",
        unit: "datagram",
        role: Role::Datagrams,
        load: Load::Datagrams { sockets: 8, under_way: 8 },
    },
    Mode {
        name: "forward",
        what: "4 connections, up to 4 MiB under way on each, forwarded to another",
        unit: "MiB",
        role: Role::Forward,
        load: Load::Forwarded(Shape { connections: 4, unit: PIECE, under_way: 4 * MEBIBYTE }),
    },
    Mode {
        name: "idle",
        what: "5,000 connections at rest, after a message of 512 bytes on each",
        unit: "connection",
        role: Role::Echo,
        load: Load::Held { connections: 5_000 },
    },
];

/// What one of the units took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Microseconds of processor time, or bytes of memory.
    pub(crate) each: f64,
    pub(crate) a_second: Option<f64>,
}

impl Mode {
    pub(crate) fn is_of_memory(&self) -> bool {
        matches!(self.load, Load::Held { .. })
    }

    /// What each unit costs, as the tables name it.
    pub(crate) fn measure(&self) -> String {
        if self.is_of_memory() { format!("bytes a {}", self.unit) } else { format!("µs a {}", self.unit) }
    }

    /// The listener that a server of this mode forwards to.
    pub(crate) fn target(&self) -> io::Result<Option<TcpListener>> {
        (self.role == Role::Forward).then(|| TcpListener::bind("127.0.0.1:0")).transpose()
    }

    /// Puts the load on a server for this time.
    pub(crate) fn run(
        &self,
        server: &Child,
        target: Option<&TcpListener>,
        time: Duration,
        cpu: CpuClock<'_>,
    ) -> io::Result<Cost> {
        let address = server.address();
        let done = match self.load {
            Load::Streams(shape) => load::streams(address, shape, &Far::Same, time, cpu)?,
            Load::Forwarded(shape) => {
                let target = target.ok_or_else(|| io::Error::other("there is nothing to forward to"))?;
                load::streams(address, shape, &Far::Accepted(target.try_clone()?), time, cpu)?
            }
            Load::Connections { at_a_time } => load::connections(address, at_a_time, time, cpu)?,
            Load::Datagrams { sockets, under_way } => load::datagrams(address, sockets, under_way, time, cpu)?,
            Load::Held { connections } => {
                // What the first connection costs once does not count.
                load::held(address, 1, || Ok(()))?;
                let before = server.resident();
                let after = load::held(address, connections, || Ok(server.resident()))?;
                let each = after.saturating_sub(before) as f64 / connections as f64;
                return Ok(Cost { each, a_second: None });
            }
        };
        Ok(self.cost(done))
    }

    fn cost(&self, done: Done) -> Cost {
        let units = done.units as f64 * if self.unit == "MiB" { PIECE as f64 / MEBIBYTE as f64 } else { 1.0 };
        Cost { each: done.cpu.as_secs_f64() * 1e6 / units, a_second: Some(units / done.time.as_secs_f64()) }
    }
}
