use std::time::Instant;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one, and returns it.
pub fn open_files() -> usize {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit can be asked for");
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    usize::try_from(if raised { hard } else { soft }).unwrap_or(usize::MAX)
}

/// The time for measurements, where no reactor's clock is available.
#[expect(clippy::disallowed_methods, reason = "figures are measured by the system's clock")]
pub fn now() -> Instant {
    Instant::now()
}
