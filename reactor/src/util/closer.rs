//! Closing what a peer has chosen.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use socket2::SockRef;

use crate::util::thread_pool::ThreadPool;

/// Closes a descriptor that came from a peer, on one of up to four threads that do nothing else: the last close of a
/// socket that lingers takes as long as the peer has set, and must not stop the reactor.
///
/// Up to 64 wait for these threads. Where more would, or no thread can be started, a socket is told not to linger, and is
/// closed at once.
///
/// ```no_run
/// use std::os::fd::OwnedFd;
///
/// use reactor::{Protocol, Transport};
/// use reactor::unix::close_in_thread;
///
/// struct Taker { transport: Transport, file: Option<OwnedFd> }
///
/// impl Protocol for Taker {
///     fn data_received(&mut self, _data: &[u8]) {}
///
///     fn file_descriptor_received(&mut self, descriptor: OwnedFd) {
///         if let Some(unused) = self.file.replace(descriptor) {
///             close_in_thread(unused);
///         }
///     }
/// }
/// ```
pub fn close_in_thread(descriptor: impl Into<OwnedFd>) {
    static CLOSERS: OnceLock<ThreadPool> = OnceLock::new();
    let mut closing = Closing(Some(descriptor.into()));
    let closers = CLOSERS.get_or_init(|| ThreadPool::new("reactor-close", THREADS, WAITING));
    // A job that is refused is dropped.
    let _ = closers.call(move || drop(closing.0.take()));
}

const THREADS: usize = 4;

/// Few, for they take places among the process's descriptors: files are closed in a moment.
const WAITING: usize = 64;

/// What must not wait if it is dropped.
struct Closing(Option<OwnedFd>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(descriptor) = &self.0 {
            // It may be no socket.
            let _ = SockRef::from(descriptor).set_linger(None);
        }
    }
}
