//! One attack after another, and what is measured meanwhile.

use std::time::{Duration, Instant};
use std::{io, thread};

use rig::{cpu_of, descriptors_of, now, resident_of};
use tempfile::TempDir;

use crate::attacks::{ATTACKS, Attack};
use crate::honest::{Tally, ask, ask_anew};
use crate::servers;
use crate::servers::Server;

/// When something is over.
#[derive(Clone, Copy)]
pub(crate) struct Until(Instant);

impl Until {
    pub(crate) fn is_over(self) -> bool {
        now() >= self.0
    }

    /// Lets time pass, but no more than there is.
    pub(crate) fn wait(self, time: Duration) {
        wait_until(self.0.min(now() + time));
    }

    /// Lets all of it pass.
    pub(crate) fn wait_for_all(self) {
        wait_until(self.0);
    }
}

fn wait_until(until: Instant) {
    while let Some(left) = until.checked_duration_since(now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// What was measured of one server in one kind of attack.
#[derive(Default)]
pub(crate) struct Cell {
    pub(crate) tally: Tally,
    /// The bytes that memory had grown by since the start, at the most.
    pub(crate) grown: usize,
    /// Descriptors more than at the start, behind the attack.
    pub(crate) left: usize,
}

/// What was measured of one server as such.
pub(crate) struct Whole {
    pub(crate) name: String,
    /// The bytes resident after each round.
    pub(crate) at_rest: Vec<usize>,
    /// The part of a processor it used at rest, at the most.
    pub(crate) busy: f64,
    /// Log lines that do not tell of a panic.
    pub(crate) logged: usize,
    /// How it ended, if not in order.
    pub(crate) died: Option<String>,
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) rounds: usize,
    /// By attack, then by server; nothing where an attack does not concern a server.
    pub(crate) cells: Vec<Vec<Option<Cell>>>,
    pub(crate) servers: Vec<Whole>,
}

pub(crate) struct Rounds {
    servers: Vec<Server>,
    /// Descriptors and bytes at the start, by server.
    before: Vec<(usize, usize)>,
    report: Report,
    _folder: TempDir,
}

impl Rounds {
    /// Starts the servers and has each answer once.
    pub(crate) fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let servers = servers::start(folder.path())?;
        for server in &servers {
            ask_anew(server, server.honest(0))
                .map_err(|error| io::Error::other(format!("{} does not answer: {error}", server.name)))?;
        }
        wait_until(now() + Duration::from_millis(500));
        let before = servers.iter().map(|server| Ok((descriptors(server)?, resident(server)?)));
        let before = before.collect::<io::Result<_>>()?;
        let whole = |server: &Server| Whole {
            name: server.name.clone(),
            at_rest: Vec::new(),
            busy: 0.0,
            logged: 0,
            died: None,
        };
        let concerned = |attack: &Attack| {
            let cell = |server| (attack.concerns)(server).then(Cell::default);
            servers.iter().map(cell).collect()
        };
        let report = Report {
            rounds: 0,
            cells: ATTACKS.iter().map(concerned).collect(),
            servers: servers.iter().map(whole).collect(),
        };
        Ok(Self { servers, before, report, _folder: folder })
    }

    /// Each attack once, on all servers at the same time, and a rest.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        for (number, attack) in ATTACKS.iter().enumerate() {
            self.suffer(number, attack)?;
        }
        let busy = |server: &Server| cpu_of(server.child.pid()).map(|(user, system)| (user + system).as_secs_f64());
        let before: Vec<_> = self.servers.iter().map(busy).collect::<io::Result<_>>()?;
        wait_until(now() + REST);
        for ((server, whole), before) in self.servers.iter().zip(&mut self.report.servers).zip(before) {
            whole.busy = whole.busy.max((busy(server)? - before) / REST.as_secs_f64());
            whole.at_rest.push(resident(server)?);
        }
        self.report.rounds += 1;
        Ok(())
    }

    fn suffer(&mut self, number: usize, attack: &Attack) -> io::Result<()> {
        let until = Until(now() + ATTACK);
        let cells = &mut self.report.cells[number];
        thread::scope(|scope| -> io::Result<()> {
            let mut asking = Vec::new();
            for (server, cell) in self.servers.iter().zip(cells.iter()) {
                if cell.is_some() {
                    scope.spawn(move || (attack.run)(server, until));
                    asking.push(scope.spawn(move || ask(server, until)));
                }
            }
            while !until.is_over() {
                for ((server, cell), (_, before)) in self.servers.iter().zip(cells.iter_mut()).zip(&self.before) {
                    if let Some(cell) = cell {
                        cell.grown = cell.grown.max(resident(server)?.saturating_sub(*before));
                    }
                }
                until.wait(SAMPLE);
            }
            for (cell, asked) in cells.iter_mut().flatten().zip(asking) {
                cell.tally.add(&asked.join().map_err(|_| io::Error::other("a client panicked"))?);
            }
            Ok(())
        })?;
        // Everybody has gone.
        let settled = Until(now() + SETTLE);
        for ((server, cell), (before, _)) in self.servers.iter().zip(cells.iter_mut()).zip(&self.before) {
            let Some(cell) = cell else { continue };
            let mut left = descriptors(server)?.saturating_sub(*before);
            while left > 0 && !settled.is_over() {
                settled.wait(SAMPLE);
                left = descriptors(server)?.saturating_sub(*before);
            }
            cell.left = cell.left.max(left);
        }
        Ok(())
    }

    /// Stops the servers.
    pub(crate) fn finish(self) -> Report {
        let mut report = self.report;
        for (server, whole) in self.servers.into_iter().zip(&mut report.servers) {
            let ended = server.child.stop();
            let about_panics = ["panicked", "as it was told to", "note: run with"];
            let is_other = |line: &&String| !line.is_empty() && !about_panics.iter().any(|about| line.contains(about));
            whole.logged = ended.errors.iter().filter(is_other).count();
            let last_words = ended.errors[ended.errors.len().saturating_sub(LAST_WORDS)..].join("\n    ");
            whole.died = (!ended.status.success()).then(|| format!("{}\n    {last_words}", ended.status));
        }
        report
    }
}

fn descriptors(server: &Server) -> io::Result<usize> {
    descriptors_of(server.child.pid()).map_err(|error| gone(server, &error))
}

fn resident(server: &Server) -> io::Result<usize> {
    resident_of(server.child.pid()).map_err(|error| gone(server, &error))
}

fn gone(server: &Server, error: &io::Error) -> io::Error {
    io::Error::other(format!("the server {} has ended: {error}", server.name))
}

/// Thirteen of them, what they leave behind, and a rest are a minute.
const ATTACK: Duration = Duration::from_millis(4_200);

/// How long a server may take to close what its clients have closed.
const SETTLE: Duration = Duration::from_secs(10);

const REST: Duration = Duration::from_secs(2);

const SAMPLE: Duration = Duration::from_millis(50);

/// The log lines that are shown of a server that did not end in order.
const LAST_WORDS: usize = 10;
