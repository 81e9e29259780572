//! Closing what a peer has chosen.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use crate::util::thread_pool::ThreadPool;

/// Closes a descriptor that came from a peer, on a thread that does nothing else: the last close of a socket that lingers
/// takes as long as the peer has set, and is not to stop the reactor.
pub(crate) fn close_elsewhere(descriptor: OwnedFd) {
    static CLOSERS: OnceLock<ThreadPool> = OnceLock::new();
    // As many may wait as the process may have open: beyond that none is received.
    let closers = CLOSERS.get_or_init(|| ThreadPool::new("reactor-close", THREADS, usize::MAX));
    // Where no thread can be started it is closed here.
    let _ = closers.call(move || drop(descriptor));
}

const THREADS: usize = 4;
