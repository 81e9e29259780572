//! Rounds in which the servers take turns, so that what else the machine does strikes all of them.

use std::io;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use shared::Child;

use crate::modes::{Cost, Mode};
use crate::peers::{BASELINE, Peer};

/// The costs of each server, a round each.
pub(crate) struct Measured<'a> {
    pub(crate) mode: &'a Mode,
    servers: Vec<(&'a str, Vec<Cost>)>,
}

/// Measures the peers that can do it.
pub(crate) fn measure<'a>(
    mode: &'a Mode,
    peers: &[&'a Peer],
    rounds: usize,
    time: Duration,
) -> io::Result<Measured<'a>> {
    let target = mode.target()?;
    let mut servers = Vec::new();
    for peer in peers.iter().filter(|peer| peer.roles.contains(&mode.role)) {
        let mut command = peer.command(mode.role)?;
        if let Some(target) = &target {
            command.arg(target.local_addr()?.to_string());
        }
        // Children inherit it.
        stay_on(SERVERS);
        let server = Child::try_start(&mut command).map_err(|errors| io::Error::other(errors.join("\n")))?;
        stay_on(LOAD);
        servers.push((peer.name, server, Vec::new()));
    }
    for _ in 0..rounds {
        for (name, server, costs) in &mut servers {
            let cpu = || cpu_of(server.pid());
            match mode.run(server, target.as_ref(), time, &cpu) {
                Ok(cost) => costs.push(cost),
                Err(error) => return Err(io::Error::other(format!("{name}, {}: {error}", mode.name))),
            }
        }
    }
    let servers = servers.into_iter().map(|(name, _, costs)| (name, costs)).collect();
    Ok(Measured { mode, servers })
}

impl<'a> Measured<'a> {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.servers.iter().map(|(name, _)| *name)
    }

    pub(crate) fn each(&self, name: &str) -> Option<f64> {
        median(self.costs(name)?.iter().map(|cost| cost.each))
    }

    pub(crate) fn a_second(&self, name: &str) -> Option<f64> {
        median(self.costs(name)?.iter().filter_map(|cost| cost.a_second))
    }

    /// The smallest and the largest of all rounds.
    pub(crate) fn spread(&self, name: &str) -> Option<(f64, f64)> {
        let costs = self.costs(name)?.iter().map(|cost| cost.each);
        costs.fold(None, |spread, each| {
            let (least, most) = spread.unwrap_or((each, each));
            Some((each.min(least), each.max(most)))
        })
    }

    /// To the baseline, each round by itself.
    pub(crate) fn ratio(&self, name: &str) -> Option<f64> {
        let pairs = self.costs(name)?.iter().zip(self.costs(BASELINE)?);
        median(pairs.map(|(cost, baseline)| cost.each / baseline.each)).filter(|ratio| ratio.is_finite())
    }

    fn costs(&self, name: &str) -> Option<&Vec<Cost>> {
        self.servers.iter().find(|(other, _)| *other == name).map(|(_, costs)| costs)
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The processors of the servers and of the load.
const SERVERS: usize = 0;
const LOAD: usize = 1;

fn stay_on(processor: usize) {
    let mut only = CpuSet::new();
    if let Err(error) = only.set(processor).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only)) {
        eprintln!("cannot stay on processor {processor}: {error}");
    }
}

/// Of all threads of a process, in user and in system mode, to the nanosecond.
fn cpu_of(pid: u32) -> io::Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))?;
    Ok(clock.now()?.into())
}
