//! Which processor runs what: the servers have one to themselves, the load has the other.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Keeps this thread, and those it starts later, on one processor, if the machine has it.
pub(crate) fn stay_on(number: usize) {
    let mut only = CpuSet::new();
    let kept = only.set(number).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
    if let Err(error) = kept {
        eprintln!("cannot stay on processor {number}: {error}");
    }
}
