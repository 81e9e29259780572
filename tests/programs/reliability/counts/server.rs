//! Counts of a server process under a load, by difference: those of a large one less those of a small one, so that starting
//! and ending do not matter.

use std::io;
use std::process::Command;

use rig::{Child, Ended, peer};

use super::Counts;
use crate::load::{load, one};

/// A server of this kind (`serve.rs`) under this kind of load (`load.rs`).
pub(super) struct Server {
    pub(super) kind: &'static str,
    pub(super) load: &'static str,
    /// The sizes of the small and of the large load.
    pub(super) few: usize,
    pub(super) many: usize,
}

impl Server {
    /// Instructions and allocations.
    pub(super) fn under_valgrind(&self) -> io::Result<Counts> {
        let [instructions, allocations] = self.each(|size| {
            let ended = self.run(under("valgrind", CALLGRIND)?, size)?;
            Ok([instructions(&ended.errors)?, ended.count("thread_allocations") as f64])
        })?;
        Ok(Counts { instructions: Some(instructions), allocations: Some(allocations), ..Counts::default() })
    }

    /// System calls.
    pub(super) fn system_calls(&self) -> io::Result<f64> {
        let [calls] = self.each(|size| Ok([all_calls(&self.run(under("strace", STRACE)?, size)?.errors)?]))?;
        Ok(calls)
    }

    /// What connections hold while they are open.
    pub(super) fn bytes_on_the_heap(&self) -> io::Result<Counts> {
        let [bytes] = self.each(|size| {
            let ended = self.run(Command::new(std::env::current_exe()?), size)?;
            Ok([ended.count("bytes_on_the_heap") as f64])
        })?;
        Ok(Counts { bytes: Some(bytes), ..Counts::default() })
    }

    /// For one of what the load counts: messages, connections.
    fn each<const N: usize>(&self, count: impl Fn(usize) -> io::Result<[f64; N]>) -> io::Result<[f64; N]> {
        let (few, many) = (count(self.few)?, count(self.many)?);
        Ok(std::array::from_fn(|number| (many[number] - few[number]) / (self.many - self.few) as f64))
    }

    fn run(&self, mut command: Command, size: usize) -> io::Result<Ended> {
        let server = Child::try_start(command.args(["serve", self.kind, "cpu=0"]))
            .map_err(|errors| io::Error::other(errors.join("\n")))?;
        if self.load == HELD {
            let held: Vec<_> = (0..size).map(|_| peer::connect(server.address())).collect();
            held.iter().for_each(|stream| peer::round_trip(stream, b"a line\n"));
            return Ok(server.stop());
        }
        if self.load == IN_STEPS {
            // How much the server finds at once would be a matter of chance otherwise.
            (0..size).try_for_each(|_| one(server.address(), || server.wait_until_asleep()))?;
            return Ok(server.stop());
        }
        load(server.address(), size, self.load)?;
        Ok(server.stop())
    }
}

/// A load of connections that are at rest, and open to the end.
pub(super) const HELD: &str = "held";

/// A load of connections with a message each, one after another, whose steps the server notices one by one.
pub(super) const IN_STEPS: &str = "in-steps";

/// This program under another, which `.ci/run` installs.
pub(super) fn under(program: &str, options: &[&str]) -> io::Result<Command> {
    let version = Command::new(program).arg("--version").output();
    version.map_err(|error| io::Error::new(error.kind(), format!("cannot count with {program}: {error}")))?;
    let mut command = Command::new(program);
    command.args(options).arg(std::env::current_exe()?);
    Ok(command)
}

/// Nothing is written to a file: the count itself goes to standard error.
pub(super) const CALLGRIND: &[&str] = &["--tool=callgrind", "--callgrind-out-file=/dev/null"];

/// `-D`: the process that is started is the server, not strace.
const STRACE: &[&str] = &["-D", "-f", "-qq", "-c", "-U", "calls,name"];

/// What callgrind has counted.
pub(super) fn instructions(errors: &[String]) -> io::Result<f64> {
    number(errors, |line| line.split_once("Collected :")?.1.trim().parse().ok())
}

fn all_calls(errors: &[String]) -> io::Result<f64> {
    number(errors, |line| line.trim().strip_suffix("total")?.trim().parse().ok())
}

fn number(errors: &[String], find: impl Fn(&str) -> Option<f64>) -> io::Result<f64> {
    let found = errors.iter().find_map(|line| find(line));
    found.ok_or_else(|| io::Error::other(format!("there is no count in what was printed: {}", errors.join("\n"))))
}
