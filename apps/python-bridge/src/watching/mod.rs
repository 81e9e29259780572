//! Descriptors that Twisted's own Python reads and writes, and the way in from other threads.

pub(crate) mod descriptor;
pub(crate) mod waker;
pub(crate) mod watch;
