//! The end by a signal: the servers are ended, too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::{io, thread};

use nix::sys::signal::{SigSet, Signal};

static ASKED_FOR: AtomicBool = AtomicBool::new(false);

/// Whether SIGINT or SIGTERM has come.
pub(crate) fn is_asked_for() -> bool {
    ASKED_FOR.load(Ordering::Relaxed)
}

/// Waits for these signals on a thread of its own. It is the first thing that the program does, so that no other thread takes
/// them.
pub(crate) fn watch() -> io::Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    thread::spawn(move || {
        if signals.wait().is_ok() {
            ASKED_FOR.store(true, Ordering::Relaxed);
        }
    });
    Ok(())
}
