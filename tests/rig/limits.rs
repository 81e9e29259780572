use std::time::Instant;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// Raises the soft limit of open files to the hard one, and returns it.
pub fn open_files() -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit can be asked for");
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    usize::try_from(if raised { hard } else { soft }).unwrap_or(usize::MAX)
}

/// Binds this thread, and those that it starts later, to one processor, if the machine has it: a server has one to itself, the
/// load has the other.
pub fn stay_on_processor(number: usize) {
    let mut only = CpuSet::new();
    let kept = only.set(number).and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
    if let Err(error) = kept {
        eprintln!("cannot stay on processor {number}: {error}");
    }
}

/// The time for measurements, where no reactor's clock is available.
#[expect(clippy::disallowed_methods, reason = "figures are measured by the system's clock")]
pub fn now() -> Instant {
    Instant::now()
}
