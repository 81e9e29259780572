//! Assigns processors: the servers have one to themselves, the load has the other.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Binds this thread, and those it starts later, to one processor, if the machine has it.
pub(crate) fn stay_on(number: usize) {
    let mut only = CpuSet::new();
    let kept = only.set(number).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
    if let Err(error) = kept {
        eprintln!("cannot stay on processor {number}: {error}");
    }
}
