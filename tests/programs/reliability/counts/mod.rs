//! What a message, a connection and a timed call cost, in counts that no other work on the machine changes: instructions
//! in user mode, allocations, system calls, bytes on the heap.
//!
//! `counts` compares them with the table in `docs/figures.md`, and ends with 1 if one is larger by more than 3 %.
//! `counts accept` writes the table. Builds with each profile have a table of their own.

mod server;
mod table;
mod timed_calls;

use std::io;

use rig::page;
use server::{HELD, IN_STEPS, Server};
use table::{Table, Verdict};
pub(crate) use timed_calls::repeat;

/// What is counted, and how: a row of the table.
struct Subject {
    name: &'static str,
    count: fn() -> io::Result<Counts>,
}

/// The columns of a row; what is not counted is left empty.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    instructions: Option<f64>,
    allocations: Option<f64>,
    system_calls: Option<f64>,
    bytes: Option<f64>,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        name: "message of 64 bytes, echoed",
        count: || {
            let server = Server { kind: "echo", load: "echo", few: 5_000, many: 20_000 };
            Ok(Counts { system_calls: Some(server.system_calls()?), ..server.under_valgrind()? })
        },
    },
    Subject {
        name: "the same behind `IdleTimeout`",
        count: || Server { kind: "idle-timeout", load: "echo", few: 5_000, many: 20_000 }.under_valgrind(),
    },
    Subject {
        name: "line of 32 bytes, echoed, 64 at a time",
        count: || Server { kind: "lines", load: "lines", few: 20_000, many: 80_000 }.under_valgrind(),
    },
    Subject {
        name: "message of 64 bytes to each of 1,000 connections, for each",
        count: || Server { kind: "fan-out", load: "fan-out", few: 10_000, many: 30_000 }.under_valgrind(),
    },
    Subject {
        name: "datagram of 64 bytes, echoed, 8 at a time",
        count: || Server { kind: "datagrams", load: "datagrams", few: 5_000, many: 20_000 }.under_valgrind(),
    },
    Subject {
        name: "connection: accepted, 64 bytes echoed, closed",
        count: || {
            let server = Server { kind: "echo", load: IN_STEPS, few: 200, many: 1_200 };
            Ok(Counts { system_calls: Some(server.system_calls()?), ..server.under_valgrind()? })
        },
    },
    Subject {
        name: "connection at rest",
        count: || Server { kind: "echo", load: HELD, few: 1_000, many: 2_000 }.bytes_on_the_heap(),
    },
    Subject {
        name: "connection at rest with a `LineReceiver`",
        count: || Server { kind: "lines", load: HELD, few: 1_000, many: 2_000 }.bytes_on_the_heap(),
    },
    Subject {
        name: "connection at rest behind `IdleTimeout`",
        count: || Server { kind: "idle-timeout", load: HELD, few: 1_000, many: 2_000 }.bytes_on_the_heap(),
    },
    Subject { name: "timed call among 10,000: set and cancelled", count: || timed_calls::count("set") },
    Subject { name: "timed call among 10,000: put off", count: || timed_calls::count("put-off") },
];

/// Compares with the table, or writes it; returns whether nothing is worse.
pub(crate) fn counts(arguments: &[String]) -> io::Result<bool> {
    let accepts = match arguments {
        [] => false,
        [word] if word == "accept" => true,
        _ => return Err(io::Error::other("usage: reliability counts [accept]")),
    };
    // What is known can be missing only if it is about to be written.
    let known = match Table::read() {
        Err(_) if accepts => Table::default(),
        table => table?,
    };
    let mut counted = Table::default();
    let mut is_well = true;
    for subject in SUBJECTS {
        let counts = (subject.count)()?;
        for verdict in table::compare(subject.name, known.counts(subject.name), counts) {
            println!("{verdict}");
            is_well &= !matches!(verdict, Verdict::Worse(_) | Verdict::Unknown(_));
        }
        counted.add(subject.name, counts);
    }
    if accepts {
        counted.write()?;
        println!("the table in {} has these counts now", page::FIGURES);
        return Ok(true);
    }
    for gone in known.names().filter(|name| SUBJECTS.iter().all(|subject| subject.name != *name)) {
        println!("{gone}: stands in {}, and is not counted", page::FIGURES);
        is_well = false;
    }
    if !is_well {
        println!("if a change is worth this, write the counts into {}: {} accept", page::FIGURES, table::command()?);
    }
    Ok(is_well)
}
