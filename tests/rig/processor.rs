//! Processors, and the time they give to a process.

use std::time::Duration;
use std::{fs, io};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Binds this thread, and those that it starts later, to one processor, if the machine has it: a server has one to itself, the
/// load has the other.
pub fn stay_on_processor(number: usize) {
    let mut only = CpuSet::new();
    let kept = only.set(number).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
    if let Err(error) = kept {
        eprintln!("cannot stay on processor {number}: {error}");
    }
}

/// How long the threads that the process has now have run, to the nanosecond.
pub fn processor_time_of(pid: u32) -> io::Result<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue; // It has ended since.
        };
        let nanoseconds = text.split_whitespace().next().and_then(|field| field.parse().ok());
        total += nanoseconds.map(Duration::from_nanos).ok_or_else(|| io::Error::other("no time in schedstat"))?;
    }
    Ok(total)
}
